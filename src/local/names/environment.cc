#include "local/names/environment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "local/names/salvage.h"
#include "local/names/seal.h"

namespace pail::local {
namespace {

// Address space, not disk: LMDB cannot grow its map while transactions run. Halved until the machine agrees.
constexpr std::size_t kLargestMap = std::size_t{1} << 40;
constexpr std::size_t kSmallestMap = std::size_t{64} << 20;
constexpr unsigned kMaxReaders = 1024;
// No WRITEMAP: a full disk would be a SIGBUS. Commits reach the page cache, which survives the process, and are synced
// when somebody asks.
constexpr unsigned kFlags = MDB_NOSYNC | MDB_NOMETASYNC | MDB_NOTLS;

// A walk over a large index must not look like memory in use.
constexpr std::size_t kResidentLimit = std::size_t{96} << 20;
constexpr unsigned kTransactionsBetweenLooks = 512;  // each touches a few runs of 64 KiB

// Of the file, with its reserve: about 500,000 names, at 0.5 µs each. A larger index is looked at where it is read,
// else a mount would begin late.
constexpr std::uintmax_t kCheckedAtOpen = std::uintmax_t{128} << 20;

// Each environment of a directory has a range of numbers to itself, so that none is used twice though the limits in a
// damaged one cannot be read.
constexpr int kBitsOfRange = 40;

struct DatabaseName {
  const char* name;
  MDB_dbi Databases::*handle;
};
constexpr auto kDatabases = std::to_array<DatabaseName>({
    {"inode", &Databases::inode},
    {"dirent", &Databases::dirent},
    {"child", &Databases::child},
    {"intent", &Databases::intent},
    {"orphan", &Databases::orphan},
    {"staged", &Databases::staged},
    {"upload", &Databases::upload},
    {"upload_part", &Databases::upload_part},
    {"object", &Databases::object},
    {"chunk", &Databases::chunk},
    {"recency", &Databases::recency},
    {"block", &Databases::block},
    {"meta", &Databases::meta},
});

// Pages of files that the process has mapped and touched.
std::size_t resident_file_pages() {
  std::size_t size = 0, resident = 0, shared = 0;
  std::FILE* statm = std::fopen("/proc/self/statm", "re");
  if (statm == nullptr) return 0;
  if (std::fscanf(statm, "%zu %zu %zu", &size, &resident, &shared) != 3) shared = 0;
  std::fclose(statm);
  return shared;
}

// Where `file` is mapped; empty when that cannot be found out. LMDB does not tell.
std::span<std::byte> find_map(const std::filesystem::path& file) {
  std::error_code failed;
  const std::string path = std::filesystem::canonical(file, failed).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; !failed && std::getline(maps, line);) {
    if (!line.ends_with(" " + path)) continue;
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2) break;
    return {reinterpret_cast<std::byte*>(begin), end - begin};
  }
  return {};
}

Environment& environment_of(MDB_txn* txn) {
  return *static_cast<Environment*>(mdb_env_get_userctx(mdb_txn_env(txn)));
}

// LMDB's own checks of what it finds on a page.
void end_after_assertion(MDB_env* env, const char* message) {
  static_cast<Environment*>(mdb_env_get_userctx(env))->end_damaged(message);
}

}  // namespace

Error lmdb_error(int code, std::string_view what) {
  if (code == MDB_MAP_FULL) return Error{ENOSPC, fmt::format("{}: the index has filled its address space", what)};
  if (code == MDB_VERSION_MISMATCH) return Error{EINVAL, fmt::format("{}: index of another LMDB version", what)};
  const bool system = code > 0;
  return Error{system ? code : EIO, fmt::format("{}: {}", what, mdb_strerror(code))};
}

MDB_val to_value(std::string_view bytes) {
  return {bytes.size(), const_cast<char*>(bytes.data())};
}

std::string_view from_value(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

bool is_damage(int code) {
  return code == MDB_CORRUPTED || code == MDB_INVALID || code == MDB_PAGE_NOTFOUND || code == MDB_CURSOR_FULL ||
         code == MDB_INCOMPATIBLE;
}

std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi database, std::string_view key, int& code) {
  MDB_val wanted = to_value(key), value{};
  code = mdb_get(txn, database, &wanted, &value);
  if (code == MDB_NOTFOUND) return std::nullopt;
  if (code != MDB_SUCCESS) {
    environment_of(txn).check(code, "read");
    return std::nullopt;
  }
  const auto content = unsealed(key, from_value(value));
  if (!content) environment_of(txn).end_damaged("the seal of a record is broken");
  return content;
}

Result<std::unique_ptr<Environment>> Environment::open(const std::filesystem::path& directory) {
  std::unique_ptr<Environment> environment(new Environment(directory));
  PAIL_CHECK(environment->lock());
  PAIL_TRY(environment->state_, StateFile::open(directory));
  const LastStop last = environment->state_->last_stop();
  const bool unknown = last == LastStop::never_used && std::filesystem::exists(directory / "data.mdb");
  environment->machine_stopped_ = unknown || last == LastStop::machine_stopped;
  PAIL_TRY(const Verdict verdict, environment->examine());
  if (verdict == Verdict::damaged) PAIL_CHECK(environment->set_aside());
  PAIL_CHECK(environment->choose_range());
  PAIL_CHECK(environment->state_->note_open());
  PAIL_CHECK(allocate_reader_table(directory / "lock.mdb"));
  PAIL_CHECK(environment->open_environment());
  environment->watch();
  return environment;
}

Environment::~Environment() {
  if (env_ == nullptr) return;
  MDB_envinfo info{};
  const bool synced = sync().has_value() && mdb_env_info(env_, &info) == MDB_SUCCESS;
  close_environment();
  if (!synced) return;
  if (auto noted = state_->note_closed(info.me_last_txnid); !noted) spdlog::warn("index: {}", noted.error().context);
}

Result<Unit> Environment::lock() {
  const std::filesystem::path path = directory_ / "lock";
  PAIL_TRY(lock_, open_file(path, O_RDWR | O_CREAT));
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return errno_error(errno, path.string());
    const auto holder = read_file(path, ByteCount{32});
    return Error{EBUSY, fmt::format("{}: the cache directory is in use by process {}", directory_.string(),
                                    holder && !holder->empty() ? quote(*holder) : "unknown")};
  }
  // Overwritten, then cut: a full disk has room for that.
  const std::string pid = std::to_string(::getpid());
  const auto written = write_at(lock_.get(), {}, std::as_bytes(std::span(pid)));
  if (!written || ::ftruncate(lock_.get(), static_cast<off_t>(pid.size())) != 0)
    spdlog::warn("{}: cannot note the process that uses it", path.string());
  return Unit{};
}

// Without opening it. After a kill every commit is there, and what the process read it had checked.
Result<Verdict> Environment::examine() const {
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(directory_ / "data.mdb", absent);
  if (absent) return Verdict::sound;
  if (state_->last_stop() == LastStop::damaged) return Verdict::damaged;
  if (state_->of_first_format()) return salvage_environment(directory_);
  switch (state_->last_stop()) {
    case LastStop::process_killed:
      return Verdict::sound;
    case LastStop::in_order:
      if (size > kCheckedAtOpen) return Verdict::sound;
      return examine_environment(directory_, state_->last_transaction());
    default:
      return salvage_environment(directory_);
  }
}

Result<Unit> Environment::open_environment() {
  PAIL_TRY(Opened opened, try_to_open());
  if (opened == Opened::sound) return Unit{};
  PAIL_CHECK(set_aside());
  PAIL_CHECK(choose_range());
  PAIL_TRY(opened, try_to_open());
  if (opened == Opened::sound) return Unit{};
  return Error{EIO, fmt::format("{}: a new index cannot be read", directory_.string())};
}

Result<Environment::Opened> Environment::try_to_open() {
  PAIL_TRY(Opened opened, open_map());
  if (opened == Opened::sound && !holds_all_pages(env_)) opened = Opened::damaged;
  if (opened == Opened::sound) {
    auto databases = open_databases();
    if (databases) opened = *databases;
    if (!databases) {
      close_environment();
      return databases.error();
    }
  }
  if (opened == Opened::damaged && env_ != nullptr) close_environment();
  return opened;
}

Result<Environment::Opened> Environment::open_map() {
  // LMDB takes an empty file for a new one.
  std::error_code absent;
  constexpr std::uintmax_t kMetaPages = 2;
  const auto size = std::filesystem::file_size(directory_ / "data.mdb", absent);
  if (!absent && size < kMetaPages * static_cast<std::uintmax_t>(::sysconf(_SC_PAGESIZE))) return Opened::damaged;
  for (std::size_t map = kLargestMap;; map /= 2) {
    if (const int code = mdb_env_create(&env_); code != MDB_SUCCESS) return lmdb_error(code, directory_.string());
    mdb_env_set_maxdbs(env_, kDatabases.size());
    mdb_env_set_maxreaders(env_, kMaxReaders);
    mdb_env_set_mapsize(env_, map);
    mdb_env_set_userctx(env_, this);
    mdb_env_set_assert(env_, end_after_assertion);
    const int code = mdb_env_open(env_, directory_.c_str(), kFlags, 0600);
    if (code == MDB_SUCCESS) return Opened::sound;
    mdb_env_close(std::exchange(env_, nullptr));
    if (code == ENOMEM && map > kSmallestMap) continue;
    if (!is_damage(code)) return lmdb_error(code, directory_.string());
    spdlog::error("index {}: {}", directory_.string(), mdb_strerror(code));
    return Opened::damaged;
  }
}

Result<Environment::Opened> Environment::open_databases() {
  int dead = 0;
  mdb_reader_check(env_, &dead);
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env_, nullptr, 0, &txn);
  for (const DatabaseName& database : kDatabases)
    if (code == MDB_SUCCESS) code = mdb_dbi_open(txn, database.name, MDB_CREATE, &(databases_.*database.handle));
  if (code == MDB_SUCCESS) code = mdb_txn_commit(std::exchange(txn, nullptr));
  if (txn != nullptr) mdb_txn_abort(txn);
  if (code == MDB_SUCCESS) return Opened::sound;
  if (is_damage(code)) return Opened::damaged;
  return lmdb_error(code, directory_.string());
}

// From here on a fault in the map is noted, and commits have disk space.
void Environment::watch() {
  map_ = find_map(directory_ / "data.mdb");
  fault_note_.emplace(map_, state_->descriptor(), StateFile::faulted_text());
  reserve_.emplace(env_);
}

// An environment that is made where there was one before begins a new range of numbers. Noted before it is made.
Result<Unit> Environment::choose_range() {
  std::error_code failed;
  const bool there = std::filesystem::exists(directory_ / "data.mdb", failed);
  const std::filesystem::path path = directory_ / "range";
  const auto text = read_file(path, ByteCount{32});
  if (!text && text.error().errnum != ENOENT) return text.error();
  std::uint64_t range = text ? std::strtoull(text->c_str(), nullptr, 10) : 0;
  if (!there && state_->last_stop() != LastStop::never_used)
    PAIL_CHECK(write_file_atomically(path, fmt::format("{}\n", ++range)));
  first_number_ = range << kBitsOfRange;
  return Unit{};
}

Result<Unit> Environment::set_aside() {
  const auto now = system_clock().wall().time_since_epoch();
  const std::filesystem::path from = directory_ / "data.mdb";
  const std::filesystem::path to =
      directory_ / fmt::format("damaged-{}.mdb", std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  std::error_code failed;
  std::filesystem::rename(from, to, failed);
  if (failed) return errno_error(failed.value(), fmt::format("set the damaged {} aside", from.string()));
  spdlog::error("index: damaged, kept as {}; starting empty. Names come back from the bucket", to.string());
  return Unit{};
}

void Environment::close_environment() {
  fault_note_.reset();
  reserve_.reset();
  MutexLock lock(pool_mutex_);
  for (MDB_txn* txn : pool_) mdb_txn_abort(txn);
  pool_.clear();
  mdb_env_close(std::exchange(env_, nullptr));
}

void Environment::end_damaged(std::string_view what) {
  // Also when several threads come here at once: what they write is the same.
  if (auto noted = state_->note_damaged(); !noted) spdlog::error("index: {}", noted.error().context);
  spdlog::critical("index {}: {}; ending, so that the next process makes it anew", directory_.string(), what);
  spdlog::default_logger()->flush();
  std::abort();
}

void Environment::check(int code, std::string_view what) {
  if (is_damage(code)) end_damaged(fmt::format("{}: {}", what, mdb_strerror(code)));
}

void Environment::end_unreadable(int code) {
  check(code, "read");
  spdlog::critical("index {}: cannot be read: {}; ending", directory_.string(), mdb_strerror(code));
  spdlog::default_logger()->flush();
  std::abort();
}

Result<Unit> Environment::sync() {
  constexpr int kEvenWithNoSync = 1;
  const int code = mdb_env_sync(env_, kEvenWithNoSync);
  if (code != MDB_SUCCESS) return lmdb_error(code, "index sync");
  return Unit{};
}

void Environment::bound_resident_pages() {
  if (transactions_.fetch_add(1, std::memory_order_relaxed) % kTransactionsBetweenLooks != 0) return;
  if (resident_file_pages() * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) < kResidentLimit) return;
  // Readers beside it fault them in again from the page cache.
  if (!map_.empty()) ::madvise(map_.data(), map_.size(), MADV_DONTNEED);
}

MDB_txn* Environment::borrow_read(int& code) {
  MDB_txn* txn = nullptr;
  {
    MutexLock lock(pool_mutex_);
    if (!pool_.empty()) {
      txn = pool_.back();
      pool_.pop_back();
    }
  }
  if (txn == nullptr) {
    code = mdb_txn_begin(env_, nullptr, MDB_RDONLY, &txn);
    return code == MDB_SUCCESS ? txn : nullptr;
  }
  code = mdb_txn_renew(txn);
  if (code == MDB_SUCCESS) return txn;
  mdb_txn_abort(txn);
  return nullptr;
}

void Environment::return_read(MDB_txn* txn) {
  mdb_txn_reset(txn);
  MutexLock lock(pool_mutex_);
  pool_.push_back(txn);
}

PooledRead::PooledRead(Environment& environment) : environment_(environment), txn_(nullptr) {
  int code = MDB_SUCCESS;
  txn_ = environment_.borrow_read(code);
  if (txn_ == nullptr) environment_.end_unreadable(code);
}

PooledRead::~PooledRead() {
  environment_.return_read(txn_);
  environment_.bound_resident_pages();
}

OwnedWrite::OwnedWrite(Environment& environment) : environment_(environment) {
  code_ = mdb_txn_begin(environment.get(), nullptr, 0, &txn_);
  if (code_ == MDB_SUCCESS) return;
  environment.check(code_, "begin to write");
  txn_ = nullptr;
}

OwnedWrite::~OwnedWrite() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

void OwnedWrite::put(MDB_dbi database, std::string_view key, std::string_view value, unsigned flags) {
  if (failed()) return;
  const std::string bytes = sealed(key, value);
  MDB_val wanted = to_value(key), content = to_value(bytes);
  note(mdb_put(txn_, database, &wanted, &content, flags));
}

void OwnedWrite::erase(MDB_dbi database, std::string_view key) {
  if (failed()) return;
  MDB_val wanted = to_value(key);
  const int code = mdb_del(txn_, database, &wanted, nullptr);
  if (code != MDB_NOTFOUND) note(code);
}

void OwnedWrite::note(int code) {
  environment_.check(code, "write");
  if (code_ == MDB_SUCCESS) code_ = code;
}

Result<Unit> OwnedWrite::commit() {
  if (failed()) return lmdb_error(code_, "index");
  code_ = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (failed()) return lmdb_error(code_, "index commit");
  environment_.keep_reserve();
  environment_.bound_resident_pages();
  code_ = EBADF;  // a second commit, or a change after it, is a mistake
  return Unit{};
}

}  // namespace pail::local
