// What one process knows of chunks beyond their records: when they were last used, and which of their blocks it has
// checked. Bounded; what does not fit is checked again. Thread-safe.
#pragma once

#include <bitset>
#include <map>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "cache/block_catalogue.h"

namespace pail::cache {

class ChunkUses {
 public:
  explicit ChunkUses(UseTick last) : last_tick_(last) {}

  // Notes a use. Whether the block's checksum was checked before.
  bool use(ChunkId id, std::uint64_t block_in_chunk) PAIL_EXCLUDES(mutex_);
  void checked(ChunkId id, std::uint64_t block_in_chunk) PAIL_EXCLUDES(mutex_);
  void forget(ChunkId id) PAIL_EXCLUDES(mutex_);

  UseTick next_tick() PAIL_EXCLUDES(mutex_);
  // 0 when nothing newer than the record is known.
  UseTick latest(ChunkId id) const PAIL_EXCLUDES(mutex_);
  bool crowded() const PAIL_EXCLUDES(mutex_);
  // Uses since the last call, at most `most`; the rest comes with the next.
  std::vector<std::pair<ChunkId, UseTick>> take_new(std::size_t most) PAIL_EXCLUDES(mutex_);
  // Forgets all whose use take_new() has taken.
  void shrink() PAIL_EXCLUDES(mutex_);

 private:
  struct Use {
    UseTick used = 0, taken = 0;
    std::bitset<kBlocksInChunk> checked;
  };

  mutable Mutex mutex_;
  UseTick last_tick_ PAIL_GUARDED_BY(mutex_);
  std::map<ChunkId, Use> uses_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::cache
