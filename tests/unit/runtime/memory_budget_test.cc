#include "runtime/memory_budget.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <utility>
#include <vector>

#include "base/thread.h"

namespace pail::runtime {
namespace {

using Lease = MemoryBudget::Lease;

class MemoryBudgetTest : public testing::Test {
 protected:
  Counters counters_;
};

TEST_F(MemoryBudgetTest, WhatFitsIsTakenAndWhatDoesNotIsRefused) {
  MemoryBudget budget(10_MiB, counters_);
  const auto first = budget.try_take(6_MiB);
  EXPECT_TRUE(first);
  EXPECT_FALSE(budget.try_take(5_MiB));
  EXPECT_EQ(budget.in_use(), 6_MiB) << "a refusal takes nothing";
  EXPECT_TRUE(budget.try_take(4_MiB));
}

TEST_F(MemoryBudgetTest, ALeaseGivesBackWhenItIsDestroyed) {
  MemoryBudget budget(1_MiB, counters_);
  { const auto lease = budget.try_take(1_MiB); }
  EXPECT_EQ(budget.in_use(), ByteCount{0});
  EXPECT_TRUE(budget.try_take(1_MiB));
}

TEST_F(MemoryBudgetTest, ALeaseThatIsMovedIsGivenBackOnce) {
  MemoryBudget budget(4_MiB, counters_);
  auto lease = budget.try_take(1_MiB);
  {
    const Lease holder = *std::move(lease);
    lease.reset();
    EXPECT_EQ(budget.in_use(), 1_MiB);
  }
  EXPECT_EQ(budget.in_use(), ByteCount{0});
}

TEST_F(MemoryBudgetTest, ALeaseThatIsAssignedToGivesBackWhatItHeld) {
  MemoryBudget budget(4_MiB, counters_);
  Lease lease = budget.take_regardless(1_MiB);
  lease = budget.take_regardless(2_MiB);
  EXPECT_EQ(budget.in_use(), 2_MiB);
  lease = Lease();
  EXPECT_EQ(budget.in_use(), ByteCount{0});
}

TEST_F(MemoryBudgetTest, WhatMustNotWaitIsTakenBeyondTheBound) {
  MemoryBudget budget(1_MiB, counters_);
  std::optional<Lease> large = budget.take_regardless(3_MiB);
  EXPECT_EQ(budget.in_use(), 3_MiB);
  EXPECT_FALSE(budget.try_take(ByteCount{1}));
  large.reset();
  EXPECT_TRUE(budget.try_take(1_MiB));
}

TEST_F(MemoryBudgetTest, ALeaseMayOutliveIt) {
  std::optional<MemoryBudget> budget(std::in_place, 1_MiB, counters_);
  const auto lease = budget->try_take(1_MiB);
  budget.reset();
  EXPECT_TRUE(lease);
}

TEST_F(MemoryBudgetTest, WhatIsTakenIsTold) {
  MemoryBudget budget(4_MiB, counters_);
  const auto lease = budget.try_take(1_MiB);
  EXPECT_EQ(counters_.value("memory_bytes"), (1_MiB).n);
}

TEST_F(MemoryBudgetTest, ThreadsThatTryAtOnceNeverHoldMoreThanTheBound) {
  constexpr std::uint64_t kBound = 3;
  MemoryBudget budget(ByteCount{kBound}, counters_);
  std::atomic<std::uint64_t> held{0}, most{0};
  {
    std::vector<Thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back("taker", [&] {
        for (int round = 0; round < 10'000; ++round) {
          const auto lease = budget.try_take({1});
          if (!lease) continue;
          const std::uint64_t now = ++held;
          for (std::uint64_t before = most; before < now && !most.compare_exchange_weak(before, now);) continue;
          --held;
        }
      });
    for (Thread& thread : threads) thread.join();
  }
  EXPECT_LE(most, kBound);
  EXPECT_GT(most, 0u);
  EXPECT_EQ(budget.in_use(), ByteCount{0});
}

}  // namespace
}  // namespace pail::runtime
