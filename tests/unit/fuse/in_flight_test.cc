#include "fuse/in_flight.h"

#include <gtest/gtest.h>

#include <thread>

namespace pail::fuse {
namespace {

TEST(InFlight, AnInterruptStopsItsRequestAlone) {
  InFlight requests;
  const auto first = requests.begin(2), second = requests.begin(4);
  requests.interrupt(2);
  EXPECT_TRUE(first.stop_requested());
  EXPECT_FALSE(second.stop_requested());
}

TEST(InFlight, AnInterruptThatIsReadFirstStillStopsItsRequest) {
  InFlight requests;
  requests.interrupt(2);
  EXPECT_TRUE(requests.begin(2).stop_requested());
}

TEST(InFlight, InterruptsOfAnsweredRequestsAreForgotten) {
  InFlight requests;
  for (std::uint64_t unique = 2; unique < 2000; unique += 2) requests.interrupt(unique);
  EXPECT_FALSE(requests.begin(3000).stop_requested());
}

TEST(InFlight, AStopCallbackMayAnswerTheRequest) {
  InFlight requests;
  const auto token = requests.begin(2);
  const std::stop_callback answer(token, [&] { requests.end(2); });
  requests.interrupt(2);
  EXPECT_TRUE(requests.wait_until_empty(std::chrono::milliseconds(0)));
}

TEST(InFlight, WaitsForTheAnswerOfAnotherThread) {
  InFlight requests;
  requests.begin(2);
  requests.begin(4);
  const std::jthread answers([&] { requests.end(2); });
  requests.wait_for_end(2);
  EXPECT_FALSE(requests.wait_until_empty(std::chrono::milliseconds(0)));
  requests.end(4);
  EXPECT_TRUE(requests.wait_until_empty(std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace pail::fuse
