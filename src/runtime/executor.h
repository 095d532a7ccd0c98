// A fixed set of threads that run what they are given, first come first served.
#pragma once

#include <functional>
#include <queue>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"

namespace pail::runtime {

// Thread-safe. Destruction runs what is queued, then joins.
class Executor {
 public:
  explicit Executor(unsigned threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // `task` must not throw and must not wait for another task of the same executor.
  void run(std::function<void()> task) PAIL_EXCLUDES(mutex_);
  // Runs what is queued and ends the threads; what is given to run() afterwards never runs.
  void finish() PAIL_EXCLUDES(mutex_);

 private:
  void work() PAIL_EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::queue<std::function<void()>> tasks_ PAIL_GUARDED_BY(mutex_);
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  std::vector<Thread> threads_;
};

}  // namespace pail::runtime
