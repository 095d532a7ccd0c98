// A clock that stands still until a test moves it: all of it, the calendar alone, or the machine's sleep.
#pragma once

#include "base/mutex.h"
#include "pailfs/base/clock.h"

namespace pail {

// Thread-safe.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(WallTime wall = WallTime(std::chrono::hours(500'000))) : wall_(wall) {}

  WallTime wall() const override {
    const MutexLock lock(mutex_);
    return wall_;
  }
  SteadyTime steady() const override {
    const MutexLock lock(mutex_);
    return steady_;
  }
  SteadyTime boot() const override {
    const MutexLock lock(mutex_);
    return boot_;
  }

  void pass(std::chrono::nanoseconds time) {
    const MutexLock lock(mutex_);
    wall_ += time;
    steady_ += time;
    boot_ += time;
  }
  // The machine sleeps for this time.
  void suspend(std::chrono::nanoseconds time) {
    const MutexLock lock(mutex_);
    wall_ += time;
    boot_ += time;
  }
  // As `date -s` does.
  void set_wall(WallTime wall) {
    const MutexLock lock(mutex_);
    wall_ = wall;
  }

 private:
  mutable Mutex mutex_;
  WallTime wall_ PAIL_GUARDED_BY(mutex_);
  SteadyTime steady_ PAIL_GUARDED_BY(mutex_){std::chrono::hours(1)};
  SteadyTime boot_ PAIL_GUARDED_BY(mutex_){std::chrono::hours(2)};  // it has slept before
};

}  // namespace pail
