#include "base/thread.h"

#include <string>

#include "base/wake_on_stop.h"
#include "pailfs/base/clock.h"

namespace pail {

Thread::Thread(std::string_view name, std::function<void()> run)
    : Thread(name, [run = std::move(run)](const StopToken&) { run(); }) {}

Thread::Thread(std::string_view name, std::function<void(const StopToken&)> run)
    : thread_(std::string(name), [run = std::move(run), stop = stop_.token()] { run(stop); }) {}

Thread& Thread::operator=(Thread&& other) noexcept {
  if (this == &other) return *this;
  end();
  stop_ = std::move(other.stop_);
  thread_ = std::move(other.thread_);
  return *this;
}

void Thread::end() {
  if (!thread_.joinable()) return;
  stop_.request_stop();
  thread_.join();
}

bool sleep_for(std::chrono::nanoseconds time, const StopToken& stop) {
  Mutex mutex;
  CondVar woken;
  const WakeOnStop wake(stop, mutex, woken);
  const SteadyTime until = system_clock().steady() + time;
  const MutexLock lock(mutex);
  while (!stop.stop_requested() && system_clock().steady() < until) (void)woken.wait_until(mutex, until);
  return !stop.stop_requested();
}

}  // namespace pail
