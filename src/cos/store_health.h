// Whether the store answers at all: who asks a store that does not must not wait for the whole
// deadline each time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "pailfs/base/clock.h"
#include "pailfs/cos/client.h"

namespace pail::cos {

// The store counts as down from the moment a call has used up its whole bound while no other call
// was answered since it began, until any call is answered. Both edges are logged,
// where `outages` says so. Thread-safe.
class StoreHealth {
 public:
  // `store` names it in the log. `clock` is borrowed.
  StoreHealth(std::string store, const Clock& clock, Outages outages = Outages::logged);

  bool down() const PAIL_EXCLUDES(mutex_);
  // A call that was begun at `began` has used up its bound; `why` is how its last attempt ended.
  void used_up(SteadyTime began, std::string_view why) PAIL_EXCLUDES(mutex_);
  // The store answered, be it with a refusal.
  void answered() PAIL_EXCLUDES(mutex_);

 private:
  const std::string store_;
  const Clock& clock_;
  const Outages outages_;
  mutable Mutex mutex_;
  std::optional<SteadyTime> down_since_ PAIL_GUARDED_BY(mutex_);
  std::optional<SteadyTime> last_answer_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::cos
