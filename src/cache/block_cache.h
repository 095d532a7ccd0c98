// Blocks of contents kept on local disk, found by (content id, block number).
//
// A content has one id for as long as anything of it is known here, and is found by the object version that holds it:
// key, ETag and size, so an object that changed can never serve old bytes. What our side copies under another key keeps
// its id. One sparse file for each content, its blocks in a catalogue with an XXH3 checksum each. Damage (bad checksum,
// torn file, full disk, killed process) is a miss and a line in the log, never an error or a wrong byte.
//
// Thread-safe. No lock is held while a disk read runs.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "local/content_id.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "runtime/counters.h"
#include "runtime/memory_budget.h"

namespace pail::cache {

using local::ContentId;

inline constexpr ByteCount kBlockSize{1ull << 20};

struct ObjectVersion {
  std::string key;
  std::string etag;  // empty: the store said none, and nothing is cached
  ByteCount size;
  bool operator==(const ObjectVersion&) const = default;
};

// A content, and the version of an object that holds it.
struct ObjectContent {
  ContentId id;
  ObjectVersion version;
};

// An object that is a copy of another one, byte for byte.
struct Copy {
  ObjectVersion from, to;
};

// Key, ETag and size as one text: the same for the same version alone.
std::string text_of(const ObjectVersion& version);

// The bytes of one block; shared between readers and the writer behind them. Who lets go of it last gives its memory
// back.
struct Block {
  runtime::MemoryBudget::Lease lease;
  std::vector<std::byte> bytes;  // kBlockSize, less at the object's end
};

struct BlockCacheOptions {
  ByteCount capacity{10ull << 30};  // data bytes; the index comes on top
  ByteCount min_free{1ull << 30};   // of the file system it lies on; nothing is cached below it
  ByteCount queue;                  // blocks waiting to be written; a block that finds it full is not cached
};

class BlockCache {
 public:
  // Uses `directory` (0700, created where missing): nothing that is lost with it is missed. `identity` names the bucket
  // view. `clock` outlives it. It counts as "cache_...". Errors: as local::Environment::open().
  static Result<std::unique_ptr<BlockCache>> open(const std::filesystem::path& directory, std::string_view identity,
                                                  BlockCacheOptions options, const Clock& clock,
                                                  runtime::Counters& counters);
  virtual ~BlockCache() = default;

  // The content of a version: the one that is known, or a new one. Who asks later is told the same, for as long as it
  // is cached or was among the last that were asked for.
  virtual ContentId identify(const ObjectVersion& version) = 0;
  // Our side copied objects: each copy has the content of its original. Of several copies the last is known, and what
  // it was made of. Many at once cost little more than one.
  virtual void copied(std::span<const Copy> copies) = 0;

  // Copies cached bytes from `at` on into `out`, until the first byte that is not cached, the object's end, or `out` is
  // full. Returns the bytes copied; 0 is a miss.
  virtual std::size_t read(const ObjectContent& content, ByteOffset at, std::span<std::byte> out) = 0;
  virtual bool contains(const ObjectContent& content, std::uint64_t block_number) = 0;

  // Takes the block to be written later by a thread of the cache, and holds it until then; never waits.
  virtual void insert(const ObjectContent& content, std::uint64_t block_number, std::shared_ptr<const Block> block) = 0;

  // Takes over a file that holds the whole content; `checksums` are the XXH3 of its blocks in order. It is renamed, or
  // copied where it lies on another file system. False when it does not fit; the file is then left alone.
  virtual bool adopt(const ObjectContent& content, const std::filesystem::path& file,
                     const std::vector<std::uint64_t>& checksums) = 0;

  virtual void drop(const ObjectContent& content) = 0;
  // Waits until what was inserted so far is written. For tests and for a tidy end.
  virtual void drain() = 0;
};

}  // namespace pail::cache
