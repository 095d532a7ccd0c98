// A ranged GET that delivers exactly the bytes asked for, of one object version, or an error: never an error's body,
// never a mixture of versions. Broken transfers go on from the byte they reached.
#pragma once

#include <memory>

#include "base/mutex.h"
#include "cos/exchange.h"
#include "cos/wire.h"
#include "pailfs/base/stop.h"
#include "runtime/timer.h"

namespace pail::cos {

// What is on its way of one client without a thread that waits: reads, and requests whose callers may leave.
// Thread-safe.
class RunningTransfers {
 public:
  // One more, until the value is gone.
  std::shared_ptr<void> enter() PAIL_EXCLUDES(mutex_);
  // Ends them all and waits until they are gone. Not from a handler.
  void stop_all() PAIL_EXCLUDES(mutex_);
  StopToken stop_token() const { return stop_.token(); }

 private:
  void leave() PAIL_EXCLUDES(mutex_);

  StopSource stop_;
  Mutex mutex_;
  CondVar changed_;
  std::size_t running_ PAIL_GUARDED_BY(mutex_) = 0;
};

// What a read uses; all of it outlives the read (RunningTransfers::stop_all() sees to that).
struct GetEnvironment {
  const Link& link;
  const Addresses& addresses;
  runtime::Timer& timer;
  RunningTransfers& running;
};

// Starts the read and returns. The handler is called on a network thread or the timer's thread, one call at a time.
void start_ranged_get(const GetEnvironment& environment, GetRequest request, std::shared_ptr<GetHandler> handler,
                      CallContext context);

}  // namespace pail::cos
