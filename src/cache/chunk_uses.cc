#include "cache/chunk_uses.h"

namespace pail::cache {
namespace {

// About 100 bytes each; 4 TiB of large objects, or as many small ones.
constexpr std::size_t kCrowded = 65536, kFull = 2 * kCrowded;

}  // namespace

bool ChunkUses::use(ChunkId id, std::uint64_t block_in_chunk) {
  MutexLock lock(mutex_);
  const UseTick now = ++last_tick_;
  if (uses_.size() >= kFull && !uses_.contains(id)) return false;
  Use& use = uses_[id];
  use.used = now;
  return use.checked[block_in_chunk];
}

void ChunkUses::checked(ChunkId id, std::uint64_t block_in_chunk) {
  MutexLock lock(mutex_);
  if (const auto found = uses_.find(id); found != uses_.end()) found->second.checked[block_in_chunk] = true;
}

void ChunkUses::forget(ChunkId id) {
  MutexLock lock(mutex_);
  uses_.erase(id);
}

UseTick ChunkUses::next_tick() {
  MutexLock lock(mutex_);
  return ++last_tick_;
}

UseTick ChunkUses::latest(ChunkId id) const {
  MutexLock lock(mutex_);
  const auto found = uses_.find(id);
  return found == uses_.end() ? 0 : found->second.used;
}

bool ChunkUses::crowded() const {
  MutexLock lock(mutex_);
  return uses_.size() > kCrowded;
}

std::vector<std::pair<ChunkId, UseTick>> ChunkUses::take_new(std::size_t most) {
  std::vector<std::pair<ChunkId, UseTick>> taken;
  MutexLock lock(mutex_);
  for (auto& [id, use] : uses_) {
    if (taken.size() == most) break;
    if (use.taken == use.used) continue;
    use.taken = use.used;
    taken.emplace_back(id, use.used);
  }
  return taken;
}

void ChunkUses::shrink() {
  MutexLock lock(mutex_);
  std::erase_if(uses_, [](const auto& entry) { return entry.second.taken == entry.second.used; });
}

}  // namespace pail::cache
