// The requests that were read and are not answered yet.
//
// An interrupt stops a request only when its caller is about to die, as on NFS: what programs do
// with timers and child processes (SIGALRM, SIGCHLD, SIGURG) must not end an upload. Where a caller
// cannot be seen each interrupt stops its request, as otherwise nobody could end it.
//
// Thread-safe. No lock is held while a stop callback runs.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "fuse/caller_watch.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {

class InFlight {
 public:
  InFlight();

  // A request of this thread was read. The token says when to give it up.
  StopToken begin(std::uint64_t unique, pid_t caller) PAIL_EXCLUDES(mutex_);
  // It is about to be answered. What is not in flight is ignored.
  void end(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // The time is up: every request is stopped, and so is each that comes later.
  void stop_all() PAIL_EXCLUDES(mutex_);
  // Its caller took a signal. May come before begin(): another thread may read the interrupt first.
  void interrupt(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

  // Waits for the answer of a request.
  void wait_for_end(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // Waits until nothing is in flight. False when `most` passed first.
  bool wait_until_empty(std::chrono::milliseconds most) PAIL_EXCLUDES(mutex_);

  // Takes and gives back the lock that every request takes.
  void probe() PAIL_EXCLUDES(mutex_);

 private:
  struct Request {
    StopSource stop;
    pid_t caller = 0;
    bool interrupted = false;
  };

  // Stops the request, or has its caller watched, which the kernel will not do any more.
  void stop_or_watch(std::uint64_t unique, const Request& request) PAIL_EXCLUDES(mutex_);
  bool contains(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  bool take_early_interrupt(std::uint64_t unique) PAIL_REQUIRES(mutex_);

  Mutex mutex_;
  CondVar ended_;
  bool stopped_ PAIL_GUARDED_BY(mutex_) = false;
  std::unordered_map<std::uint64_t, Request> requests_ PAIL_GUARDED_BY(mutex_);
  // Interrupts without a request: mostly of requests just answered. The oldest is overwritten.
  std::vector<std::uint64_t> early_ PAIL_GUARDED_BY(mutex_);
  std::size_t next_early_ PAIL_GUARDED_BY(mutex_) = 0;
  CallerWatch watch_;
};

}  // namespace pail::fuse
