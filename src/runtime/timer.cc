#include "runtime/timer.h"

#include <algorithm>

namespace pail::runtime {

Timer::Timer(const Clock& clock) : clock_(clock), thread_("pailfs-timer", [this] { work(); }) {}

Timer::~Timer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Timer::Id Timer::announce() {
  MutexLock lock(mutex_);
  announced_[++last_id_] = false;
  return last_id_;
}

// Wakes the thread under the lock: once that is released, the task may run and whoever owns the timer may destroy it.
void Timer::run_after(std::chrono::milliseconds pause, Id announced, std::function<void()> task) {
  MutexLock lock(mutex_);
  const auto hurried = announced_.extract(announced);
  const bool now = !hurried.empty() && hurried.mapped();
  tasks_.emplace(Due{now ? SteadyTime::min() : clock_.steady() + pause, announced}, std::move(task));
  changed_.notify_all();
}

void Timer::hurry(Id id) {
  MutexLock lock(mutex_);
  if (const auto early = announced_.find(id); early != announced_.end()) early->second = true;
  const auto found = std::ranges::find(tasks_, id, [](const auto& entry) { return entry.first.second; });
  if (found == tasks_.end()) return;
  auto entry = tasks_.extract(found);
  entry.key().first = SteadyTime::min();
  tasks_.insert(std::move(entry));
  changed_.notify_all();
}

void Timer::work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && (tasks_.empty() || tasks_.begin()->first.first > clock_.steady())) {
        if (tasks_.empty())
          changed_.wait(mutex_);
        else
          (void)clock_.wait_until(changed_, mutex_, tasks_.begin()->first.first);
      }
      if (stopping_) return;
      task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
    }
    task();
  }
}

}  // namespace pail::runtime
