#include "simulation/kernel/inode_lock.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace pail::simulation {
namespace {

class InodeLockTest : public testing::Test {
 protected:
  using Mode = InodeLock::Mode;

  void take(const std::string& who, Mode mode) {
    lock_->take(mode, [this, who](InodeLock::Hold hold) { holds_.emplace(who, std::move(hold)); });
  }
  void drop(const std::string& who) {
    holds_.erase(who);
    while (!ready_.empty()) {
      const auto next = std::move(ready_.front());
      ready_.pop_front();
      next();
    }
  }
  bool has(const std::string& who) const { return holds_.contains(who); }

  ReadyQueue ready_;
  std::shared_ptr<InodeLock> lock_ = std::make_shared<InodeLock>(ready_);
  std::map<std::string, InodeLock::Hold> holds_;
};

TEST_F(InodeLockTest, IsSharedByThoseWhoOnlyLook) {
  take("a", Mode::shared);
  take("b", Mode::shared);
  EXPECT_TRUE(has("a") && has("b"));
}

TEST_F(InodeLockTest, WhoChangesHoldsItAlone) {
  take("a", Mode::exclusive);
  take("b", Mode::exclusive);
  take("c", Mode::shared);
  EXPECT_TRUE(has("a") && !has("b") && !has("c"));
  drop("a");
  EXPECT_TRUE(has("b") && !has("c"));
  drop("b");
  EXPECT_TRUE(has("c"));
}

TEST_F(InodeLockTest, NobodyIsOvertaken) {
  take("a", Mode::shared);
  take("b", Mode::exclusive);
  take("c", Mode::shared);
  EXPECT_TRUE(!has("b") && !has("c"));
  drop("a");
  EXPECT_TRUE(has("b") && !has("c"));
}

TEST_F(InodeLockTest, IsHeldAsLongAsACopyOfItsHoldLives) {
  take("a", Mode::exclusive);
  InodeLock::Hold copy = holds_.at("a");
  take("b", Mode::exclusive);
  drop("a");
  EXPECT_FALSE(has("b"));
  copy.reset();
  drop("a");
  EXPECT_TRUE(has("b"));
}

TEST_F(InodeLockTest, WhoIsAbandonedNeverGetsIt) {
  take("a", Mode::exclusive);
  take("b", Mode::exclusive);
  lock_->abandon();
  drop("a");
  EXPECT_FALSE(has("b"));
}

}  // namespace
}  // namespace pail::simulation
