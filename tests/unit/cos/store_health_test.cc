#include "cos/store_health.h"

#include <gtest/gtest.h>

#include "../../manual_clock.h"

namespace pail::cos {
namespace {

using std::chrono::seconds;

class StoreHealthTest : public ::testing::Test {
 protected:
  // A call that takes `time` and is never answered.
  void call_in_vain(seconds time) {
    const SteadyTime began = clock_.steady();
    clock_.pass(time);
    health_.used_up(began, "no answer");
  }

  ManualClock clock_;
  StoreHealth health_{"http://store", clock_};
};

TEST_F(StoreHealthTest, IsGoodAtFirst) {
  EXPECT_FALSE(health_.down());
}

TEST_F(StoreHealthTest, IsDownAfterACallThatUsedUpItsTime) {
  call_in_vain(seconds(60));
  EXPECT_TRUE(health_.down());
}

TEST_F(StoreHealthTest, IsGoodAgainWithTheFirstAnswer) {
  call_in_vain(seconds(60));
  health_.answered();
  EXPECT_FALSE(health_.down());
}

TEST_F(StoreHealthTest, StaysGoodWhenAnotherCallWasAnsweredMeanwhile) {
  const SteadyTime began = clock_.steady();
  clock_.pass(seconds(30));
  health_.answered();
  clock_.pass(seconds(30));
  health_.used_up(began, "no answer");
  EXPECT_FALSE(health_.down());
}

TEST_F(StoreHealthTest, StaysDownHoweverManyCallsFail) {
  call_in_vain(seconds(60));
  call_in_vain(seconds(5));
  EXPECT_TRUE(health_.down());
}

}  // namespace
}  // namespace pail::cos
