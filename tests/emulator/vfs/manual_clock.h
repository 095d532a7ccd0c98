// A clock that stands still until it is moved, and a calendar that can be set.
#pragma once

#include <mutex>

#include "pailfs/base/clock.h"

namespace pail::vfs {

class ManualClock final : public Clock {
 public:
  ManualClock() : wall_(system_clock().wall()), steady_(system_clock().steady()) {}
  WallTime wall() const override {
    std::lock_guard lock(mutex_);
    return wall_;
  }
  SteadyTime steady() const override {
    std::lock_guard lock(mutex_);
    return steady_;
  }
  void pass(std::chrono::nanoseconds time) {
    std::lock_guard lock(mutex_);
    wall_ += time;
    steady_ += time;
  }
  // As `date -s` does.
  void set_calendar(std::chrono::nanoseconds by) {
    std::lock_guard lock(mutex_);
    wall_ += by;
  }

 private:
  mutable std::mutex mutex_;
  WallTime wall_;
  SteadyTime steady_;
};

}  // namespace pail::vfs
