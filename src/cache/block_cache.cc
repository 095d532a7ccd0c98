#include "cache/block_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <deque>
#include <map>

#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "cache/block_catalogue.h"
#include "cache/block_files.h"
#include "cache/chunk_uses.h"

namespace pail::cache {
namespace {

constexpr ByteCount kBatch = 8_MiB;        // written between two commits
constexpr std::size_t kChunksAtOnce = 64;  // removed in one commit: 4096 blocks
constexpr std::size_t kUsesAtOnce = 4096;
constexpr std::size_t kBlocksAdoptedAtOnce = 4096;
constexpr std::chrono::seconds kHousekeeping{30};  // how much of the order of use a kill may lose
// Evicted beyond what is needed, so that a full cache of small objects does not commit for each of them. Nothing in a
// cache too small for it to matter.
constexpr ByteCount spare_of(ByteCount capacity) {
  return {(capacity.n / 256) & ~(kBlockSize.n - 1)};
}

ByteCount length_of_block(const ObjectVersion& object, std::uint64_t number) {
  const std::uint64_t begin = number * kBlockSize.n;
  return begin >= object.size.n ? ByteCount{} : std::min(kBlockSize, ByteCount{object.size.n - begin});
}

std::span<std::byte> scratch_block() {
  thread_local std::vector<std::byte> scratch(kBlockSize.n);
  return scratch;
}

class DiskBlockCache final : public BlockCache {
 public:
  DiskBlockCache(std::unique_ptr<Environment> environment, std::unique_ptr<BlockFiles> files,
                 BlockCacheOptions options);
  ~DiskBlockCache() override;

  std::size_t read(const ObjectVersion& object, ByteOffset at, std::span<std::byte> out) override;
  bool contains(const ObjectVersion& object, std::uint64_t block_number) override;
  void insert(const ObjectVersion& object, std::uint64_t block_number, std::shared_ptr<const Block> block) override
      PAIL_EXCLUDES(queue_mutex_);
  bool adopt(const ObjectVersion& object, const std::filesystem::path& file,
             const std::vector<std::uint64_t>& checksums) override PAIL_EXCLUDES(store_mutex_);
  void drop(const ObjectVersion& object) override PAIL_EXCLUDES(store_mutex_, queue_mutex_);
  void drain() override PAIL_EXCLUDES(queue_mutex_);
  BlockCacheCounters counters() const override;

 private:
  struct Waiting {
    ObjectVersion object;
    std::uint64_t number = 0;
    std::shared_ptr<const Block> block;
  };
  using Batch = std::vector<Waiting>;

  std::shared_ptr<const OpenBlockFile> open_file_of(const ObjectVersion& object) PAIL_EXCLUDES(store_mutex_);
  std::size_t read_within_block(const OpenBlockFile& file, ByteOffset at, std::span<std::byte> out);
  bool read_checked(const OpenBlockFile& file, std::uint64_t number, const BlockRecord& record, std::size_t within,
                    std::span<std::byte> out);
  void drop_damaged(VersionId version, std::uint64_t number, std::uint64_t checksum) PAIL_EXCLUDES(store_mutex_);

  void work() PAIL_EXCLUDES(queue_mutex_, store_mutex_);
  Batch next_batch(bool& idle) PAIL_EXCLUDES(queue_mutex_);
  void write_batch(const Batch& batch) PAIL_EXCLUDES(store_mutex_);
  void write_object(const std::string& name, const ObjectVersion& object, std::span<const Waiting* const> blocks)
      PAIL_REQUIRES(store_mutex_);
  bool make_room(ByteCount charge, ByteCount disk) PAIL_REQUIRES(store_mutex_);
  bool evict(ByteCount wanted) PAIL_REQUIRES(store_mutex_);
  bool remove_chunks(std::span<const ChunkId> chunks) PAIL_REQUIRES(store_mutex_);
  void give_back(const std::vector<FreedBytes>& freed) PAIL_REQUIRES(store_mutex_);
  bool move_into_place(const std::string& name, const std::filesystem::path& file) PAIL_REQUIRES(store_mutex_);
  void keep_house(bool idle) PAIL_EXCLUDES(store_mutex_);
  void write_uses() PAIL_EXCLUDES(store_mutex_);

  const std::unique_ptr<Environment> environment_;
  const std::unique_ptr<BlockFiles> files_;
  const BlockCacheOptions options_;
  BlockCatalogue catalogue_;
  ChunkUses uses_;
  // Raised before bytes of a file are given back. A reader that sees it unchanged read what the record promised.
  std::atomic<std::uint64_t> punches_{0};

  // Lock order: store, then queue.
  Mutex store_mutex_;  // held by whoever changes records and files
  unsigned swept_ PAIL_GUARDED_BY(store_mutex_) = 0;

  Mutex queue_mutex_;
  CondVar queue_changed_, queue_drained_;
  std::deque<Waiting> queue_ PAIL_GUARDED_BY(queue_mutex_);
  ByteCount queued_ PAIL_GUARDED_BY(queue_mutex_);  // with the batch that is being written
  bool stopping_ PAIL_GUARDED_BY(queue_mutex_) = false;

  std::atomic<std::uint64_t> hits_{0}, misses_{0}, inserted_{0}, skipped_{0}, evicted_{0}, damaged_{0};
  Thread writer_;
};

DiskBlockCache::DiskBlockCache(std::unique_ptr<Environment> environment, std::unique_ptr<BlockFiles> files,
                               BlockCacheOptions options)
    : environment_(std::move(environment)),
      files_(std::move(files)),
      options_(options),
      catalogue_(*environment_),
      uses_(catalogue_.last_tick()) {
  {
    MutexLock lock(store_mutex_);
    if (catalogue_.take_clean()) swept_ = BlockFiles::kDirectories;
  }
  writer_ = Thread("pailfs-cache", [this] { work(); });
}

DiskBlockCache::~DiskBlockCache() {
  {
    MutexLock lock(queue_mutex_);
    stopping_ = true;
  }
  queue_changed_.notify_all();
  writer_.join();
  write_uses();
  MutexLock lock(store_mutex_);
  if (swept_ < BlockFiles::kDirectories) return;
  if (auto noted = catalogue_.note_clean(); !noted) spdlog::warn("block cache: {}", noted.error().context);
}

// ---- reading

std::size_t DiskBlockCache::read(const ObjectVersion& object, ByteOffset at, std::span<std::byte> out) {
  if (at.n >= object.size.n) return 0;
  out = out.first(std::min<std::uint64_t>(out.size(), object.size.n - at.n));
  std::size_t done = 0;
  if (const auto file = open_file_of(object)) {
    while (done < out.size()) {
      const std::size_t n = read_within_block(*file, at + ByteCount{done}, out.subspan(done));
      if (n == 0) break;
      done += n;
    }
  }
  ++(done > 0 ? hits_ : misses_);
  return done;
}

std::shared_ptr<const OpenBlockFile> DiskBlockCache::open_file_of(const ObjectVersion& object) {
  const std::string name = block_file_name(object);
  const auto version = catalogue_.find(name, object);
  if (!version) return nullptr;
  auto kept = files_->find(name);
  if (kept && kept->version == *version) return kept;
  auto opened = files_->open_for_reading(name);
  if (catalogue_.find(name, object) != version) return nullptr;  // evicted meanwhile: the file may be another's
  if (!opened) {
    spdlog::warn("block cache: {}", opened.error().context);
    if (opened.error().errnum != ENOENT) return nullptr;
    ++damaged_;
    MutexLock lock(store_mutex_);
    remove_chunks(catalogue_.chunks(*version));
    return nullptr;
  }
  auto file = std::make_shared<const OpenBlockFile>(OpenBlockFile{*version, *std::move(opened)});
  files_->keep(name, file);
  return file;
}

// The bytes of one block; 0 when it is not there, or not as it was written.
std::size_t DiskBlockCache::read_within_block(const OpenBlockFile& file, ByteOffset at, std::span<std::byte> out) {
  const std::uint64_t number = at.n / kBlockSize.n, within = at.n % kBlockSize.n;
  const ChunkId chunk{file.version, number / kBlocksInChunk};
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t punches = punches_;  // before the look at the record: see its declaration
    const auto record = catalogue_.block(file.version, number);
    if (!record || within >= record->length.n) return 0;
    const std::span<std::byte> wanted = out.first(std::min<std::uint64_t>(out.size(), record->length.n - within));
    const bool checked_before = uses_.use(chunk, number % kBlocksInChunk);
    bool sound = false;
    if (checked_before) {
      const auto n = read_at(file.fd.get(), at, wanted);
      sound = n && *n == wanted.size();
    } else {
      sound = read_checked(file, number, *record, within, wanted);
    }
    if (punches_ != punches) continue;
    if (!sound) {
      drop_damaged(file.version, number, record->checksum);
      return 0;
    }
    if (!checked_before) uses_.checked(chunk, number % kBlocksInChunk);
    return wanted.size();
  }
  return 0;
}

bool DiskBlockCache::read_checked(const OpenBlockFile& file, std::uint64_t number, const BlockRecord& record,
                                  std::size_t within, std::span<std::byte> out) {
  const bool whole = out.size() == record.length.n;
  const std::span<std::byte> block = whole ? out : scratch_block().first(record.length.n);
  const auto n = read_at(file.fd.get(), ByteOffset{number * kBlockSize.n}, block);
  if (!n || *n != block.size() || xxh3(block) != record.checksum) return false;
  if (!whole) std::memcpy(out.data(), block.data() + within, out.size());
  return true;
}

void DiskBlockCache::drop_damaged(VersionId version, std::uint64_t number, std::uint64_t checksum) {
  spdlog::warn("block cache: block {} of version {} is damaged; fetching it again", number, version);
  ++damaged_;
  MutexLock lock(store_mutex_);
  const auto freed = catalogue_.remove_block(version, number, checksum);
  if (freed)
    give_back(*freed);
  else
    spdlog::warn("block cache: {}", freed.error().context);
}

bool DiskBlockCache::contains(const ObjectVersion& object, std::uint64_t block_number) {
  const auto version = catalogue_.find(block_file_name(object), object);
  return version && catalogue_.block(*version, block_number);
}

// ---- writing behind

void DiskBlockCache::insert(const ObjectVersion& object, std::uint64_t block_number,
                            std::shared_ptr<const Block> block) {
  const ByteCount length{block->bytes.size()};
  const bool fits = length.n > 0 && length == length_of_block(object, block_number);
  {
    MutexLock lock(queue_mutex_);
    if (!fits || stopping_ || queued_ + length > options_.queue) {
      ++skipped_;
      return;
    }
    queued_ = queued_ + length;
    queue_.push_back({object, block_number, std::move(block)});
  }
  queue_changed_.notify_one();
}

void DiskBlockCache::drain() {
  MutexLock lock(queue_mutex_);
  while (queued_.n > 0) queue_drained_.wait(queue_mutex_);
}

void DiskBlockCache::work() {
  {
    MutexLock lock(store_mutex_);
    make_room({}, {});  // the capacity may be smaller than last time
  }
  for (bool idle = false;;) {
    const Batch batch = next_batch(idle);
    if (batch.empty() && !idle) return;
    write_batch(batch);
    ByteCount bytes;
    for (const Waiting& waiting : batch) bytes = bytes + ByteCount{waiting.block->bytes.size()};
    {
      MutexLock lock(queue_mutex_);
      queued_ = queued_ - bytes;
    }
    queue_drained_.notify_all();
    keep_house(idle);
  }
}

// What waits, up to kBatch. Empty and idle: nothing came for a while; empty and not idle: the end.
DiskBlockCache::Batch DiskBlockCache::next_batch(bool& idle) {
  Batch batch;
  MutexLock lock(queue_mutex_);
  const Clock& clock = environment_->clock();
  const auto until = clock.steady() + kHousekeeping;
  idle = false;
  while (queue_.empty() && !stopping_ && !idle) idle = !clock.wait_until(queue_changed_, queue_mutex_, until);
  for (ByteCount bytes; !queue_.empty() && bytes < kBatch; queue_.pop_front()) {
    bytes = bytes + ByteCount{queue_.front().block->bytes.size()};
    batch.push_back(std::move(queue_.front()));
  }
  if (!batch.empty()) idle = false;
  return batch;
}

void DiskBlockCache::write_batch(const Batch& batch) {
  MutexLock lock(store_mutex_);
  std::map<std::string, std::vector<const Waiting*>> by_file;
  for (const Waiting& waiting : batch) by_file[block_file_name(waiting.object)].push_back(&waiting);
  for (auto& [name, blocks] : by_file) {
    std::sort(blocks.begin(), blocks.end(), [](auto* a, auto* b) { return a->number < b->number; });
    const ObjectVersion& object = blocks.front()->object;
    const auto version = catalogue_.find(name, object);
    if (!version && catalogue_.known(name)) continue;  // another version's, by a collision of hashes
    std::vector<const Waiting*> fresh;
    ByteCount charge;
    for (const Waiting* waiting : blocks) {
      if (!same_version(waiting->object, object)) continue;
      if (!fresh.empty() && fresh.back()->number == waiting->number) continue;
      if (version && catalogue_.block(*version, waiting->number)) continue;
      fresh.push_back(waiting);
      charge = charge + charge_of(ByteCount{waiting->block->bytes.size()});
    }
    if (fresh.empty()) continue;
    if (make_room(charge, charge))
      write_object(name, object, fresh);
    else
      skipped_ += fresh.size();
  }
}

void DiskBlockCache::write_object(const std::string& name, const ObjectVersion& object,
                                  std::span<const Waiting* const> blocks) {
  const auto give_up = [&](const Error& error) {
    skipped_ += blocks.size();
    spdlog::warn("block cache: not cached: {}", error.context);
  };
  auto file = files_->open_for_writing(name);
  if (!file) return give_up(file.error());
  std::vector<NewBlock> records;
  for (const Waiting* waiting : blocks) {
    const std::span<const std::byte> bytes(waiting->block->bytes);
    auto written = write_at(file->get(), ByteOffset{waiting->number * kBlockSize.n}, bytes);
    if (!written) return give_up(written.error());
    records.push_back({waiting->number, {ByteCount{bytes.size()}, xxh3(bytes)}});
  }
  auto added = catalogue_.add(name, object, records, uses_.next_tick());
  if (!added) return give_up(added.error());
  inserted_ += records.size();
}

// ---- eviction

// Evicts until `charge` more bytes fit the capacity and `disk` more should leave the floor of the disk. False when they
// do not. The disk is asked once: some file systems give bytes back later, and asking again would evict everything.
bool DiskBlockCache::make_room(ByteCount charge, ByteCount disk) {
  if (charge > options_.capacity) return false;
  const auto free = files_->free_space();
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
bool DiskBlockCache::evict(ByteCount wanted) {
  const auto victims = catalogue_.oldest(wanted, kChunksAtOnce * 16, [this](ChunkId id) { return uses_.latest(id); });
  if (!victims) {
    spdlog::warn("block cache: {}", victims.error().context);
    return false;
  }
  return !victims->empty() && remove_chunks(*victims);
}

bool DiskBlockCache::remove_chunks(std::span<const ChunkId> chunks) {
  while (!chunks.empty()) {
    const std::size_t n = std::min(chunks.size(), kChunksAtOnce);
    const auto freed = catalogue_.remove({chunks.begin(), chunks.begin() + static_cast<std::ptrdiff_t>(n)});
    if (!freed) {
      spdlog::warn("block cache: {}", freed.error().context);
      return false;
    }
    give_back(*freed);
    for (const FreedBytes& piece : *freed) evicted_ += piece.blocks;
    chunks = chunks.subspan(n);
  }
  return true;
}

// The records are gone already: a kill now leaves bytes without records, never records without bytes.
void DiskBlockCache::give_back(const std::vector<FreedBytes>& freed) {
  ++punches_;
  for (const FreedBytes& piece : freed) {
    if (piece.chunk) uses_.forget(*piece.chunk);
    if (piece.extent)
      files_->punch(piece.name, *piece.extent);
    else
      files_->remove(piece.name);
  }
}

void DiskBlockCache::drop(const ObjectVersion& object) {
  MutexLock lock(store_mutex_);
  {
    MutexLock queue_lock(queue_mutex_);
    const auto is_of_it = [&](const Waiting& waiting) { return same_version(waiting.object, object); };
    for (const Waiting& waiting : queue_) {
      if (!is_of_it(waiting)) continue;
      queued_ = queued_ - ByteCount{waiting.block->bytes.size()};
    }
    std::erase_if(queue_, is_of_it);
  }
  queue_drained_.notify_all();
  if (const auto version = catalogue_.find(block_file_name(object), object)) remove_chunks(catalogue_.chunks(*version));
}

// ---- whole files

bool DiskBlockCache::move_into_place(const std::string& name, const std::filesystem::path& file) {
  if (!files_->make_room_for(name)) return false;
  if (::chmod(file.c_str(), 0600) != 0) return false;
  return ::rename(file.c_str(), files_->path(name).c_str()) == 0;
}

bool DiskBlockCache::adopt(const ObjectVersion& object, const std::filesystem::path& file,
                           const std::vector<std::uint64_t>& checksums) {
  const std::uint64_t blocks = (object.size.n + kBlockSize.n - 1) / kBlockSize.n;
  struct stat st {};
  if (blocks == 0 || checksums.size() != blocks || ::lstat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode) ||
      static_cast<std::uint64_t>(st.st_size) != object.size.n)
    return false;

  const std::string name = block_file_name(object);
  MutexLock lock(store_mutex_);
  if (const auto former = catalogue_.find(name, object))
    if (!remove_chunks(catalogue_.chunks(*former))) return false;
  if (catalogue_.known(name)) return false;
  if (!make_room(charge_of(object.size), {})) return false;
  if (!move_into_place(name, file)) return false;

  const UseTick now = uses_.next_tick();
  std::vector<NewBlock> records;
  Result<Unit> added = Unit{};
  for (std::uint64_t number = 0; number < blocks && added; ++number) {
    records.push_back({number, {length_of_block(object, number), checksums[number]}});
    if (records.size() < kBlocksAdoptedAtOnce && number + 1 < blocks) continue;
    added = catalogue_.add(name, object, records, now);
    records.clear();
  }
  if (added) {
    inserted_ += blocks;
    return true;
  }
  spdlog::warn("block cache: not adopted: {}", added.error().context);
  // Back first: what records were made then lead to no file, which reads as a miss.
  if (::rename(files_->path(name).c_str(), file.c_str()) != 0)
    spdlog::error("block cache: cannot give {} back", file.string());
  if (const auto partial = catalogue_.find(name, object)) remove_chunks(catalogue_.chunks(*partial));
  return false;
}

// ---- housekeeping

void DiskBlockCache::write_uses() {
  for (;;) {
    const auto uses = uses_.take_new(kUsesAtOnce);
    if (uses.empty()) return;
    MutexLock lock(store_mutex_);
    if (auto noted = catalogue_.note_uses(uses); !noted) spdlog::warn("block cache: {}", noted.error().context);
  }
}

// One directory is swept at a time, between batches, so that nobody waits long.
void DiskBlockCache::keep_house(bool idle) {
  if (idle || uses_.crowded()) write_uses();
  if (uses_.crowded()) uses_.shrink();
  MutexLock lock(store_mutex_);
  if (idle) make_room({}, {});
  const auto known = [this](const std::string& name) { return catalogue_.known(name); };
  do {
    if (swept_ < BlockFiles::kDirectories) files_->sweep(swept_++, known);
  } while (idle && swept_ < BlockFiles::kDirectories);
}

BlockCacheCounters DiskBlockCache::counters() const {
  BlockCacheCounters now;
  now.hits = hits_;
  now.misses = misses_;
  now.inserted = inserted_;
  now.skipped = skipped_;
  now.evicted = evicted_;
  now.damaged = damaged_;
  now.bytes = catalogue_.bytes();
  return now;
}

}  // namespace

Result<std::unique_ptr<BlockCache>> BlockCache::open(const std::filesystem::path& directory, std::string_view identity,
                                                     BlockCacheOptions options, const Clock& clock) {
  PAIL_CHECK(make_private_directory(directory / "index"));
  PAIL_TRY(auto environment, Environment::open(directory / "index", kCatalogueSchema, identity, clock));
  PAIL_TRY(auto files, BlockFiles::open(directory / "blocks"));
  return std::unique_ptr<BlockCache>(
      std::make_unique<DiskBlockCache>(std::move(environment), std::move(files), options));
}

}  // namespace pail::cache
