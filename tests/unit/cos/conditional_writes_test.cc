#include "cos/conditional_writes.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "../../manual_clock.h"

namespace pail::cos {
namespace {

class ConditionalWritesTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  ConditionalWrites writes_{"PUT", clock_};
};

TEST_F(ConditionalWritesTest, AreDoubtedOnTheStoresOwnWordOnly) {
  EXPECT_TRUE(ConditionalWrites::in_doubt({EOPNOTSUPP, "501 NotImplemented", Fault::unsupported}));
  EXPECT_FALSE(ConditionalWrites::in_doubt({EOPNOTSUPP, "501", Fault::not_a_store}));
  EXPECT_FALSE(ConditionalWrites::in_doubt({ESTALE, "412", Fault::precondition}));
}

TEST_F(ConditionalWritesTest, AreLeftOutForAnHourOnceProvenMissing) {
  EXPECT_TRUE(writes_.in_use());
  writes_.proven_missing();
  EXPECT_FALSE(writes_.in_use());
  clock_.pass(std::chrono::minutes(59));
  EXPECT_FALSE(writes_.in_use());
  clock_.pass(std::chrono::minutes(1));
  EXPECT_TRUE(writes_.in_use());
}

TEST_F(ConditionalWritesTest, ThatAreMissingStillAreLeftOutForAnotherHour) {
  writes_.proven_missing();
  clock_.pass(std::chrono::minutes(60));
  writes_.proven_missing();
  EXPECT_FALSE(writes_.in_use());
}

}  // namespace
}  // namespace pail::cos
