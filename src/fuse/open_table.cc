#include "fuse/open_table.h"

namespace pail::fuse {
namespace {

// Slots in which an inode may lie. With half of the table in use a window is full with odds below 2^-30; then the
// table answers "maybe" for every inode until the unlisted handles are closed.
constexpr std::size_t kWindow = 64;

OpenSlot& slot_at(SharedState& state, vfs::InodeNumber number, std::size_t step) {
  const std::uint64_t mixed = number * 0x9e3779b97f4a7c15u;  // inode numbers are dense; spread them over the table
  return state.open[((mixed >> 40) + step) % kOpenSlots];
}

}  // namespace

OpenSlot* SharedOpenTable::find(vfs::InodeNumber number) const {
  for (std::size_t i = 0; i < kWindow; ++i) {
    OpenSlot& slot = slot_at(state_, number, i);
    if (slot.count > 0 && slot.inode == number) return &slot;
  }
  return nullptr;
}

OpenSlot* SharedOpenTable::find_free(vfs::InodeNumber number) const {
  for (std::size_t i = 0; i < kWindow; ++i)
    if (OpenSlot& slot = slot_at(state_, number, i); slot.count == 0) return &slot;
  return nullptr;
}

std::atomic<std::uint64_t>* SharedOpenTable::find_counted(std::uint64_t unique) const {
  for (auto& counted : state_.counted)
    if (counted == unique) return &counted;
  return nullptr;
}

void SharedOpenTable::note_counted(std::uint64_t unique) {
  state_.counted[state_.next_counted++ % kCountedKept] = unique;
}

void SharedOpenTable::add(vfs::InodeNumber number) {
  const MutexLock lock(mutex_);
  add_locked(number);
}

void SharedOpenTable::remove(vfs::InodeNumber number) {
  const MutexLock lock(mutex_);
  remove_locked(number);
}

// Only a request that came again is looked up, so `resent` ones pay for the search and others do not.
void SharedOpenTable::add_for(const CountedRequest& request, vfs::InodeNumber number) {
  const MutexLock lock(mutex_);
  if (request.resent && find_counted(request.unique) != nullptr) return;
  add_locked(number);
  note_counted(request.unique);  // a death before this line counts the handle twice
}

void SharedOpenTable::remove_for(const CountedRequest& request, vfs::InodeNumber number) {
  const MutexLock lock(mutex_);
  if (request.resent && find_counted(request.unique) != nullptr) return;
  note_counted(request.unique);
  remove_locked(number);  // a death before this line leaves the handle counted
}

void SharedOpenTable::take_back(const CountedRequest& request, vfs::InodeNumber number) {
  const MutexLock lock(mutex_);
  if (auto* counted = find_counted(request.unique)) *counted = 0;
  remove_locked(number);
}

void SharedOpenTable::add_locked(vfs::InodeNumber number) {
  if (OpenSlot* slot = find(number)) {
    ++slot->count;
  } else if (OpenSlot* free = find_free(number)) {
    free->inode = number;  // a death after this line leaves the slot free: the open was not answered
    free->count = 1;
  } else {
    ++state_.unlisted_opens;
  }
}

void SharedOpenTable::remove_locked(vfs::InodeNumber number) {
  if (OpenSlot* slot = find(number)) {
    --slot->count;
  } else if (state_.unlisted_opens > 0) {
    --state_.unlisted_opens;
  }
}

bool SharedOpenTable::maybe_open(vfs::InodeNumber number) const {
  const MutexLock lock(mutex_);
  return state_.unlisted_opens > 0 || find(number) != nullptr;
}

}  // namespace pail::fuse
