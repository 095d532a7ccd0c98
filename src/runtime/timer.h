// A thread that runs what is due: retries that wait their turn, and work that must not hold a network thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "base/mutex.h"
#include "base/thread.h"
#include "pailfs/base/clock.h"

namespace pail::runtime {

// Thread-safe. Destruction drops what has not started, waits for what runs, and joins.
class Timer {
 public:
  using Id = std::uint64_t;

  // `clock` outlives it.
  explicit Timer(const Clock& clock);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // The id of a task that run_after() will be given: hurry() may be called for it before that.
  Id announce() PAIL_EXCLUDES(mutex_);
  // `task` must not throw. It runs on the timer's thread, one task at a time, without a lock held. The timer may be
  // destroyed as soon as the task has ended, also while this call returns.
  void run_after(std::chrono::milliseconds pause, Id announced, std::function<void()> task) PAIL_EXCLUDES(mutex_);
  void run_now(std::function<void()> task) { run_after(std::chrono::milliseconds(0), announce(), std::move(task)); }
  // Runs an announced or waiting task now. Does nothing when it has started or is gone.
  void hurry(Id id) PAIL_EXCLUDES(mutex_);

 private:
  using Due = std::pair<SteadyTime, Id>;

  void work() PAIL_EXCLUDES(mutex_);

  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::map<Due, std::function<void()>> tasks_ PAIL_GUARDED_BY(mutex_);
  Id last_id_ PAIL_GUARDED_BY(mutex_) = 0;
  std::map<Id, bool> announced_ PAIL_GUARDED_BY(mutex_);  // not given yet; whether it was hurried
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace pail::runtime
