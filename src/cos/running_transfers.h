// What is on its way without a thread that waits for it: whoever owns the network ends it first.
#pragma once

#include <cstddef>
#include <memory>

#include "base/mutex.h"
#include "pailfs/base/stop.h"

namespace pail::cos {

// Thread-safe.
class RunningTransfers {
 public:
  // One more, until the value is gone.
  std::shared_ptr<void> enter() PAIL_EXCLUDES(mutex_);
  // Until all are gone. Not from a completion.
  void wait() PAIL_EXCLUDES(mutex_);
  // Asks them all to end, and waits.
  void stop_all() PAIL_EXCLUDES(mutex_);
  StopToken stop_token() const { return stop_.token(); }

 private:
  void leave() PAIL_EXCLUDES(mutex_);

  StopSource stop_;
  Mutex mutex_;
  CondVar changed_;
  std::size_t running_ PAIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pail::cos
