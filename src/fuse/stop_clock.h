// The one bound on the end of a mount: how long uploads may still take, over all its steps and all its workers.
#pragma once

#include <chrono>

#include "base/mutex.h"
#include "base/thread.h"
#include "fuse/shared_state.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {

// The end begins now, unless it has begun before: uploads have `stop_timeout` from here on.
void begin_end(SharedState& state);
// Less than nothing when the time is up; everything there is before the end begins.
std::chrono::milliseconds time_left(const SharedState& state);

// Thread-safe.
class StopClock {
 public:
  // `state` must live longer.
  explicit StopClock(SharedState& state);

  void begin_end() PAIL_EXCLUDES(mutex_);
  // Requested when the time is up; never before begin_end() here.
  StopToken time_up() const { return source_.token(); }

 private:
  void run(const StopToken& stop) PAIL_EXCLUDES(mutex_);

  SharedState& state_;
  StopSource source_;
  Mutex mutex_;
  CondVar changed_;
  Thread thread_;
};

}  // namespace pail::fuse
