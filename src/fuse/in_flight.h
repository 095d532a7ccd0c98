// The requests that were read and are not answered yet.
//
// Thread-safe. No lock is held while a stop callback runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"

namespace pail::fuse {

class InFlight {
 public:
  InFlight();

  // A request was read. The token says when its caller was interrupted.
  std::stop_token begin(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // It is about to be answered. What is not in flight is ignored.
  void end(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // Its caller was interrupted. May come before begin(): another thread may read the interrupt first.
  void interrupt(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

  // Waits for the answer of a request.
  void wait_for_end(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // Waits until nothing is in flight. False when `most` passed first.
  bool wait_until_empty(std::chrono::milliseconds most) PAIL_EXCLUDES(mutex_);

  // Takes and gives back the lock that every request takes.
  void probe() PAIL_EXCLUDES(mutex_);

 private:
  bool take_early_interrupt(std::uint64_t unique) PAIL_REQUIRES(mutex_);

  Mutex mutex_;
  CondVar ended_;
  std::unordered_map<std::uint64_t, std::stop_source> requests_ PAIL_GUARDED_BY(mutex_);
  // Interrupts without a request: mostly of requests just answered. The oldest is overwritten.
  std::vector<std::uint64_t> early_ PAIL_GUARDED_BY(mutex_);
  std::size_t next_early_ PAIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pail::fuse
