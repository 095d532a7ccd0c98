#include "cache/environment.h"

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
#include <fstream>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "cache/salvage.h"

namespace pail::cache {
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

bool is_damage(int code) {
  return code == MDB_CORRUPTED || code == MDB_INVALID || code == MDB_PAGE_NOTFOUND || code == MDB_PANIC ||
         code == MDB_INCOMPATIBLE || code == MDB_BAD_DBI;
}

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

std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi database, std::string_view key, int& code) {
  MDB_val wanted = to_value(key), value{};
  code = mdb_get(txn, database, &wanted, &value);
  if (code != MDB_SUCCESS) return std::nullopt;
  return from_value(value);
}

Result<std::unique_ptr<Environment>> Environment::open(const std::filesystem::path& directory) {
  std::unique_ptr<Environment> environment(new Environment(directory));
  PAIL_CHECK(environment->lock());
  PAIL_TRY(const LastStop last, last_stop(directory));
  environment->machine_stopped_ = last == LastStop::machine_stopped;
  if (environment->machine_stopped_ && !salvage_environment(directory)) environment->set_aside();
  PAIL_CHECK(note_open(directory));
  PAIL_CHECK(environment->open_environment());
  return environment;
}

Environment::~Environment() {
  if (env_ == nullptr) return;
  const bool synced = sync().has_value();
  close_environment();
  if (!synced) return;
  if (auto noted = note_closed(directory_); !noted) spdlog::warn("index: {}", noted.error().context);
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
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(lock_.get(), 0) != 0) return errno_error(errno, path.string());
  return write_at(lock_.get(), {}, std::as_bytes(std::span(pid)));
}

Result<Unit> Environment::open_environment() {
  for (std::size_t map = kLargestMap;;) {
    if (const int code = mdb_env_create(&env_); code != MDB_SUCCESS) return lmdb_error(code, directory_.string());
    mdb_env_set_maxdbs(env_, kDatabases.size());
    mdb_env_set_maxreaders(env_, kMaxReaders);
    mdb_env_set_mapsize(env_, map);
    int code = mdb_env_open(env_, directory_.c_str(), kFlags, 0600);
    if (code == MDB_SUCCESS) break;
    mdb_env_close(std::exchange(env_, nullptr));
    if (code == ENOMEM && map > kSmallestMap) {
      map /= 2;
      continue;
    }
    if (!is_damage(code)) return lmdb_error(code, directory_.string());
    spdlog::error("index {}: {}", directory_.string(), mdb_strerror(code));
    set_aside();
  }
  int dead = 0;
  mdb_reader_check(env_, &dead);
  map_ = find_map(directory_ / "data.mdb");
  auto opened = open_databases();
  if (!opened) close_environment();
  return opened;
}

Result<Unit> Environment::open_databases() {
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env_, nullptr, 0, &txn);
  if (code != MDB_SUCCESS) return lmdb_error(code, directory_.string());
  for (const DatabaseName& database : kDatabases) {
    code = mdb_dbi_open(txn, database.name, MDB_CREATE, &(databases_.*database.handle));
    if (code == MDB_SUCCESS) continue;
    mdb_txn_abort(txn);
    return lmdb_error(code, fmt::format("{}: {}", directory_.string(), database.name));
  }
  code = mdb_txn_commit(txn);
  if (code != MDB_SUCCESS) return lmdb_error(code, directory_.string());
  return Unit{};
}

void Environment::set_aside() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::filesystem::path from = directory_ / "data.mdb";
  const std::filesystem::path to =
      directory_ / fmt::format("damaged-{}.mdb", std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  std::error_code failed;
  std::filesystem::rename(from, to, failed);
  if (failed) {
    spdlog::error("index: cannot set {} aside: {}", from.string(), failed.message());
    return;
  }
  spdlog::error("index: damaged, kept as {}; starting empty. Names come back from the bucket", to.string());
}

void Environment::close_environment() {
  MutexLock lock(pool_mutex_);
  for (MDB_txn* txn : pool_) mdb_txn_abort(txn);
  pool_.clear();
  mdb_env_close(std::exchange(env_, nullptr));
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
  if (txn_ == nullptr) spdlog::error("index: no read transaction: {}", mdb_strerror(code));
}

PooledRead::~PooledRead() {
  if (txn_ == nullptr) return;
  environment_.return_read(txn_);
  environment_.bound_resident_pages();
}

OwnedWrite::OwnedWrite(Environment& environment) : environment_(environment) {
  code_ = mdb_txn_begin(environment.get(), nullptr, 0, &txn_);
  if (code_ != MDB_SUCCESS) txn_ = nullptr;
}

OwnedWrite::~OwnedWrite() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

void OwnedWrite::put(MDB_dbi database, std::string_view key, std::string_view value, unsigned flags) {
  if (failed()) return;
  MDB_val wanted = to_value(key), content = to_value(value);
  note(mdb_put(txn_, database, &wanted, &content, flags));
}

void OwnedWrite::erase(MDB_dbi database, std::string_view key) {
  if (failed()) return;
  MDB_val wanted = to_value(key);
  const int code = mdb_del(txn_, database, &wanted, nullptr);
  if (code != MDB_NOTFOUND) note(code);
}

void OwnedWrite::note(int code) {
  if (code_ == MDB_SUCCESS) code_ = code;
}

Result<Unit> OwnedWrite::commit() {
  if (failed()) return lmdb_error(code_, "index");
  code_ = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (failed()) return lmdb_error(code_, "index commit");
  environment_.bound_resident_pages();
  code_ = EBADF;  // a second commit, or a change after it, is a mistake
  return Unit{};
}

}  // namespace pail::cache
