#include "fuse/stop_clock.h"

#include <algorithm>

#include "base/wake_on_stop.h"
#include "pailfs/base/clock.h"

namespace pail::fuse {
namespace {

using std::chrono::milliseconds;

milliseconds steady_now() {
  return std::chrono::duration_cast<milliseconds>(system_clock().steady().time_since_epoch());
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

StopClock::StopClock(SharedState& state)
    : state_(state), thread_("pailfs-stop", [this](const StopToken& stop) { run(stop); }) {}

void StopClock::begin_end() {
  fuse::begin_end(state_);
  const MutexLock lock(mutex_);
  changed_.notify_all();
}

void StopClock::run(const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, changed_);
  {
    const MutexLock lock(mutex_);
    while (!stop.stop_requested() && state_.end_by == 0) changed_.wait(mutex_);
    if (stop.stop_requested()) return;
    const auto until = system_clock().steady() + time_left(state_);
    while (!stop.stop_requested() && system_clock().steady() < until) changed_.wait_until(mutex_, until);
  }
  if (!stop.stop_requested()) source_.request_stop();
}

}  // namespace pail::fuse
