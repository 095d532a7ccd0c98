#include "vfs/store_all.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <latch>
#include <set>

#include "../../manual_clock.h"
#include "base/thread.h"

namespace pail::vfs {
namespace {

TEST(StoreAll, TriesEachFileOnceAndTellsEachOutcome) {
  std::set<InodeNumber> stored, failed;
  StoreAll(
      [](InodeNumber number) -> Result<Unit> {
        if (number == 3) return Error{EIO, "three"};
        return Unit{};
      },
      2, system_clock())
      .run(
          {1, 2, 3, 4, 5},
          [&](InodeNumber number, const Result<Unit>& outcome) {
            EXPECT_TRUE((outcome ? stored : failed).insert(number).second);
          },
          [] {});
  EXPECT_EQ(stored, (std::set<InodeNumber>{1, 2, 4, 5}));
  EXPECT_EQ(failed, (std::set<InodeNumber>{3}));
}

TEST(StoreAll, FilesAreStoredSideBySide) {
  std::latch all(4);  // each waits for the others
  int ended = 0;
  StoreAll(
      [&](InodeNumber) -> Result<Unit> {
        all.arrive_and_wait();
        return Unit{};
      },
      4, system_clock())
      .run(
          {1, 2, 3, 4}, [&](InodeNumber, const Result<Unit>&) { ++ended; }, [] {});
  EXPECT_EQ(ended, 4);
}

TEST(StoreAll, TellsTheTimeWhileNothingEnds) {
  ManualClock clock;
  std::atomic<bool> go_on = false;
  int ticks = 0;
  const Thread time("time", [&] { clock.pass_for_a_sleeper(std::chrono::seconds(1)); });
  StoreAll(
      [&](InodeNumber) -> Result<Unit> {
        go_on.wait(false);
        return Unit{};
      },
      1, clock)
      .run(
          {1}, [](InodeNumber, const Result<Unit>&) {},
          [&] {
            ++ticks;
            go_on = true;
            go_on.notify_all();
          });
  EXPECT_EQ(ticks, 2);  // and one for the outcome
}

}  // namespace
}  // namespace pail::vfs
