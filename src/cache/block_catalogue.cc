#include "cache/block_catalogue.h"

#include <algorithm>
#include <array>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"
#include "local/codec.h"
#include "local/environment/walk.h"

namespace pail::cache {

using namespace local;  // keys, records and seals
namespace {

// In the order of the members of Databases.
constexpr auto kDatabases = std::to_array<const char*>({"object", "version", "chunk", "recency", "block"});

constexpr std::string_view kMetaNextVersion = "next_version";  // no content number from here on was given
constexpr std::string_view kMetaCachedBytes = "cached_bytes";
constexpr std::string_view kMetaBlocksClean = "blocks_clean";  // present when every block file has its records

// A record that contradicts another one is a block that is not found.
bool catalogue_agrees(MDB_txn* txn, Sealing sealing) {
  return std::ranges::all_of(
      kDatabases, [&](const char* name) { return !has_database(txn, name) || is_sealed(txn, name, sealing); });
}

constexpr std::uint8_t kObjectVersion = 1, kCopiedObjectVersion = 2;
constexpr std::uint8_t kChunkVersion = 1;
constexpr std::uint8_t kBlockVersion = 1;

IndexKey chunk_key(ChunkId id) {
  return IndexKey(id.content, id.chunk);
}

IndexKey recency_key(UseTick used, ChunkId id) {
  IndexKey key(used, id.content);
  key.add(id.chunk);
  return key;
}

std::string encode_block(const BlockRecord& record) {
  RecordWriter out;
  out.byte(kBlockVersion);
  out.number(record.length.n);
  out.fixed64(record.checksum);
  return out.take();
}

std::optional<BlockRecord> decode_block(std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kBlockVersion) return std::nullopt;
  BlockRecord record;
  record.length = ByteCount{in.number()};
  record.checksum = in.fixed64();
  if (!in.complete() || record.length > kBlockSize) return std::nullopt;
  return record;
}

}  // namespace

std::string text_of(const ObjectVersion& version) {
  std::string text;
  text.reserve(version.key.size() + version.etag.size() + 24);
  text.append(version.key).push_back('\0');
  text.append(version.etag).push_back('\0');
  text.append(std::to_string(version.size.n));
  return text;
}

std::string fingerprint(const ObjectVersion& version) {
  return xxh3_name(bytes_of(text_of(version)));
}

const Schema kCatalogueSchema{.kind = "block cache",
                              .after_loss = "Blocks are fetched again",
                              .databases = kDatabases,
                              .full_disk = Schema::FullDisk::fails_commits,
                              .agrees = catalogue_agrees};

BlockCatalogue::Databases::Databases(const Environment& environment)
    : object(environment.database(0)),
      version(environment.database(1)),
      chunk(environment.database(2)),
      recency(environment.database(3)),
      block(environment.database(4)) {}

BlockCatalogue::BlockCatalogue(Environment& environment, runtime::Counters::Gauge bytes)
    : environment_(environment), databases_(environment), bytes_(std::move(bytes)) {
  const PooledRead read(environment_);
  if (read.get() != nullptr) bytes_.set(meta_number(environment_, read.get(), kMetaCachedBytes, 0));
}

std::string BlockCatalogue::encode_object(const ObjectRecord& record) {
  RecordWriter out;
  out.byte(record.original ? kCopiedObjectVersion : kObjectVersion);
  out.number(record.content);
  out.number(record.version.size.n);
  out.text(record.version.key);
  out.text(record.version.etag);
  if (record.original) {
    out.text(record.original->key);
    out.text(record.original->etag);
  }
  return out.take();
}

std::optional<BlockCatalogue::ObjectRecord> BlockCatalogue::decode_object(std::string_view bytes) {
  RecordReader in(bytes);
  const std::uint8_t version = in.byte();
  if (version != kObjectVersion && version != kCopiedObjectVersion) return std::nullopt;
  ObjectRecord record;
  record.content = in.number();
  record.version.size = ByteCount{in.number()};
  record.version.key = in.text();
  record.version.etag = in.text();
  if (version == kCopiedObjectVersion) {
    ObjectVersion& original = record.original.emplace();
    original.size = record.version.size;
    original.key = in.text();
    original.etag = in.text();
  }
  if (!in.complete()) return std::nullopt;
  return record;
}

std::optional<BlockCatalogue::ObjectRecord> BlockCatalogue::object_record(MDB_txn* txn, std::string_view name) {
  int code = MDB_SUCCESS;
  const auto bytes = txn == nullptr ? std::nullopt : get(txn, databases_.object, name, code);
  return bytes ? decode_object(*bytes) : std::nullopt;
}

std::string BlockCatalogue::encode_chunk(const ChunkRecord& record) {
  RecordWriter out;
  out.byte(kChunkVersion);
  out.number(record.used);
  out.number(record.bytes.n);
  out.text(record.name);
  return out.take();
}

std::optional<BlockCatalogue::ChunkRecord> BlockCatalogue::decode_chunk(std::string_view bytes) {
  RecordReader in(bytes);
  if (in.byte() != kChunkVersion) return std::nullopt;
  ChunkRecord record;
  record.used = in.number();
  record.bytes = ByteCount{in.number()};
  record.name = in.text();
  if (!in.complete()) return std::nullopt;
  return record;
}

std::optional<ContentId> BlockCatalogue::find(const ObjectVersion& version) {
  const PooledRead read(environment_);
  if (read.get() == nullptr) return std::nullopt;
  int code = MDB_SUCCESS;
  const std::string print = fingerprint(version);
  const auto named = get(read.get(), databases_.version, print, code);
  const std::string name(named.value_or(print));  // older versions made the content's id of its version
  const auto record = object_record(read.get(), name);
  if (!record || (record->version != version && record->original != version)) return std::nullopt;
  return ContentId::from_text(name);
}

std::optional<ContentNumber> BlockCatalogue::number_of(const ContentId& id, ByteCount size) {
  const PooledRead read(environment_);
  const auto record = object_record(read.get(), id.text());
  if (!record || record->version.size != size) return std::nullopt;
  return record->content;
}

bool BlockCatalogue::known(const std::string& name) {
  const PooledRead read(environment_);
  int code = MDB_SUCCESS;
  // When in doubt it is known: what is not gets removed.
  return read.get() == nullptr || get(read.get(), databases_.object, name, code) || code != MDB_NOTFOUND;
}

std::optional<BlockRecord> BlockCatalogue::block(ContentNumber content, std::uint64_t number) {
  const PooledRead read(environment_);
  if (read.get() == nullptr) return std::nullopt;
  int code = MDB_SUCCESS;
  const auto bytes = get(read.get(), databases_.block, IndexKey(content, number).view(), code);
  return bytes ? decode_block(*bytes) : std::nullopt;
}

std::vector<ChunkId> BlockCatalogue::chunks(ContentNumber content) {
  std::vector<ChunkId> found;
  const PooledRead read(environment_);
  MDB_cursor* cursor = nullptr;
  if (read.get() == nullptr || mdb_cursor_open(read.get(), databases_.chunk, &cursor) != MDB_SUCCESS) return found;
  const IndexKey from(content, 0);
  MDB_val key = to_value(from.view()), value{};
  for (int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
       code == MDB_SUCCESS && number_in_key(from_value(key), 0) == content;
       code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
    found.push_back({content, number_in_key(from_value(key), sizeof content)});
  mdb_cursor_close(cursor);
  return found;
}

std::optional<BlockCatalogue::ChunkRecord> BlockCatalogue::chunk_record(MDB_txn* txn, ChunkId id) {
  int code = MDB_SUCCESS;
  const auto bytes = txn == nullptr ? std::nullopt : get(txn, databases_.chunk, chunk_key(id).view(), code);
  return bytes ? decode_chunk(*bytes) : std::nullopt;
}

std::vector<BlockCatalogue::OldChunk> BlockCatalogue::scan_oldest(std::size_t most) {
  std::vector<OldChunk> found;
  const PooledRead read(environment_);
  MDB_cursor* cursor = nullptr;
  if (read.get() == nullptr || mdb_cursor_open(read.get(), databases_.recency, &cursor) != MDB_SUCCESS) return found;
  MDB_val key{}, value{};
  while (found.size() < most && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
    const std::string_view bytes = from_value(key);
    const ChunkId id{number_in_key(bytes, 8), number_in_key(bytes, 16)};
    if (const auto record = chunk_record(read.get(), id)) found.push_back({id, number_in_key(bytes, 0), record->bytes});
  }
  mdb_cursor_close(cursor);
  return found;
}

void BlockCatalogue::put_chunk(OwnedWrite& write, ChunkId id, const ChunkRecord& record) {
  write.put(databases_.chunk, chunk_key(id).view(), encode_chunk(record));
  write.put(databases_.recency, recency_key(record.used, id).view(), {});
}

Result<Unit> BlockCatalogue::commit(OwnedWrite& write, ByteCount bytes) {
  put_meta_number(environment_, write, kMetaCachedBytes, bytes.n);
  PAIL_CHECK(write.commit());
  bytes_.set(bytes.n);
  return Unit{};
}

void BlockCatalogue::put_object(OwnedWrite& write, const std::string& name, const ObjectRecord& record) {
  write.put(databases_.object, name, encode_object(record));
  write.put(databases_.version, fingerprint(record.version), name);
  if (record.original) write.put(databases_.version, fingerprint(*record.original), name);
}

// With its versions, as far as they do not lead to another content by now.
void BlockCatalogue::erase_object(OwnedWrite& write, const std::string& name, const ObjectRecord& record) {
  write.erase(databases_.object, name);
  const auto unname = [&](const ObjectVersion& version) {
    int code = MDB_SUCCESS;
    const std::string print = fingerprint(version);
    const auto named = write.failed() ? std::nullopt : get(write.get(), databases_.version, print, code);
    if (named && *named == name) write.erase(databases_.version, print);
  };
  unname(record.version);
  if (record.original) unname(*record.original);
}

Result<Unit> BlockCatalogue::copied(std::span<const ContentCopy> copies) {
  OwnedWrite write(environment_);
  for (const auto& [id, copy] : copies) {
    if (write.failed()) break;
    const std::string name = id.text();
    const auto record = object_record(write.get(), name);
    if (!record || record->version.size != copy.to.size) continue;
    erase_object(write, name, *record);
    put_object(write, name, {record->content, copy.to, copy.from});
  }
  return write.commit();
}

Result<Unit> BlockCatalogue::add(const ObjectContent& content, const std::vector<NewBlock>& blocks, UseTick used) {
  OwnedWrite write(environment_);
  if (write.failed()) return write.commit();
  const std::string name = content.id.text();
  auto record = object_record(write.get(), name);
  if (record && record->version.size != content.version.size)
    return Error{EEXIST, "block cache: a content of two sizes"};
  if (!record) {
    record = ObjectRecord{meta_number(environment_, write.get(), kMetaNextVersion, 1), content.version, {}};
    put_meta_number(environment_, write, kMetaNextVersion, record->content + 1);
    put_object(write, name, *record);
  }
  ByteCount bytes = this->bytes();
  std::optional<ChunkId> open_chunk;
  ChunkRecord chunk;
  for (const NewBlock& block : blocks) {
    const ChunkId id{record->content, block.number / kBlocksInChunk};
    if (open_chunk != id) {
      if (open_chunk) put_chunk(write, *open_chunk, chunk);
      open_chunk = id;
      const auto former = chunk_record(write.get(), id);
      if (former) write.erase(databases_.recency, recency_key(former->used, id).view());
      chunk = ChunkRecord{used, former ? former->bytes : ByteCount{}, name};
    }
    write.put(databases_.block, IndexKey(record->content, block.number).view(), encode_block(block.record));
    chunk.bytes = chunk.bytes + charge_of(block.record.length);
    bytes = bytes + charge_of(block.record.length);
  }
  if (open_chunk) put_chunk(write, *open_chunk, chunk);
  return commit(write, bytes);
}

std::uint64_t BlockCatalogue::remove_blocks(OwnedWrite& write, ChunkId id) {
  MDB_cursor* cursor = nullptr;
  std::uint64_t removed = 0;
  int code = mdb_cursor_open(write.get(), databases_.block, &cursor);
  if (code != MDB_SUCCESS) {
    write.note(code);
    return 0;
  }
  const std::uint64_t end = (id.chunk + 1) * kBlocksInChunk;
  const IndexKey from(id.content, id.chunk * kBlocksInChunk);
  MDB_val key = to_value(from.view()), value{};
  code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  while (code == MDB_SUCCESS && number_in_key(from_value(key), 0) == id.content &&
         number_in_key(from_value(key), sizeof id.content) < end) {
    code = mdb_cursor_del(cursor, 0);
    ++removed;
    if (code == MDB_SUCCESS) code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT);
  }
  mdb_cursor_close(cursor);
  if (code != MDB_SUCCESS && code != MDB_NOTFOUND) write.note(code);
  return removed;
}

// When the last chunk of a content went, its record goes too and the whole file is freed.
void BlockCatalogue::remove_object_if_empty(OwnedWrite& write, ContentNumber content, FreedBytes& freed) {
  MDB_cursor* cursor = nullptr;
  if (const int code = mdb_cursor_open(write.get(), databases_.chunk, &cursor); code != MDB_SUCCESS)
    return write.note(code);
  const IndexKey from(content, 0);
  MDB_val key = to_value(from.view()), value{};
  const int code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
  const bool left = code == MDB_SUCCESS && number_in_key(from_value(key), 0) == content;
  mdb_cursor_close(cursor);
  if (left) return;
  if (const auto record = object_record(write.get(), freed.name)) erase_object(write, freed.name, *record);
  freed.extent.reset();
}

void BlockCatalogue::remove_chunk(OwnedWrite& write, ChunkId id, ByteCount& bytes, std::vector<FreedBytes>& freed) {
  const auto record = chunk_record(write.get(), id);
  if (!record) return;
  bytes = bytes - std::min(bytes, record->bytes);
  const ByteOffset begin{id.chunk * kBlocksInChunk * kBlockSize.n};
  FreedBytes piece{record->name, Extent{begin, begin + ByteCount{kBlocksInChunk * kBlockSize.n}}, id};
  piece.blocks = remove_blocks(write, id);
  write.erase(databases_.chunk, chunk_key(id).view());
  write.erase(databases_.recency, recency_key(record->used, id).view());
  remove_object_if_empty(write, id.content, piece);
  freed.push_back(std::move(piece));
}

Result<std::vector<FreedBytes>> BlockCatalogue::remove(const std::vector<ChunkId>& chunks) {
  OwnedWrite write(environment_);
  std::vector<FreedBytes> freed;
  ByteCount bytes = this->bytes();
  for (const ChunkId id : chunks)
    if (!write.failed()) remove_chunk(write, id, bytes, freed);
  PAIL_CHECK(commit(write, bytes));
  return freed;
}

Result<std::vector<FreedBytes>> BlockCatalogue::remove_block(ContentNumber content, std::uint64_t number,
                                                             std::uint64_t checksum) {
  const ChunkId id{content, number / kBlocksInChunk};
  OwnedWrite write(environment_);
  if (write.failed()) return write.commit().error();
  int code = MDB_SUCCESS;
  const IndexKey key(content, number);
  const auto stored = get(write.get(), databases_.block, key.view(), code);
  const auto block = stored ? decode_block(*stored) : std::nullopt;
  auto chunk = chunk_record(write.get(), id);
  if (!block || block->checksum != checksum || !chunk) return std::vector<FreedBytes>{};

  std::vector<FreedBytes> freed;
  ByteCount bytes = this->bytes();
  const ByteCount charge = charge_of(block->length);
  if (chunk->bytes <= charge) {
    remove_chunk(write, id, bytes, freed);
  } else {
    const ByteOffset begin{number * kBlockSize.n};
    freed.push_back({chunk->name, Extent{begin, begin + block->length}, std::nullopt, 1});
    write.erase(databases_.block, key.view());
    chunk->bytes = chunk->bytes - charge;
    bytes = bytes - std::min(bytes, charge);
    put_chunk(write, id, *chunk);
  }
  PAIL_CHECK(commit(write, bytes));
  return freed;
}

void BlockCatalogue::move_chunk(OwnedWrite& write, ChunkId id, UseTick used) {
  auto record = chunk_record(write.get(), id);
  if (!record || record->used >= used) return;
  write.erase(databases_.recency, recency_key(record->used, id).view());
  record->used = used;
  put_chunk(write, id, *record);
}

Result<Unit> BlockCatalogue::note_uses(const std::vector<std::pair<ChunkId, UseTick>>& uses) {
  OwnedWrite write(environment_);
  for (const auto& [id, used] : uses)
    if (!write.failed()) move_chunk(write, id, used);
  return write.commit();
}

bool BlockCatalogue::take_clean() {
  OwnedWrite write(environment_);
  if (write.failed()) return false;
  int code = MDB_SUCCESS;
  const bool clean = get(write.get(), environment_.meta(), kMetaBlocksClean, code).has_value();
  write.erase(environment_.meta(), kMetaBlocksClean);
  return write.commit().has_value() && clean;
}

Result<Unit> BlockCatalogue::note_clean() {
  OwnedWrite write(environment_);
  write.put(environment_.meta(), kMetaBlocksClean, {});
  return write.commit();
}

UseTick BlockCatalogue::last_tick() {
  const PooledRead read(environment_);
  MDB_cursor* cursor = nullptr;
  if (read.get() == nullptr || mdb_cursor_open(read.get(), databases_.recency, &cursor) != MDB_SUCCESS) return 0;
  MDB_val key{}, value{};
  const int code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
  const UseTick tick = code == MDB_SUCCESS ? number_in_key(from_value(key), 0) : 0;
  mdb_cursor_close(cursor);
  return tick;
}

}  // namespace pail::cache
