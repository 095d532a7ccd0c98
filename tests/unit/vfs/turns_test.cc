#include "vfs/turns.h"
#include "pailfs/base/stop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

namespace pail::vfs {
namespace {

StopToken stopped() {
  StopSource source;
  source.request_stop();
  return source.token();
}

TEST(Turns, OfDifferentInodesAreIndependent) {
  Turns turns;
  const auto one = turns.take(1, {});
  const auto two = turns.take(2, {});
  EXPECT_TRUE(one);
  EXPECT_TRUE(two);
}

TEST(Turns, ATakenTurnIsNotGivenTwice) {
  Turns turns;
  const auto held = turns.take(7, {});
  ASSERT_TRUE(held);
  EXPECT_EQ(errnum_of(turns.take(7, stopped())), EINTR);
}

TEST(Turns, ATurnToLookIsNotWork) {
  Turns turns;
  const auto looks = turns.take_to_look(7, {});
  ASSERT_TRUE(looks);
  EXPECT_FALSE(turns.taken(7));
  EXPECT_EQ(errnum_of(turns.take(7, stopped())), EINTR);
  const auto changes = turns.take(8, {});
  EXPECT_TRUE(turns.taken(8));
}

TEST(Turns, AFreeTurnIsGivenToWhoWasInterrupted) {
  Turns turns;
  EXPECT_TRUE(turns.take(7, stopped()));
}

TEST(Turns, EndWithTheirObject) {
  Turns turns;
  {
    const auto held = turns.take(7, {});
    ASSERT_TRUE(held);
  }
  EXPECT_TRUE(turns.take(7, stopped()));
}

TEST(Turns, MoveWithTheirOwner) {
  Turns turns;
  auto first = turns.take(7, {});
  ASSERT_TRUE(first);
  Turns::Turn kept = std::move(*first);
  EXPECT_EQ(errnum_of(turns.take(7, stopped())), EINTR);
  kept = Turns::Turn{};
  EXPECT_TRUE(turns.take(7, stopped()));
}

TEST(Turns, AWaiterGetsTheTurnWhenItEnds) {
  Turns turns;
  auto held = std::make_optional(turns.take(7, {}));
  auto waiter = std::async(std::launch::async, [&] { return turns.take(7, {}).has_value(); });
  held.reset();
  EXPECT_TRUE(waiter.get());
}

TEST(Turns, AWaiterCanGiveUp) {
  Turns turns;
  const auto held = turns.take(7, {});
  ASSERT_TRUE(held);
  StopSource source;
  auto waiter = std::async(std::launch::async, [&] { return errnum_of(turns.take(7, source.token())); });
  source.request_stop();
  EXPECT_EQ(waiter.get(), EINTR);
}

TEST(Turns, KeepThreadsApart) {
  Turns turns;
  int unguarded = 0;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 500; ++i) {
        const auto turn = turns.take(7, {});
        ++unguarded;
      }
    });
  threads.clear();
  EXPECT_EQ(unguarded, 2000);
}

}  // namespace
}  // namespace pail::vfs
