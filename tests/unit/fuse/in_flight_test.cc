#include "fuse/in_flight.h"
#include "pailfs/base/stop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <thread>

namespace pail::fuse {
namespace {

constexpr pid_t kUnseen = 0;  // what the kernel says of a caller in another pid namespace

TEST(InFlight, AnInterruptStopsItsRequestAlone) {
  InFlight requests;
  const auto first = requests.begin(2, kUnseen), second = requests.begin(4, kUnseen);
  requests.interrupt(2);
  EXPECT_TRUE(first.stop_requested());
  EXPECT_FALSE(second.stop_requested());
}

TEST(InFlight, AnInterruptThatIsReadFirstStillStopsItsRequest) {
  InFlight requests;
  requests.interrupt(2);
  EXPECT_TRUE(requests.begin(2, kUnseen).stop_requested());
}

TEST(InFlight, InterruptsOfAnsweredRequestsAreForgotten) {
  InFlight requests;
  for (std::uint64_t unique = 2; unique < 2000; unique += 2) requests.interrupt(unique);
  EXPECT_FALSE(requests.begin(3000, kUnseen).stop_requested());
}

TEST(InFlight, AnInterruptOfACallerThatLivesOnStopsNothing) {
  InFlight requests;
  const auto token = requests.begin(2, gettid());
  requests.interrupt(2);
  EXPECT_FALSE(token.stop_requested());
  requests.interrupt(4);
  EXPECT_FALSE(requests.begin(4, gettid()).stop_requested());
}

TEST(InFlight, AnInterruptOfACallerThatIsGoneStopsItsRequest) {
  InFlight requests;
  pid_t gone = 0;
  std::thread([&] { gone = gettid(); }).join();
  const auto token = requests.begin(2, gone);
  requests.interrupt(2);
  EXPECT_TRUE(token.stop_requested());
}

TEST(InFlight, ACallerThatGoesAfterItsInterruptStopsItsRequest) {
  InFlight requests;
  std::promise<pid_t> caller;
  std::promise<void> go;
  std::jthread thread([&] {
    caller.set_value(gettid());
    go.get_future().wait();
  });
  const auto token = requests.begin(2, caller.get_future().get());
  std::promise<void> stopped;
  const StopCallback note(token, [&] { stopped.set_value(); });
  requests.interrupt(2);
  EXPECT_FALSE(token.stop_requested());
  go.set_value();
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
}

TEST(InFlight, StoppingAllStopsWhatIsThereAndWhatComes) {
  InFlight requests;
  const auto token = requests.begin(2, gettid());
  const StopCallback answer(token, [&] { requests.end(2); });
  requests.stop_all();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_TRUE(requests.wait_until_empty(std::chrono::milliseconds(0)));
  EXPECT_TRUE(requests.begin(4, gettid()).stop_requested());
}

TEST(InFlight, AStopCallbackMayAnswerTheRequest) {
  InFlight requests;
  const auto token = requests.begin(2, kUnseen);
  const StopCallback answer(token, [&] { requests.end(2); });
  requests.interrupt(2);
  EXPECT_TRUE(requests.wait_until_empty(std::chrono::milliseconds(0)));
}

TEST(InFlight, WaitsForTheAnswerOfAnotherThread) {
  InFlight requests;
  requests.begin(2, kUnseen);
  requests.begin(4, kUnseen);
  const std::jthread answers([&] { requests.end(2); });
  requests.wait_for_end(2);
  EXPECT_FALSE(requests.wait_until_empty(std::chrono::milliseconds(0)));
  requests.end(4);
  EXPECT_TRUE(requests.wait_until_empty(std::chrono::milliseconds(0)));
}

}  // namespace
}  // namespace pail::fuse
