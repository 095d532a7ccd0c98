// The space that the block cache may take, and what leaves it so that others fit: chunks by their last use.
//
// Whoever changes records and files calls it, one thread at a time; punches() by any.
#pragma once

#include <atomic>
#include <span>
#include <utility>
#include <vector>

#include "cache/block_cache.h"
#include "cache/block_catalogue.h"
#include "cache/block_files.h"
#include "cache/chunk_uses.h"

namespace pail::cache {

class CacheSpace {
 public:
  // What is borrowed outlives it.
  CacheSpace(BlockCatalogue& catalogue, BlockFiles& files, ChunkUses& uses, const BlockCacheOptions& options,
             runtime::Counters::Counter evicted)
      : catalogue_(catalogue), files_(files), uses_(uses), options_(options), evicted_(std::move(evicted)) {}

  // Evicts until `charge` more bytes fit the capacity and `disk` more should leave the floor of the disk. False when
  // they do not.
  bool make_room(ByteCount charge, ByteCount disk);
  // Removes the chunks, records first; false when that failed.
  bool remove(std::span<const ChunkId> chunks);
  void give_back(const std::vector<FreedBytes>& freed);

  // Raised before bytes of a file are given back. A reader that sees it unchanged read what the record promised.
  std::uint64_t punches() const { return punches_; }

 private:
  bool evict(ByteCount wanted);

  BlockCatalogue& catalogue_;
  BlockFiles& files_;
  ChunkUses& uses_;
  const BlockCacheOptions& options_;
  const runtime::Counters::Counter evicted_;  // blocks
  std::atomic<std::uint64_t> punches_{0};
};

}  // namespace pail::cache
