// What the block cache holds, in an environment of its own: contents, the object versions that they are found by, their
// chunks by last use, their blocks.
//
// A chunk is 64 blocks of one content: what is evicted at once, and what has a last use. Changes are made by one thread
// at a time (the cache's store lock); lookups by any.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cache/block_cache.h"
#include "local/environment/transaction.h"
#include "runtime/counters.h"

namespace pail::cache {

using local::Environment;
using local::OwnedWrite;

extern const local::Schema kCatalogueSchema;

inline constexpr std::uint64_t kBlocksInChunk = 64;

using ContentNumber = std::uint64_t;  // of a content in this cache; another one when it comes back
using UseTick = std::uint64_t;        // rises with every use of a chunk

struct ChunkId {
  ContentNumber content = 0;
  std::uint64_t chunk = 0;
  auto operator<=>(const ChunkId&) const = default;
};

struct BlockRecord {
  ByteCount length;
  std::uint64_t checksum = 0;  // XXH3
};

struct NewBlock {
  std::uint64_t number = 0;
  BlockRecord record;
};

// Bytes of a block file whose records are gone: they can be given back to the disk.
struct FreedBytes {
  std::string name;              // of the file
  std::optional<Extent> extent;  // none: the whole file
  std::optional<ChunkId> chunk;  // whose uses need not be remembered
  std::uint64_t blocks = 0;
};

// The disk space a block takes: whole pages of the file system.
constexpr ByteCount charge_of(ByteCount length) {
  return {(length.n + 4095) & ~std::uint64_t{4095}};
}

// 32 hexadecimal digits; two versions may share them.
std::string fingerprint(const ObjectVersion& version);

struct ContentCopy {
  ContentId id;
  Copy copy;
};

class BlockCatalogue {
 public:
  // `bytes` tells what bytes() does.
  BlockCatalogue(Environment& environment, runtime::Counters::Gauge bytes);

  // The content of a version; none when nothing of it is cached.
  std::optional<ContentId> find(const ObjectVersion& version);
  // None when nothing of it is cached, or something of another size.
  std::optional<ContentNumber> number_of(const ContentId& id, ByteCount size);
  bool known(const std::string& name);  // of a block file: the content's id as text
  std::optional<BlockRecord> block(ContentNumber content, std::uint64_t number);
  std::vector<ChunkId> chunks(ContentNumber content);

  // Chunks in order of their last use, oldest first, until they hold `wanted` bytes or `most` are found. `latest` knows
  // of uses that are not in the records yet; such a chunk is moved to its place instead.
  template <class Latest>
  Result<std::vector<ChunkId>> oldest(ByteCount wanted, std::size_t most, Latest latest);

  // Errors of all changes: ENOSPC, EIO; then nothing is changed.
  Result<Unit> add(const ObjectContent& content, const std::vector<NewBlock>& blocks, UseTick used);
  // Each content is found by these two versions from now on, and by no other. In this order: one may be copied twice.
  Result<Unit> copied(std::span<const ContentCopy> copies);
  Result<std::vector<FreedBytes>> remove(const std::vector<ChunkId>& chunks);
  // Removes one block if it still has this checksum.
  Result<std::vector<FreedBytes>> remove_block(ContentNumber content, std::uint64_t number, std::uint64_t checksum);
  Result<Unit> note_uses(const std::vector<std::pair<ChunkId, UseTick>>& uses);

  // Whether the files were left in step with the records; from now on they may not be, until note_clean().
  bool take_clean();
  Result<Unit> note_clean();

  ByteCount bytes() const { return {bytes_.value()}; }  // charged
  UseTick last_tick();

 private:
  struct ChunkRecord {
    UseTick used = 0;
    ByteCount bytes;
    std::string name;
  };
  struct OldChunk {
    ChunkId id;
    UseTick used = 0;
    ByteCount bytes;
  };
  static std::string encode_chunk(const ChunkRecord& record);
  static std::optional<ChunkRecord> decode_chunk(std::string_view bytes);
  std::optional<ChunkRecord> chunk_record(MDB_txn* txn, ChunkId id);
  void put_chunk(OwnedWrite& write, ChunkId id, const ChunkRecord& record);
  void move_chunk(OwnedWrite& write, ChunkId id, UseTick used);
  void remove_chunk(OwnedWrite& write, ChunkId id, ByteCount& bytes, std::vector<FreedBytes>& freed);
  std::uint64_t remove_blocks(OwnedWrite& write, ChunkId id);
  struct ObjectRecord {
    ContentNumber content = 0;
    ObjectVersion version;
    std::optional<ObjectVersion> original;  // of which our side copied it
  };
  static std::string encode_object(const ObjectRecord& record);
  static std::optional<ObjectRecord> decode_object(std::string_view bytes);
  std::optional<ObjectRecord> object_record(MDB_txn* txn, std::string_view name);
  void put_object(OwnedWrite& write, const std::string& name, const ObjectRecord& record);
  void erase_object(OwnedWrite& write, const std::string& name, const ObjectRecord& record);
  void remove_object_if_empty(OwnedWrite& write, ContentNumber content, FreedBytes& freed);
  std::vector<OldChunk> scan_oldest(std::size_t most);
  Result<Unit> commit(OwnedWrite& write, ByteCount bytes);

  Environment& environment_;
  const struct Databases {
    explicit Databases(const Environment& environment);
    MDB_dbi object, version, chunk, recency, block;
  } databases_;
  const runtime::Counters::Gauge bytes_;
};

template <class Latest>
Result<std::vector<ChunkId>> BlockCatalogue::oldest(ByteCount wanted, std::size_t most, Latest latest) {
  constexpr int kPasses = 1000;  // far more than uses can be remembered: records that contradict each other end it
  for (int pass = 0; pass < kPasses; ++pass) {
    std::vector<ChunkId> victims;
    std::vector<std::pair<ChunkId, UseTick>> used_since;
    ByteCount found;
    for (const OldChunk& chunk : scan_oldest(most)) {
      if (found >= wanted) break;
      if (const UseTick used = latest(chunk.id); used > chunk.used) {
        used_since.emplace_back(chunk.id, used);
        continue;
      }
      victims.push_back(chunk.id);
      found = found + chunk.bytes;
    }
    if (!used_since.empty()) PAIL_CHECK(note_uses(used_since));
    if (!victims.empty() || used_since.empty()) return victims;
  }
  return std::vector<ChunkId>{};
}

}  // namespace pail::cache
