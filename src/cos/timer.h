// A thread that runs what is due: retries that wait their turn, and work that must not hold a network thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include "base/mutex.h"

namespace pail::cos {

// Thread-safe. Destruction drops what has not started, waits for what runs, and joins.
class Timer {
 public:
  using Id = std::uint64_t;

  Timer();
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  // `task` must not throw. It runs on the timer's thread, one task at a time, without a lock held.
  Id run_after(std::chrono::milliseconds pause, std::function<void()> task) PAIL_EXCLUDES(mutex_);
  // Runs a waiting task now. Does nothing when it has started or is gone.
  void hurry(Id id) PAIL_EXCLUDES(mutex_);

 private:
  using Due = std::pair<std::chrono::steady_clock::time_point, Id>;

  void work() PAIL_EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::map<Due, std::function<void()>> tasks_ PAIL_GUARDED_BY(mutex_);
  Id last_id_ PAIL_GUARDED_BY(mutex_) = 0;
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pail::cos
