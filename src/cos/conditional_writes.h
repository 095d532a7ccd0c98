// Whether a store keeps to If-Match and If-None-Match on writes: assumed until it is proven not to.
#pragma once

#include <optional>
#include <string>

#include "base/mutex.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/fault.h"

namespace pail::cos {

// One kind of write. A refusal alone, of a proxy or for another reason, proves nothing: proven is
// it when the store's own code says that it lacks something, and the same write without the
// condition then succeeds. An hour later the condition is tried again. Thread-safe.
class ConditionalWrites {
 public:
  // `write` names the kind in the log: "PUT". `clock` is borrowed.
  ConditionalWrites(std::string write, const Clock& clock);

  // Whether the next write carries its condition.
  bool in_use() const PAIL_EXCLUDES(mutex_);
  // Whether a conditional write that failed so is to be repeated without its condition, to find
  // out.
  static bool in_doubt(const Error& failure) { return failure.fault == Fault::unsupported; }
  // The repetition succeeded: conditions are left out for an hour. Warns of what is lost.
  void proven_missing() PAIL_EXCLUDES(mutex_);

 private:
  const std::string write_;
  const Clock& clock_;
  mutable Mutex mutex_;
  std::optional<SteadyTime> ask_again_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::cos
