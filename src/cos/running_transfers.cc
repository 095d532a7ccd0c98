#include "cos/running_transfers.h"

namespace pail::cos {

std::shared_ptr<void> RunningTransfers::enter() {
  {
    const MutexLock lock(mutex_);
    ++running_;
  }
  return {this, [](RunningTransfers* all) { all->leave(); }};
}

// Wakes under the lock: once that is released, whoever waits may destroy this object.
void RunningTransfers::leave() {
  const MutexLock lock(mutex_);
  --running_;
  changed_.notify_all();
}

void RunningTransfers::wait() {
  const MutexLock lock(mutex_);
  while (running_ > 0) changed_.wait(mutex_);
}

void RunningTransfers::stop_all() {
  stop_.request_stop();
  wait();
}

}  // namespace pail::cos
