// A wait on a CondVar that a stop ends: the loop asks for its condition and for the stop, and this wakes it.
#pragma once

#include "base/mutex.h"
#include "pailfs/base/stop.h"

namespace pail {

// Notifies `changed` when a stop is requested, and takes `mutex` for it: made before the caller takes that, and ended
// after it has let go of it. Both outlive this.
class WakeOnStop {
 public:
  WakeOnStop(const StopToken& stop, Mutex& mutex, CondVar& changed) PAIL_EXCLUDES(mutex)
      : callback_(stop, [&mutex, &changed] {
          const MutexLock lock(mutex);
          changed.notify_all();
        }) {}

 private:
  const StopCallback callback_;
};

}  // namespace pail
