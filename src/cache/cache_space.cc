#include "cache/cache_space.h"

#include <algorithm>

#include "base/log.h"

namespace pail::cache {
namespace {

constexpr std::size_t kChunksAtOnce = 64;  // removed in one commit: 4096 blocks
// Evicted beyond what is needed, so that a full cache of small objects does not commit for each of them. Nothing in a
// cache too small for it to matter.
constexpr ByteCount spare_of(ByteCount capacity) {
  return {(capacity.n / 256) & ~(kBlockSize.n - 1)};
}

}  // namespace

// The disk is asked once: some file systems give bytes back later, and asking again would evict everything.
bool CacheSpace::make_room(ByteCount charge, ByteCount disk) {
  if (charge > options_.capacity) return false;
  const auto free = files_.free_space();
  if (!free) return false;
  const ByteCount bytes = catalogue_.bytes(), floor = options_.min_free + disk;
  const ByteCount above = bytes + charge > options_.capacity ? bytes + charge - options_.capacity : ByteCount{};
  const ByteCount below = *free < floor ? floor - *free : ByteCount{};
  const ByteCount wanted = std::max(above, below);
  const ByteCount target = bytes - std::min(bytes, wanted);
  while (catalogue_.bytes() > target)
    if (!evict(catalogue_.bytes() - target + spare_of(options_.capacity))) return false;
  return wanted <= bytes;
}

// Evicts about `wanted` bytes, or some of them; false when nothing could be evicted.
bool CacheSpace::evict(ByteCount wanted) {
  const auto victims = catalogue_.oldest(wanted, kChunksAtOnce * 16, [this](ChunkId id) { return uses_.latest(id); });
  if (!victims) {
    spdlog::warn("block cache: {}", victims.error().context);
    return false;
  }
  return !victims->empty() && remove(*victims);
}

bool CacheSpace::remove(std::span<const ChunkId> chunks) {
  while (!chunks.empty()) {
    const std::size_t n = std::min(chunks.size(), kChunksAtOnce);
    const auto freed = catalogue_.remove({chunks.begin(), chunks.begin() + static_cast<std::ptrdiff_t>(n)});
    if (!freed) {
      spdlog::warn("block cache: {}", freed.error().context);
      return false;
    }
    give_back(*freed);
    for (const FreedBytes& piece : *freed) evicted_.add(piece.blocks);
    chunks = chunks.subspan(n);
  }
  return true;
}

// The records are gone already: a kill now leaves bytes without records, never records without bytes.
void CacheSpace::give_back(const std::vector<FreedBytes>& freed) {
  ++punches_;
  for (const FreedBytes& piece : freed) {
    if (piece.chunk) uses_.forget(*piece.chunk);
    if (piece.extent)
      files_.punch(piece.name, *piece.extent);
    else
      files_.remove(piece.name);
  }
}

}  // namespace pail::cache
