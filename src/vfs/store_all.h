// Stores many files in parallel, as at the end of a mount; the thread that waits tells how far it is.
#pragma once

#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "vfs/types.h"

namespace pail::vfs {

class StoreAll {
 public:
  using Store = std::function<Result<Unit>(InodeNumber)>;  // called by several threads
  using Ended = std::function<void(InodeNumber, const Result<Unit>&)>;

  // `clock` outlives it.
  StoreAll(Store store, unsigned parallel, const Clock& clock)
      : store_(std::move(store)), parallel_(parallel), clock_(clock) {}

  // Returns when each file was tried. `ended` is called once for each, `tick` once a second, by the caller's thread.
  void run(const std::vector<InodeNumber>& files, const Ended& ended, const std::function<void()>& tick)
      PAIL_EXCLUDES(mutex_);

 private:
  using Outcome = std::pair<InodeNumber, Result<Unit>>;

  void store_one(InodeNumber number) PAIL_EXCLUDES(mutex_);
  // The outcomes since the last call; none when a second passed without one.
  std::deque<Outcome> wait_for_outcomes() PAIL_EXCLUDES(mutex_);

  const Store store_;
  const unsigned parallel_;
  const Clock& clock_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<Outcome> outcomes_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::vfs
