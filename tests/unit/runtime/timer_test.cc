#include "runtime/timer.h"

#include <gtest/gtest.h>

#include <string>

#include "../../manual_clock.h"
#include "base/mutex.h"

namespace pail::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

class TimerTest : public testing::Test {
 protected:
  // `note` is what happened, in order.
  std::function<void()> noting(std::string note) {
    return [this, note = std::move(note)] {
      const MutexLock lock(mutex_);
      notes_ += note;
      noted_.notify_all();
    };
  }
  std::string wait_for_notes(std::size_t count) {
    const MutexLock lock(mutex_);
    while (notes_.size() < count) noted_.wait(mutex_);
    return notes_;
  }
  void run_after(seconds pause, std::function<void()> task) {
    timer_.run_after(pause, timer_.announce(), std::move(task));
  }

  ManualClock clock_;
  Mutex mutex_;
  CondVar noted_;
  std::string notes_ PAIL_GUARDED_BY(mutex_);
  Timer timer_{clock_};
};

TEST_F(TimerTest, WaitsForItsClockAndForNoOther) {
  run_after(seconds(20), noting("b"));
  run_after(seconds(10), noting("a"));
  clock_.pass_for_a_sleeper(seconds(9));
  timer_.run_now(noting("."));
  EXPECT_EQ(wait_for_notes(1), ".");  // of those before it none was due
  clock_.pass(seconds(1));
  EXPECT_EQ(wait_for_notes(2), ".a");
  clock_.pass(seconds(10));
  EXPECT_EQ(wait_for_notes(3), ".ab");
}

TEST_F(TimerTest, ASleepOfTheMachineAndASetCalendarMakeNothingDue) {
  run_after(seconds(10), noting("a"));
  clock_.suspend(std::chrono::hours(8));
  clock_.set_wall(clock_.wall() + std::chrono::hours(24));
  timer_.run_now(noting("."));
  EXPECT_EQ(wait_for_notes(1), ".");
  clock_.pass(seconds(10));
  EXPECT_EQ(wait_for_notes(2), ".a");
}

TEST_F(TimerTest, AHurriedTaskDoesNotWaitForTheClock) {
  const Timer::Id early = timer_.announce(), late = timer_.announce();
  timer_.hurry(early);
  timer_.run_after(std::chrono::hours(1), early, noting("a"));
  EXPECT_EQ(wait_for_notes(1), "a");
  timer_.run_after(std::chrono::hours(1), late, noting("b"));
  timer_.hurry(late);
  EXPECT_EQ(wait_for_notes(2), "ab");
}

TEST(Timer, EndsWhileATaskWaitsForAClockThatStands) {
  const ManualClock clock;
  bool ran = false;
  {
    Timer timer(clock);
    timer.run_after(milliseconds(1), timer.announce(), [&] { ran = true; });
  }
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace pail::runtime
