#include <gtest/gtest.h>

#include <cerrno>
#include <optional>

#include "fuse/attempts.h"
#include "fuse/open_table.h"
#include "fuse/shared_state.h"

namespace pail::fuse {
namespace {

class Tables : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made = SharedMemory::create();
    ASSERT_TRUE(made);
    memory_.emplace(*std::move(made));
    start_worker();
  }
  SharedState& state() { return **memory_; }
  void start_worker() { ++state().worker; }
  void worker_dies(Death why) {
    state().deaths[state().worker % kDeathsKept] = why;
    start_worker();
  }

  std::optional<SharedMemory> memory_;
};

using OpenTableTest = Tables;
using AttemptsTest = Tables;

TEST_F(OpenTableTest, CountsHandlesOfAnInode) {
  SharedOpenTable table(state());
  table.add(7);
  table.add(7);
  table.remove(7);
  EXPECT_TRUE(table.maybe_open(7));
  EXPECT_FALSE(table.maybe_open(8));
  table.remove(7);
  EXPECT_FALSE(table.maybe_open(7));
}

TEST_F(OpenTableTest, OutlivesTheWorker) {
  SharedOpenTable(state()).add(7);
  worker_dies(Death::innocent);
  EXPECT_TRUE(SharedOpenTable(state()).maybe_open(7));
}

TEST_F(OpenTableTest, CountsARequestThatComesAgainOnce) {
  SharedOpenTable table(state());
  table.add_for({100, false}, 7);
  table.add_for({100, true}, 7);
  table.add_for({102, false}, 7);
  table.remove_for({104, false}, 7);
  table.remove_for({104, true}, 7);
  EXPECT_TRUE(table.maybe_open(7));
  table.remove_for({106, true}, 7);  // of a worker that died before it counted
  EXPECT_FALSE(table.maybe_open(7));
}

TEST_F(OpenTableTest, CountsAFailedOpenAgainWhenItComesAgain) {
  SharedOpenTable table(state());
  table.add_for({100, false}, 7);
  table.take_back({100, false}, 7);
  EXPECT_FALSE(table.maybe_open(7));
  table.add_for({100, true}, 7);
  EXPECT_TRUE(table.maybe_open(7));
}

TEST_F(OpenTableTest, SaysMaybeOfEveryInodeWhileSomeFoundNoSlot) {
  SharedOpenTable table(state());
  constexpr vfs::InodeNumber kMore = 2 * kOpenSlots;
  for (vfs::InodeNumber number = 1; number <= kMore; ++number) table.add(number);
  EXPECT_TRUE(table.maybe_open(kMore + 1));
  for (vfs::InodeNumber number = 1; number <= kMore; ++number) table.remove(number);
  EXPECT_FALSE(table.maybe_open(1));
  EXPECT_FALSE(table.maybe_open(kMore + 1));
}

TEST_F(OpenTableTest, HoldsHalfItsSlotsWithoutDoubt) {
  SharedOpenTable table(state());
  for (vfs::InodeNumber number = 1; number <= kOpenSlots / 2; ++number) table.add(number);
  EXPECT_FALSE(table.maybe_open(kOpenSlots));
}

TEST_F(AttemptsTest, CountsSuspiciousDeathsOnly) {
  Attempts(state()).dispatched(40);
  worker_dies(Death::innocent);
  EXPECT_EQ(Attempts(state()).deaths_of(40), 0u);
  Attempts(state()).dispatched(40);
  worker_dies(Death::suspicious);
  EXPECT_EQ(Attempts(state()).deaths_of(40), 1u);
}

TEST_F(AttemptsTest, CountsADeathOnceHoweverOftenItIsAsked) {
  worker_dies(Death::suspicious);
  Attempts attempts(state());
  EXPECT_EQ(attempts.deaths_of(40), 1u);
  EXPECT_EQ(attempts.deaths_of(40), 1u);
  attempts.dispatched(40);
  EXPECT_EQ(attempts.deaths_of(40), 1u);
}

TEST_F(AttemptsTest, ARequestThatWaitedItsTurnIsNotGuilty) {
  worker_dies(Death::suspicious);
  for (const std::uint64_t unique : {40, 42}) {
    EXPECT_EQ(Attempts(state()).deaths_of(unique), 1u);
    Attempts(state()).dispatched(unique);
  }
  worker_dies(Death::suspicious);
  EXPECT_EQ(Attempts(state()).deaths_of(40), kSuspectDeaths);
  EXPECT_EQ(Attempts(state()).deaths_of(42), kSuspectDeaths);
  Attempts(state()).dispatched(40);  // 42 waits for its end
  worker_dies(Death::suspicious);
  EXPECT_EQ(Attempts(state()).deaths_of(40), kGuiltyDeaths);
  EXPECT_EQ(Attempts(state()).deaths_of(42), kSuspectDeaths);
}

TEST_F(AttemptsTest, FiftyKillsFromOutsideCountNothing) {
  for (int i = 0; i < 50; ++i) {
    worker_dies(Death::innocent);
    EXPECT_EQ(Attempts(state()).deaths_of(40), 0u);
    Attempts(state()).dispatched(40);
  }
}

TEST(SharedMemory, RefusesTheMemoryOfAnotherBuild) {
  auto small = sealed_memory("too small");
  ASSERT_TRUE(small);
  EXPECT_EQ(errnum_of(SharedMemory::map(*std::move(small))), EPROTO);
}

}  // namespace
}  // namespace pail::fuse
