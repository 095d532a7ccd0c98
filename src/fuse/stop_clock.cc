#include "fuse/stop_clock.h"

#include <algorithm>

namespace pail::fuse {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

milliseconds steady_now() {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now().time_since_epoch());
}

}  // namespace

void begin_end(SharedState& state) {
  std::int64_t not_begun = 0;
  state.end_by.compare_exchange_strong(not_begun, steady_now().count() + state.stop_timeout);
}

milliseconds time_left(const SharedState& state) {
  const std::int64_t end_by = state.end_by;
  return end_by == 0 ? milliseconds::max() : milliseconds(end_by) - steady_now();
}

StopClock::StopClock(SharedState& state) : state_(state), thread_([this](const std::stop_token& stop) { run(stop); }) {}

void StopClock::begin_end() {
  fuse::begin_end(state_);
  const MutexLock lock(mutex_);
  changed_.notify_all();
}

void StopClock::run(const std::stop_token& stop) {
  const std::stop_callback on_stop(stop, [this] {
    const MutexLock lock(mutex_);
    changed_.notify_all();
  });
  {
    const MutexLock lock(mutex_);
    while (!stop.stop_requested() && state_.end_by == 0) changed_.wait(mutex_);
    if (stop.stop_requested()) return;
    const auto until = steady_clock::now() + time_left(state_);
    while (!stop.stop_requested() && steady_clock::now() < until) changed_.wait_until(mutex_, until);
  }
  if (!stop.stop_requested()) source_.request_stop();
}

}  // namespace pail::fuse
