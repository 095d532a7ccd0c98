// How often the requests that came again were in hand when a worker died: a request that kills every worker must not
// do so for ever.
//
// Thread-safe within the one worker that lives.
#pragma once

#include <cstdint>

#include "base/mutex.h"
#include "fuse/shared_state.h"

namespace pail::fuse {

inline constexpr unsigned kSuspectDeaths = 2;  // from here on a request is carried out while no other suspect is
inline constexpr unsigned kGuiltyDeaths = 3;   // from here on it is answered with EIO

class Attempts {
 public:
  // `state` must live longer.
  explicit Attempts(SharedState& state) : state_(state) {}

  // A request came again: how many suspicious deaths it was in hand at. Counts a death once, however often it is asked.
  unsigned deaths_of(std::uint64_t unique) PAIL_EXCLUDES(mutex_);
  // It is carried out now, so the death of this worker counts for it. After deaths_of().
  void dispatched(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

 private:
  bool suspicious(std::uint64_t worker) const;
  AttemptSlot& slot_of(std::uint64_t unique) PAIL_REQUIRES(mutex_);

  SharedState& state_;
  Mutex mutex_;
};

}  // namespace pail::fuse
