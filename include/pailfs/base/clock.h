// Time, passed in where it matters so that a test can move it.
#pragma once

#include <chrono>
#include <string>

namespace pail {

class CondVar;
class Mutex;

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
  // Names the run of the machine that boot() counts; two with one name are the same. Empty: not known.
  virtual std::string boot_id() const { return {}; }
  // Waits as CondVar::wait() does, and ends when steady() is `until`: false. Wake-ups may be spurious.
  virtual bool wait_until(CondVar& changed, Mutex& mutex, SteadyTime until) const = 0;
};

// The machine's own clocks; lives for ever.
const Clock& system_clock();

}  // namespace pail
