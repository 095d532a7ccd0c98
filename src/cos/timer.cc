#include "cos/timer.h"

#include <algorithm>

namespace pail::cos {

using std::chrono::steady_clock;

Timer::Timer() : thread_([this] { work(); }) {}

Timer::~Timer() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

Timer::Id Timer::run_after(std::chrono::milliseconds pause, std::function<void()> task) {
  Id id = 0;
  {
    MutexLock lock(mutex_);
    id = ++last_id_;
    tasks_.emplace(Due{steady_clock::now() + pause, id}, std::move(task));
  }
  changed_.notify_all();
  return id;
}

void Timer::hurry(Id id) {
  {
    MutexLock lock(mutex_);
    const auto found = std::ranges::find(tasks_, id, [](const auto& entry) { return entry.first.second; });
    if (found == tasks_.end()) return;
    auto entry = tasks_.extract(found);
    entry.key().first = steady_clock::time_point::min();
    tasks_.insert(std::move(entry));
  }
  changed_.notify_all();
}

void Timer::work() {
  for (;;) {
    std::function<void()> task;
    {
      MutexLock lock(mutex_);
      while (!stopping_ && (tasks_.empty() || tasks_.begin()->first.first > steady_clock::now())) {
        if (tasks_.empty())
          changed_.wait(mutex_);
        else
          changed_.wait_until(mutex_, tasks_.begin()->first.first);
      }
      if (stopping_) return;
      task = std::move(tasks_.begin()->second);
      tasks_.erase(tasks_.begin());
    }
    task();
  }
}

}  // namespace pail::cos
