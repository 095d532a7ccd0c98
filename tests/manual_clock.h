// A clock that stands still until a test moves it: all of it, the calendar alone, or the machine's sleep. What waits on
// it goes on when it is moved.
#pragma once

#include <string>
#include <vector>

#include "base/mutex.h"
#include "pailfs/base/clock.h"

namespace pail {

// Thread-safe. Who moves it holds no mutex with which somebody waits on it. Locks: that mutex, then the clock's own.
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

  std::string boot_id() const override {
    const MutexLock lock(mutex_);
    return "boot-" + std::to_string(boots_);
  }
  bool wait_until(CondVar& changed, Mutex& mutex, SteadyTime until) const override PAIL_REQUIRES(mutex) {
    Sleeper self{changed, mutex};
    {
      const MutexLock lock(mutex_);
      if (steady_ >= until) return false;
      sleepers_.push_back(&self);
      moved_.notify_all();
    }
    changed.wait(mutex);
    mutex.unlock();  // who wakes this one takes it
    const bool early = end(self) < until;
    mutex.lock();
    return early;
  }

  void pass(std::chrono::nanoseconds time) {
    {
      const MutexLock lock(mutex_);
      wall_ += time;
      steady_ += time;
      boot_ += time;
    }
    wake();
  }
  // Moves it as soon as somebody waits on it.
  void pass_for_a_sleeper(std::chrono::nanoseconds time) {
    {
      const MutexLock lock(mutex_);
      while (sleepers_.empty()) moved_.wait(mutex_);
    }
    pass(time);
  }
  // The machine sleeps for this time.
  void suspend(std::chrono::nanoseconds time) {
    const MutexLock lock(mutex_);
    wall_ += time;
    boot_ += time;
  }
  // The machine starts anew; its calendar goes on unless it is set.
  void reboot() {
    const MutexLock lock(mutex_);
    ++boots_;
    steady_ = boot_ = SteadyTime(std::chrono::minutes(1));
  }
  // As `date -s` does.
  void set_wall(WallTime wall) {
    const MutexLock lock(mutex_);
    wall_ = wall;
  }

 private:
  struct Sleeper {
    CondVar& changed;
    Mutex& mutex;
    unsigned wakers = 0;  // that still use the two
  };

  SteadyTime end(Sleeper& sleeper) const PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (sleeper.wakers > 0) moved_.wait(mutex_);
    std::erase(sleepers_, &sleeper);
    return steady_;
  }
  void wake() PAIL_EXCLUDES(mutex_) {
    std::vector<Sleeper*> woken;
    {
      const MutexLock lock(mutex_);
      woken = sleepers_;
      for (Sleeper* sleeper : woken) ++sleeper->wakers;
    }
    for (Sleeper* sleeper : woken) {
      { const MutexLock waits(sleeper->mutex); }  // it does by now, or has seen the new time
      sleeper->changed.notify_all();
      const MutexLock lock(mutex_);
      --sleeper->wakers;
      moved_.notify_all();
    }
  }

  mutable Mutex mutex_;
  mutable CondVar moved_;  // and somebody began to wait, or was woken
  mutable std::vector<Sleeper*> sleepers_ PAIL_GUARDED_BY(mutex_);
  WallTime wall_ PAIL_GUARDED_BY(mutex_);
  SteadyTime steady_ PAIL_GUARDED_BY(mutex_){std::chrono::hours(1)};
  unsigned boots_ PAIL_GUARDED_BY(mutex_) = 1;
  SteadyTime boot_ PAIL_GUARDED_BY(mutex_){std::chrono::hours(2)};  // it has slept before
};

}  // namespace pail
