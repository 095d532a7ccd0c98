// A fixed set of threads that run what they are given, the more urgent first.
#pragma once

#include <functional>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "pailfs/base/stop.h"
#include "runtime/lane_queue.h"

namespace pail::runtime {

// Thread-safe. Destruction runs what is queued, then joins.
class Executor {
 public:
  explicit Executor(unsigned threads);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Tasks begin in the order of a LaneQueue. `task` must not throw and must not wait for another task of the same
  // executor. Where `stop` is requested before it begins, it never runs.
  void run(Lane lane, std::function<void()> task, StopToken stop = {}) PAIL_EXCLUDES(mutex_);
  // Runs what is queued and ends the threads; what is given to run() afterwards never runs.
  void finish() PAIL_EXCLUDES(mutex_);

 private:
  struct Task {
    std::function<void()> run;
    StopToken stop;
  };

  void work() PAIL_EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  LaneQueue<Task> tasks_ PAIL_GUARDED_BY(mutex_);
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  std::vector<Thread> threads_;
};

}  // namespace pail::runtime
