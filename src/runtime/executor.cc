#include "runtime/executor.h"

namespace pail::runtime {

Executor::Executor(unsigned threads) {
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back("pailfs-work", [this] { work(); });
}

Executor::~Executor() {
  finish();
}

void Executor::finish() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (Thread& thread : threads_) thread.join();
  threads_.clear();
}

void Executor::run(Lane lane, std::function<void()> task, StopToken stop) {
  {
    MutexLock lock(mutex_);
    tasks_.push(lane, {std::move(task), std::move(stop)});
  }
  changed_.notify_one();
}

void Executor::work() {
  for (;;) {
    Task task;
    {
      MutexLock lock(mutex_);
      while (tasks_.empty() && !stopping_) changed_.wait(mutex_);
      if (tasks_.empty()) return;
      task = tasks_.pop();
    }
    if (!task.stop.stop_requested()) task.run();
  }
}

}  // namespace pail::runtime
