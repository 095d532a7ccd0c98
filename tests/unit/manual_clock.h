// A clock that a test moves.
#pragma once

#include "pailfs/base/clock.h"

namespace pail {

class ManualClock final : public Clock {
 public:
  WallTime wall() const override { return WallTime(now_); }
  SteadyTime steady() const override { return SteadyTime(now_); }
  void pass(std::chrono::nanoseconds time) { now_ += time; }

 private:
  std::chrono::nanoseconds now_ = std::chrono::hours(1);
};

}  // namespace pail
