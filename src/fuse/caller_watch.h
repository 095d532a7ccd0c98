// Requests whose callers took a signal that does not end them. The kernel announces the first
// signal of a request only, so a deadly one that follows has to be looked for.
//
// Thread-safe. No lock is held while /proc is read or a stop callback runs.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "fuse/caller.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {

class CallerWatch {
 public:
  CallerWatch();
  ~CallerWatch();

  // Requests a stop of `stop` within about 50 ms after the caller was found dying.
  void add(std::uint64_t unique, Caller caller, StopSource stop) PAIL_EXCLUDES(mutex_);
  // The request was answered. What is not watched is ignored.
  void remove(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

 private:
  struct Watched {
    Caller caller;
    StopSource stop;
  };
  using Round = std::vector<std::shared_ptr<Watched>>;

  void run() PAIL_EXCLUDES(mutex_);
  // Waits until somebody is watched and the last round is 50 ms ago; empty at the end.
  Round next_round() PAIL_EXCLUDES(mutex_);

  Mutex mutex_;
  CondVar changed_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Watched>> watched_ PAIL_GUARDED_BY(mutex_);
  bool ending_ PAIL_GUARDED_BY(mutex_) = false;
  Thread thread_;  // sleeps while nobody is watched
};

}  // namespace pail::fuse
