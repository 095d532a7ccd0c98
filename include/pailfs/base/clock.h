// Time, passed in where it matters so that a test can move it.
#pragma once

#include <chrono>

namespace pail {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual WallTime wall() const = 0;      // what a calendar says; may jump
  virtual SteadyTime steady() const = 0;  // for durations; never jumps
  // For how long ago something was: never jumps, and counts the time for which the machine was suspended.
  virtual SteadyTime boot() const { return steady(); }
};

// The machine's own clocks; lives for ever.
const Clock& system_clock();

}  // namespace pail
