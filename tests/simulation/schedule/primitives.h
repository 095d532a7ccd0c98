// What base schedules with, in the simulation: the members of src/base/native/schedule/primitives.h, on real threads of
// which one runs at a time (scheduler.h). Where no scheduler runs, there is one thread, and nobody waits.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "pailfs/base/clock.h"

namespace pail::schedule {

class Scheduler;

using ThreadId = unsigned;  // 0: one that no scheduler knows
ThreadId this_thread();

class Lock {
 public:
  void lock();
  void unlock();

 private:
  friend class Condition;
  void release_for_wait(Scheduler& scheduler);

  bool held_ = false;
  ThreadId owner_ = 0;
  unsigned waiters_ = 0;
};

class Condition {
 public:
  void wait(Lock& lock);
  bool wait_until(Lock& lock, SteadyTime until);
  void notify_one();
  void notify_all();
};

class RunningThread {
 public:
  RunningThread() = default;
  RunningThread(std::string name, std::function<void()> run);
  RunningThread(RunningThread&&) = default;
  RunningThread& operator=(RunningThread&&) = default;

  void join();
  bool joinable() const { return handle_ != nullptr; }
  ThreadId id() const;

 private:
  struct Handle;
  std::shared_ptr<Handle> handle_;
};

}  // namespace pail::schedule
