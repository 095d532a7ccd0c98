#include "fuse/attempts.h"

namespace pail::fuse {
namespace {

constexpr std::size_t kWindow = 16;  // slots in which a request may lie

}  // namespace

bool Attempts::suspicious(std::uint64_t worker) const {
  const std::uint64_t current = state_.worker;
  return worker != 0 && worker < current && current - worker < kDeathsKept &&
         state_.deaths[worker % kDeathsKept] == Death::suspicious;
}

// The request's slot, or the one whose request is the oldest of the window, whose answer is the least likely to miss.
AttemptSlot& Attempts::slot_of(std::uint64_t unique) {
  AttemptSlot* oldest = nullptr;
  for (std::size_t i = 0; i < kWindow; ++i) {
    AttemptSlot& slot = state_.attempts[(unique / 2 + i) % kAttemptSlots];  // the kernel's numbers are all even
    if (slot.unique == unique) return slot;
    if (oldest == nullptr || slot.unique < oldest->unique) oldest = &slot;
  }
  return *oldest;
}

unsigned Attempts::deaths_of(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  AttemptSlot& slot = slot_of(unique);
  if (slot.unique != unique) {
    // It comes again for the first time: the worker that had it in hand is taken to be the last one. `unique` is
    // written last, so a death in between leaves no half-made slot.
    slot.unique = 0;
    slot.deaths = suspicious(state_.worker - 1) ? 1 : 0;
    slot.dispatched_in = 0;
    slot.unique = unique;
  } else if (const std::uint64_t worker = slot.dispatched_in; worker != 0 && worker != state_.worker) {
    if (suspicious(worker)) ++slot.deaths;
    slot.dispatched_in = 0;
  }
  return slot.deaths;
}

void Attempts::dispatched(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  AttemptSlot& slot = slot_of(unique);
  if (slot.unique == unique) slot.dispatched_in = state_.worker.load();
}

}  // namespace pail::fuse
