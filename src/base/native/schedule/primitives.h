// What base schedules with, as the machine has it. The build chooses which primitives.h is found: the deterministic
// simulation has another one with the same members (tests/simulation/schedule).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "pailfs/base/clock.h"

namespace pail::schedule {

using Lock = std::mutex;

// Waits on a Lock that the caller holds. Wake-ups may be spurious.
class Condition {
 public:
  void wait(Lock& lock) {
    std::unique_lock held(lock, std::adopt_lock);
    condition_.wait(held);
    held.release();
  }
  // False when `until` passed first.
  bool wait_until(Lock& lock, SteadyTime until) {
    std::unique_lock held(lock, std::adopt_lock);
    const bool woken = condition_.wait_until(held, until) == std::cv_status::no_timeout;
    held.release();
    return woken;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

using ThreadId = std::thread::id;
inline ThreadId this_thread() {
  return std::this_thread::get_id();
}

// A thread, to be joined before it is destroyed or assigned to.
class RunningThread {
 public:
  RunningThread() = default;
  // `name`: at most 15 bytes, for ps and debuggers.
  RunningThread(std::string name, std::function<void()> run);

  void join() { thread_.join(); }
  bool joinable() const { return thread_.joinable(); }
  ThreadId id() const { return thread_.get_id(); }

 private:
  std::thread thread_;
};

}  // namespace pail::schedule
