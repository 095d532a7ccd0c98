// Blocks of objects kept on local disk, found by (object version, block number).
//
// A version is key + ETag, so an object that changed can never serve old bytes. One sparse file for each version, its
// blocks in a catalogue with an XXH3 checksum each. Damage (bad checksum, torn file, full disk, killed process) is a
// miss and a line in the log, never an error or a wrong byte.
//
// Thread-safe. No lock is held while a disk read runs.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::cache {

inline constexpr ByteCount kBlockSize{1ull << 20};

struct ObjectVersion {
  std::string key;
  std::string etag;  // never empty
  ByteCount size;
};

// The bytes of one block; shared between readers and the writer behind them.
struct Block {
  std::vector<std::byte> bytes;  // kBlockSize, less at the object's end
};

struct BlockCacheOptions {
  ByteCount capacity{10ull << 30};  // data bytes; the index comes on top
  ByteCount min_free{1ull << 30};   // of the file system it lies on; nothing is cached below it
  ByteCount queue{32ull << 20};     // blocks waiting to be written; a block that finds it full is not cached
};

struct BlockCacheCounters {
  std::uint64_t hits = 0, misses = 0, inserted = 0, skipped = 0, evicted = 0, damaged = 0;
  ByteCount bytes;
};

class BlockCache {
 public:
  // Uses `directory` (0700, created where missing): nothing that is lost with it is missed. `identity` names the bucket
  // view. `clock` outlives it. Errors: as local::Environment::open().
  static Result<std::unique_ptr<BlockCache>> open(const std::filesystem::path& directory, std::string_view identity,
                                                  BlockCacheOptions options, const Clock& clock);
  virtual ~BlockCache() = default;

  // Copies cached bytes from `at` on into `out`, until the first byte that is not cached, the object's end, or `out` is
  // full. Returns the bytes copied; 0 is a miss.
  virtual std::size_t read(const ObjectVersion& object, ByteOffset at, std::span<std::byte> out) = 0;
  virtual bool contains(const ObjectVersion& object, std::uint64_t block_number) = 0;

  // Takes the block to be written later by a thread of the cache; never waits.
  virtual void insert(const ObjectVersion& object, std::uint64_t block_number, std::shared_ptr<const Block> block) = 0;

  // Takes over a file that holds the whole object, by renaming it; `checksums` are the XXH3 of its blocks in order.
  // False when it does not fit; the file is then left alone.
  virtual bool adopt(const ObjectVersion& object, const std::filesystem::path& file,
                     const std::vector<std::uint64_t>& checksums) = 0;

  virtual void drop(const ObjectVersion& object) = 0;
  // Waits until what was inserted so far is written. For tests and for a tidy end.
  virtual void drain() = 0;
  virtual BlockCacheCounters counters() const = 0;
};

}  // namespace pail::cache
