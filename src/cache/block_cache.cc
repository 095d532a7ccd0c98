#include "cache/block_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>

#include <algorithm>
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
#include "cache/cache_space.h"
#include "cache/chunk_uses.h"
#include "cache/known_contents.h"

namespace pail::cache {
namespace {

constexpr ByteCount kBatch = 8_MiB;  // written between two commits
constexpr std::size_t kUsesAtOnce = 4096;
constexpr std::size_t kBlocksAdoptedAtOnce = 4096;
constexpr std::chrono::seconds kHousekeeping{30};  // how much of the order of use a kill may lose

ByteCount length_of_block(ByteCount size, std::uint64_t number) {
  const std::uint64_t begin = number * kBlockSize.n;
  return begin >= size.n ? ByteCount{} : std::min(kBlockSize, ByteCount{size.n - begin});
}

std::span<std::byte> scratch_block() {
  thread_local std::vector<std::byte> scratch(kBlockSize.n);
  return scratch;
}

class DiskBlockCache final : public BlockCache {
 public:
  DiskBlockCache(std::unique_ptr<Environment> environment, std::unique_ptr<BlockFiles> files, BlockCacheOptions options,
                 runtime::Counters& counters);
  ~DiskBlockCache() override;

  ContentId identify(const ObjectVersion& version) override;
  void copied(std::span<const Copy> copies) override PAIL_EXCLUDES(store_mutex_, queue_mutex_);
  std::size_t read(const ObjectContent& content, ByteOffset at, std::span<std::byte> out) override;
  bool contains(const ObjectContent& content, std::uint64_t block_number) override;
  void insert(const ObjectContent& content, std::uint64_t block_number, std::shared_ptr<const Block> block) override
      PAIL_EXCLUDES(queue_mutex_);
  bool adopt(const ObjectContent& content, const std::filesystem::path& file,
             const std::vector<std::uint64_t>& checksums) override PAIL_EXCLUDES(store_mutex_);
  void drop(const ObjectContent& content) override PAIL_EXCLUDES(store_mutex_, queue_mutex_);
  void drain() override PAIL_EXCLUDES(queue_mutex_);

 private:
  struct Waiting {
    ObjectContent content;
    std::uint64_t number = 0;
    std::shared_ptr<const Block> block;
  };
  using Batch = std::vector<Waiting>;
  enum class Next { write, keep_house, end };

  std::optional<ContentId> content_of(const Copy& copy);
  void rename_waiting(std::span<const ContentCopy> copies) PAIL_REQUIRES(store_mutex_) PAIL_EXCLUDES(queue_mutex_);
  std::shared_ptr<const OpenBlockFile> open_file_of(const ObjectContent& content) PAIL_EXCLUDES(store_mutex_);
  std::size_t read_within_block(const OpenBlockFile& file, ByteOffset at, std::span<std::byte> out);
  bool read_checked(const OpenBlockFile& file, std::uint64_t number, const BlockRecord& record, std::size_t within,
                    std::span<std::byte> out);
  void drop_damaged(ContentNumber content, std::uint64_t number, std::uint64_t checksum) PAIL_EXCLUDES(store_mutex_);

  void work() PAIL_EXCLUDES(queue_mutex_, store_mutex_);
  Next wait_for_next() PAIL_EXCLUDES(queue_mutex_);
  ByteCount write_next_batch() PAIL_EXCLUDES(store_mutex_, queue_mutex_);
  Batch take_batch() PAIL_REQUIRES(store_mutex_) PAIL_EXCLUDES(queue_mutex_);
  void write_batch(const Batch& batch) PAIL_REQUIRES(store_mutex_);
  void write_content(const ObjectContent& content, std::span<const Waiting* const> blocks) PAIL_REQUIRES(store_mutex_);
  Result<bool> take(const ObjectContent& content, const std::filesystem::path& file,
                    const std::vector<std::uint64_t>& checksums) PAIL_EXCLUDES(store_mutex_);
  bool note_whole(const ObjectContent& content, const std::vector<std::uint64_t>& checksums)
      PAIL_REQUIRES(store_mutex_);
  void keep_house(bool idle) PAIL_EXCLUDES(store_mutex_);
  void write_uses() PAIL_EXCLUDES(store_mutex_);

  const std::unique_ptr<Environment> environment_;
  const std::unique_ptr<BlockFiles> files_;
  const BlockCacheOptions options_;
  const runtime::Counters::Counter hits_, misses_;                 // reads
  const runtime::Counters::Counter inserted_, skipped_, damaged_;  // blocks
  BlockCatalogue catalogue_;
  ChunkUses uses_;
  KnownContents known_;
  CacheSpace space_;  // changed under the store lock

  // Lock order: store, then queue.
  Mutex store_mutex_;  // held by whoever changes records and files
  unsigned swept_ PAIL_GUARDED_BY(store_mutex_) = 0;

  Mutex queue_mutex_;
  CondVar queue_changed_, queue_drained_;
  std::deque<Waiting> queue_ PAIL_GUARDED_BY(queue_mutex_);
  ByteCount queued_ PAIL_GUARDED_BY(queue_mutex_);  // with the batch that is being written
  bool stopping_ PAIL_GUARDED_BY(queue_mutex_) = false;

  Thread writer_;
};

DiskBlockCache::DiskBlockCache(std::unique_ptr<Environment> environment, std::unique_ptr<BlockFiles> files,
                               BlockCacheOptions options, runtime::Counters& counters)
    : environment_(std::move(environment)),
      files_(std::move(files)),
      options_(options),
      hits_(counters.counter("cache_hits")),
      misses_(counters.counter("cache_misses")),
      inserted_(counters.counter("cache_inserted_blocks")),
      skipped_(counters.counter("cache_skipped_blocks")),
      damaged_(counters.counter("cache_damaged_blocks")),
      catalogue_(*environment_, counters.gauge("cache_bytes")),
      uses_(catalogue_.last_tick()),
      space_(catalogue_, *files_, uses_, options_, counters.counter("cache_evicted_blocks")) {
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

// ---- contents

ContentId DiskBlockCache::identify(const ObjectVersion& version) {
  if (version.etag.empty()) return ContentId::make();
  std::string text = text_of(version);
  if (const auto known = known_.find(text)) return *known;
  const auto cached = catalogue_.find(version);
  return known_.add(std::move(text), cached ? *cached : ContentId::make());
}

// The content of a copy, which is that of its original; none: it is not known, or they cannot be the same.
std::optional<ContentId> DiskBlockCache::content_of(const Copy& copy) {
  const auto& [from, to] = copy;
  if (from == to || from.size != to.size || from.etag.empty() || to.etag.empty()) return std::nullopt;
  const auto known = known_.find(text_of(from));
  return known ? known : catalogue_.find(from);
}

void DiskBlockCache::copied(std::span<const Copy> copies) {
  std::vector<ContentCopy> of_contents;
  for (const Copy& copy : copies) {
    const auto id = content_of(copy);
    if (!id) continue;
    known_.replace(text_of(copy.to), *id);
    of_contents.push_back({*id, copy});
  }
  if (of_contents.empty()) return;
  MutexLock lock(store_mutex_);
  rename_waiting(of_contents);
  if (auto noted = catalogue_.copied(of_contents); !noted) spdlog::warn("block cache: {}", noted.error().context);
}

void DiskBlockCache::rename_waiting(std::span<const ContentCopy> copies) {
  std::map<ContentId, const ObjectVersion*> now;
  for (const auto& [id, copy] : copies) now.insert_or_assign(id, &copy.to);
  MutexLock lock(queue_mutex_);
  for (Waiting& waiting : queue_)
    if (const auto renamed = now.find(waiting.content.id); renamed != now.end())
      waiting.content.version = *renamed->second;
}

// ---- reading

std::size_t DiskBlockCache::read(const ObjectContent& content, ByteOffset at, std::span<std::byte> out) {
  const ByteCount size = content.version.size;
  if (at.n >= size.n) return 0;
  out = out.first(std::min<std::uint64_t>(out.size(), size.n - at.n));
  std::size_t done = 0;
  if (const auto file = open_file_of(content)) {
    while (done < out.size()) {
      const std::size_t n = read_within_block(*file, at + ByteCount{done}, out.subspan(done));
      if (n == 0) break;
      done += n;
    }
  }
  (done > 0 ? hits_ : misses_).add();
  return done;
}

std::shared_ptr<const OpenBlockFile> DiskBlockCache::open_file_of(const ObjectContent& content) {
  const auto number = catalogue_.number_of(content.id, content.version.size);
  if (!number) return nullptr;
  const std::string name = content.id.text();
  auto kept = files_->find(name);
  if (kept && kept->content == *number) return kept;
  auto opened = files_->open_for_reading(name);
  // Evicted meanwhile: the file may be one of later.
  if (catalogue_.number_of(content.id, content.version.size) != number) return nullptr;
  if (!opened) {
    spdlog::warn("block cache: {}", opened.error().context);
    if (opened.error().errnum != ENOENT) return nullptr;
    damaged_.add();
    MutexLock lock(store_mutex_);
    space_.remove(catalogue_.chunks(*number));
    return nullptr;
  }
  auto file = std::make_shared<const OpenBlockFile>(OpenBlockFile{*number, *std::move(opened)});
  files_->keep(name, file);
  return file;
}

// The bytes of one block; 0 when it is not there, or not as it was written.
std::size_t DiskBlockCache::read_within_block(const OpenBlockFile& file, ByteOffset at, std::span<std::byte> out) {
  const std::uint64_t number = at.n / kBlockSize.n, within = at.n % kBlockSize.n;
  const ChunkId chunk{file.content, number / kBlocksInChunk};
  constexpr int kAttempts = 3;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::uint64_t punches = space_.punches();  // before the look at the record: see its declaration
    const auto record = catalogue_.block(file.content, number);
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
    if (space_.punches() != punches) continue;
    if (!sound) {
      drop_damaged(file.content, number, record->checksum);
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

void DiskBlockCache::drop_damaged(ContentNumber content, std::uint64_t number, std::uint64_t checksum) {
  spdlog::warn("block cache: block {} of content {} is damaged; fetching it again", number, content);
  damaged_.add();
  MutexLock lock(store_mutex_);
  const auto freed = catalogue_.remove_block(content, number, checksum);
  if (freed)
    space_.give_back(*freed);
  else
    spdlog::warn("block cache: {}", freed.error().context);
}

bool DiskBlockCache::contains(const ObjectContent& content, std::uint64_t block_number) {
  const auto number = catalogue_.number_of(content.id, content.version.size);
  return number && catalogue_.block(*number, block_number);
}

// ---- writing

void DiskBlockCache::insert(const ObjectContent& content, std::uint64_t block_number,
                            std::shared_ptr<const Block> block) {
  const ByteCount length{block->bytes.size()};
  const bool fits = length.n > 0 && length == length_of_block(content.version.size, block_number);
  {
    MutexLock lock(queue_mutex_);
    if (!fits || content.version.etag.empty() || stopping_ || queued_ + length > options_.queue) {
      skipped_.add();
      return;
    }
    queued_ = queued_ + length;
    queue_.push_back({content, block_number, std::move(block)});
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
    space_.make_room({}, {});  // the capacity may be smaller than last time
  }
  for (;;) {
    const Next next = wait_for_next();
    if (next == Next::end) return;
    const ByteCount written = write_next_batch();
    {
      MutexLock lock(queue_mutex_);
      queued_ = queued_ - written;
    }
    queue_drained_.notify_all();
    keep_house(next == Next::keep_house);
  }
}

// keep_house: nothing came for a while; end: nothing waits, and nothing will.
DiskBlockCache::Next DiskBlockCache::wait_for_next() {
  MutexLock lock(queue_mutex_);
  const Clock& clock = environment_->clock();
  const auto until = clock.steady() + kHousekeeping;
  bool in_time = true;
  while (queue_.empty() && !stopping_ && in_time) in_time = clock.wait_until(queue_changed_, queue_mutex_, until);
  if (!queue_.empty()) return Next::write;
  return stopping_ ? Next::end : Next::keep_house;
}

// What was taken and is not written yet is not in the queue, where copied() and drop() look for it: they hold the store
// lock, too.
ByteCount DiskBlockCache::write_next_batch() {
  MutexLock lock(store_mutex_);
  const Batch batch = take_batch();
  write_batch(batch);
  ByteCount bytes;
  for (const Waiting& waiting : batch) bytes = bytes + ByteCount{waiting.block->bytes.size()};
  return bytes;
}

DiskBlockCache::Batch DiskBlockCache::take_batch() {
  Batch batch;
  MutexLock lock(queue_mutex_);
  for (ByteCount bytes; !queue_.empty() && bytes < kBatch; queue_.pop_front()) {
    bytes = bytes + ByteCount{queue_.front().block->bytes.size()};
    batch.push_back(std::move(queue_.front()));
  }
  return batch;
}

void DiskBlockCache::write_batch(const Batch& batch) {
  std::map<ContentId, std::vector<const Waiting*>> by_content;
  for (const Waiting& waiting : batch) by_content[waiting.content.id].push_back(&waiting);
  for (auto& [id, blocks] : by_content) {
    std::sort(blocks.begin(), blocks.end(), [](auto* a, auto* b) { return a->number < b->number; });
    const ObjectContent& content = blocks.front()->content;
    const auto known = catalogue_.number_of(id, content.version.size);
    std::vector<const Waiting*> fresh;
    ByteCount charge;
    for (const Waiting* waiting : blocks) {
      if (!fresh.empty() && fresh.back()->number == waiting->number) continue;
      if (known && catalogue_.block(*known, waiting->number)) continue;
      fresh.push_back(waiting);
      charge = charge + charge_of(ByteCount{waiting->block->bytes.size()});
    }
    if (fresh.empty()) continue;
    if (space_.make_room(charge, charge))
      write_content(content, fresh);
    else
      skipped_.add(fresh.size());
  }
}

void DiskBlockCache::write_content(const ObjectContent& content, std::span<const Waiting* const> blocks) {
  const auto give_up = [&](const Error& error) {
    skipped_.add(blocks.size());
    spdlog::warn("block cache: not cached: {}", error.context);
  };
  auto file = files_->open_for_writing(content.id.text());
  if (!file) return give_up(file.error());
  std::vector<NewBlock> records;
  for (const Waiting* waiting : blocks) {
    const std::span<const std::byte> bytes(waiting->block->bytes);
    auto written = write_at(file->get(), ByteOffset{waiting->number * kBlockSize.n}, bytes);
    if (!written) return give_up(written.error());
    records.push_back({waiting->number, {ByteCount{bytes.size()}, xxh3(bytes)}});
  }
  auto added = catalogue_.add(content, records, uses_.next_tick());
  if (!added) return give_up(added.error());
  inserted_.add(records.size());
}

void DiskBlockCache::drop(const ObjectContent& content) {
  MutexLock lock(store_mutex_);
  {
    MutexLock queue_lock(queue_mutex_);
    const auto is_of_it = [&](const Waiting& waiting) { return waiting.content.id == content.id; };
    for (const Waiting& waiting : queue_) {
      if (!is_of_it(waiting)) continue;
      queued_ = queued_ - ByteCount{waiting.block->bytes.size()};
    }
    std::erase_if(queue_, is_of_it);
  }
  queue_drained_.notify_all();
  if (const auto number = catalogue_.number_of(content.id, content.version.size))
    space_.remove(catalogue_.chunks(*number));
}

// ---- whole files

bool DiskBlockCache::adopt(const ObjectContent& content, const std::filesystem::path& file,
                           const std::vector<std::uint64_t>& checksums) {
  const ByteCount size = content.version.size;
  const std::uint64_t blocks = (size.n + kBlockSize.n - 1) / kBlockSize.n;
  struct stat st {};
  if (content.version.etag.empty() || blocks == 0 || checksums.size() != blocks || ::lstat(file.c_str(), &st) != 0 ||
      !S_ISREG(st.st_mode) || static_cast<std::uint64_t>(st.st_size) != size.n)
    return false;
  const auto taken = take(content, file, checksums);
  if (taken) return *taken;
  // From another file system: copied without the lock, since that may take long.
  {
    MutexLock lock(store_mutex_);
    if (!space_.make_room(charge_of(size), charge_of(size))) return false;
  }
  const auto copy = files_->copy_in(content.id.text(), file);
  if (!copy) {
    spdlog::warn("block cache: not adopted: {}", copy.error().context);
    return false;
  }
  const auto copy_taken = take(content, *copy, checksums);
  const bool adopted = copy_taken && *copy_taken;
  if (const auto removed = remove_file(adopted ? file : *copy); !removed)
    spdlog::warn("block cache: {}", removed.error().context);
  return adopted;
}

// Errors: EXDEV it lies on another file system.
Result<bool> DiskBlockCache::take(const ObjectContent& content, const std::filesystem::path& file,
                                  const std::vector<std::uint64_t>& checksums) {
  const std::string name = content.id.text();
  MutexLock lock(store_mutex_);
  if (const auto former = catalogue_.number_of(content.id, content.version.size))
    if (!space_.remove(catalogue_.chunks(*former))) return false;
  if (catalogue_.known(name)) return false;
  if (!space_.make_room(charge_of(content.version.size), {})) return false;
  if (const auto moved = files_->move_in(name, file); !moved) {
    if (moved.error().errnum == EXDEV) return moved.error();
    spdlog::warn("block cache: not adopted: {}", moved.error().context);
    return false;
  }
  if (note_whole(content, checksums)) return true;
  // Back first: what records were made then lead to no file, which reads as a miss.
  if (::rename(files_->path(name).c_str(), file.c_str()) != 0)
    spdlog::error("block cache: cannot give {} back", file.string());
  if (const auto partial = catalogue_.number_of(content.id, content.version.size))
    space_.remove(catalogue_.chunks(*partial));
  return false;
}

bool DiskBlockCache::note_whole(const ObjectContent& content, const std::vector<std::uint64_t>& checksums) {
  const UseTick now = uses_.next_tick();
  std::vector<NewBlock> records;
  for (std::uint64_t number = 0; number < checksums.size(); ++number) {
    records.push_back({number, {length_of_block(content.version.size, number), checksums[number]}});
    if (records.size() < kBlocksAdoptedAtOnce && number + 1 < checksums.size()) continue;
    if (const auto added = catalogue_.add(content, records, now); !added) {
      spdlog::warn("block cache: not adopted: {}", added.error().context);
      return false;
    }
    records.clear();
  }
  inserted_.add(checksums.size());
  return true;
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
  if (idle) space_.make_room({}, {});
  const auto known = [this](const std::string& name) { return catalogue_.known(name); };
  do {
    if (swept_ < BlockFiles::kDirectories) files_->sweep(swept_++, known);
  } while (idle && swept_ < BlockFiles::kDirectories);
}

}  // namespace

Result<std::unique_ptr<BlockCache>> BlockCache::open(const std::filesystem::path& directory, std::string_view identity,
                                                     BlockCacheOptions options, const Clock& clock,
                                                     runtime::Counters& counters) {
  PAIL_CHECK(make_private_directory(directory / "index"));
  PAIL_TRY(auto environment, Environment::open(directory / "index", kCatalogueSchema, identity, clock));
  PAIL_TRY(auto files, BlockFiles::open(directory / "blocks"));
  return std::unique_ptr<BlockCache>(
      std::make_unique<DiskBlockCache>(std::move(environment), std::move(files), options, counters));
}

}  // namespace pail::cache
