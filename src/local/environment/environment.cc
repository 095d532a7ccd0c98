#include "local/environment/environment.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include "base/directory.h"
#include "base/file.h"
#include "base/log.h"
#include "local/environment/salvage.h"
#include "local/environment/seal.h"
#include "local/environment/transaction.h"
#include "local/environment/walk.h"
#include "pailfs/cos/fault.h"

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

constexpr unsigned kMostDatabases = 64;
constexpr const char* kMeta = "meta";

constexpr std::uint64_t kFormat = 3;
constexpr std::uint64_t kFormatOfOneEnvironment = 2;  // held the records of the index and of the block cache
constexpr std::uint64_t kFormatBeforeSeals = 1;       // of 0.1.0; its records are sealed by the copy made of it at open

// Pages of files that the process has mapped and touched.
std::size_t resident_file_pages() {
  std::size_t size = 0, resident = 0, shared = 0;
  std::FILE* statm = std::fopen("/proc/self/statm", "re");
  if (statm == nullptr) return 0;
  if (std::fscanf(statm, "%zu %zu %zu", &size, &resident, &shared) != 3) shared = 0;
  std::fclose(statm);
  return shared;
}

constexpr std::string_view kDamagedPrefix = "damaged-";

void remove_former_damaged(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& path : list_readable(directory))
    if (path.filename().string().starts_with(kDamagedPrefix)) std::filesystem::remove(path, ignored);
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
  if (code == MDB_MAP_FULL) return Error{ENOSPC, fmt::format("{}: it has filled its address space", what)};
  if (code == MDB_VERSION_MISMATCH) return Error{EINVAL, fmt::format("{}: made by another LMDB version", what)};
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

Result<std::unique_ptr<Environment>> Environment::open(const std::filesystem::path& directory, const Schema& schema,
                                                       std::string_view identity, const Clock& clock,
                                                       AfterMachineStop after_stop) {
  std::unique_ptr<Environment> environment(new Environment(directory, schema, clock));
  PAIL_CHECK(environment->lock());
  PAIL_TRY(environment->state_, StateFile::open(directory, clock.boot_id()));
  const LastStop last = environment->state_->last_stop();
  const bool unknown = last == LastStop::never_used && std::filesystem::exists(directory / "data.mdb");
  environment->machine_stopped_ = unknown || last == LastStop::machine_stopped;
  if (environment->begins_anew(after_stop)) {
    PAIL_CHECK(environment->set_aside("was in use when the machine stopped"));
  } else {
    PAIL_TRY(const Verdict verdict, environment->examine());
    if (verdict == Verdict::damaged) PAIL_CHECK(environment->set_aside("damaged"));
  }
  PAIL_CHECK(environment->state_->note_open());
  PAIL_CHECK(allocate_reader_table(directory / "lock.mdb"));
  PAIL_CHECK(environment->open_environment());
  environment->watch();
  PAIL_CHECK(environment->claim(identity));
  return environment;
}

// Says of which view it is, or checks that.
Result<Unit> Environment::claim(std::string_view identity) {
  OwnedWrite write(*this);
  if (write.failed()) return write.commit();
  int code = MDB_SUCCESS;
  const auto known = pail::local::get(write.get(), meta_, kMetaIdentity, code);
  if (!known && code != MDB_NOTFOUND) return lmdb_error(code, directory_.string());
  if (known && *known != identity)
    return Error{EINVAL, fmt::format("{}: is of {}, not of {}; use another directory", directory_.string(),
                                     quote(*known), quote(identity))};
  if (known) {
    PAIL_CHECK(check_format(write));
  } else {
    write.put(meta_, kMetaIdentity, identity);
    put_meta_number(*this, write, kMetaFormat, kFormat);
  }
  return write.commit();
}

Result<Unit> Environment::check_format(OwnedWrite& write) {
  const std::uint64_t format = meta_number(*this, write.get(), kMetaFormat, 0);
  if (format == kFormat) return Unit{};
  if (format != kFormatOfOneEnvironment && format != kFormatBeforeSeals)
    return Error{EINVAL, fmt::format("{}: format {} of a newer pailfs, this one knows {}", directory_.string(), format,
                                     kFormat)};
  PAIL_CHECK(remove_others(write));
  put_meta_number(*this, write, kMetaFormat, kFormat);
  return Unit{};
}

Result<Unit> Environment::remove_others(OwnedWrite& write) {
  constexpr int kWithTheDatabase = 1;
  const auto names = database_names(write.get());
  if (!names) end_damaged("its databases cannot be listed");
  for (const std::string& name : *names) {
    if (name == kMeta || std::ranges::find(schema_.databases, name) != schema_.databases.end()) continue;
    MDB_dbi other = 0;
    int code = mdb_dbi_open(write.get(), name.c_str(), 0, &other);
    if (code == MDB_SUCCESS) code = mdb_drop(write.get(), other, kWithTheDatabase);
    if (code != MDB_SUCCESS) return lmdb_error(code, directory_.string());
  }
  return Unit{};
}

Environment::~Environment() {
  if (env_ == nullptr) return;
  MDB_envinfo info{};
  const bool synced = sync().has_value() && mdb_env_info(env_, &info) == MDB_SUCCESS;
  close_environment();
  if (!synced) return;
  if (auto noted = state_->note_closed(info.me_last_txnid); !noted)
    spdlog::warn("{}: {}", schema_.kind, noted.error().context);
}

Result<Unit> Environment::lock() {
  const std::filesystem::path path = directory_ / "lock";
  PAIL_TRY(lock_, open_file(path, O_RDWR | O_CREAT));
  PAIL_TRY(const LockAttempt lock, try_lock_file(lock_, path));
  if (lock == LockAttempt::held_by_another) {
    const auto holder = read_file(path, ByteCount{32});
    return Error{EBUSY,
                 fmt::format("{}: in use by process {}", directory_.string(),
                             holder && !holder->empty() ? quote(*holder) : "unknown"),
                 Fault::busy};
  }
  // Overwritten, then cut: a full disk has room for that.
  const std::string pid = std::to_string(::getpid());
  const auto written = write_at(lock_.get(), {}, std::as_bytes(std::span(pid)));
  if (!written || ::ftruncate(lock_.get(), static_cast<off_t>(pid.size())) != 0)
    spdlog::warn("{}: cannot note the process that uses it", path.string());
  return Unit{};
}

bool Environment::begins_anew(AfterMachineStop after_stop) const {
  std::error_code absent;
  return after_stop == AfterMachineStop::begin_anew && machine_stopped_ &&
         std::filesystem::exists(directory_ / "data.mdb", absent);
}

// Without opening it. After a kill every commit is there, and what the process read it had checked.
Result<Verdict> Environment::examine() const {
  std::error_code absent;
  const std::uintmax_t size = std::filesystem::file_size(directory_ / "data.mdb", absent);
  if (absent) return Verdict::sound;
  if (state_->last_stop() == LastStop::damaged) return Verdict::damaged;
  if (state_->of_first_format()) return salvage_environment(directory_, schema_);
  switch (state_->last_stop()) {
    case LastStop::process_killed:
      return Verdict::sound;
    case LastStop::in_order:
      if (size > kCheckedAtOpen) return Verdict::sound;
      return examine_environment(directory_, schema_, state_->last_transaction());
    default:
      return salvage_environment(directory_, schema_);
  }
}

Result<Unit> Environment::open_environment() {
  PAIL_TRY(Opened opened, try_to_open());
  if (opened == Opened::sound) return Unit{};
  PAIL_CHECK(set_aside("damaged"));
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
    mdb_env_set_maxdbs(env_, kMostDatabases);
    mdb_env_set_maxreaders(env_, kMaxReaders);
    mdb_env_set_mapsize(env_, map);
    mdb_env_set_userctx(env_, this);
    mdb_env_set_assert(env_, end_after_assertion);
    const int code = mdb_env_open(env_, directory_.c_str(), kFlags, 0600);
    if (code == MDB_SUCCESS) return Opened::sound;
    mdb_env_close(std::exchange(env_, nullptr));
    if (code == ENOMEM && map > kSmallestMap) continue;
    if (!is_damage(code)) return lmdb_error(code, directory_.string());
    spdlog::error("{} {}: {}", schema_.kind, directory_.string(), mdb_strerror(code));
    return Opened::damaged;
  }
}

Result<Environment::Opened> Environment::open_databases() {
  int dead = 0;
  mdb_reader_check(env_, &dead);
  MDB_txn* txn = nullptr;
  int code = mdb_txn_begin(env_, nullptr, 0, &txn);
  databases_.assign(schema_.databases.size(), 0);
  for (std::size_t i = 0; i < databases_.size(); ++i)
    if (code == MDB_SUCCESS) code = mdb_dbi_open(txn, schema_.databases[i], MDB_CREATE, &databases_[i]);
  if (code == MDB_SUCCESS) code = mdb_dbi_open(txn, kMeta, MDB_CREATE, &meta_);
  if (code == MDB_SUCCESS) code = mdb_txn_commit(std::exchange(txn, nullptr));
  if (txn != nullptr) mdb_txn_abort(txn);
  if (code == MDB_SUCCESS) return Opened::sound;
  if (is_damage(code)) return Opened::damaged;
  return lmdb_error(code, directory_.string());
}

// From here on a fault in the map is noted, and commits have disk space.
void Environment::watch() {
  map_ = find_map(directory_ / "data.mdb");
  fault_note_.emplace(map_, state_->descriptor(), state_->faulted_text());
  if (schema_.full_disk == Schema::FullDisk::is_prepared_for) reserve_.emplace(env_, clock_);
}

// The newest one is kept for whoever wants to know what happened.
Result<Unit> Environment::set_aside(std::string_view why) {
  remove_former_damaged(directory_);
  const auto now = clock_.wall().time_since_epoch();
  const std::filesystem::path from = directory_ / "data.mdb";
  const std::filesystem::path to =
      directory_ /
      fmt::format("{}{}.mdb", kDamagedPrefix, std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
  std::error_code failed;
  std::filesystem::rename(from, to, failed);
  if (failed) return errno_error(failed.value(), fmt::format("set {} aside", from.string()));
  spdlog::error("{}: {}, kept as {}; starting empty. {}", schema_.kind, why, to.string(), schema_.after_loss);
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
  if (auto noted = state_->note_damaged(); !noted) spdlog::error("{}: {}", schema_.kind, noted.error().context);
  spdlog::critical("{} {}: {}; ending, so that the next process makes it anew", schema_.kind, directory_.string(),
                   what);
  spdlog::default_logger()->flush();
  std::abort();
}

void Environment::check(int code, std::string_view what) {
  if (is_damage(code)) end_damaged(fmt::format("{}: {}", what, mdb_strerror(code)));
}

void Environment::end_unreadable(int code) {
  check(code, "read");
  spdlog::critical("{} {}: cannot be read: {}; ending", schema_.kind, directory_.string(), mdb_strerror(code));
  spdlog::default_logger()->flush();
  std::abort();
}

Result<Unit> Environment::sync() {
  constexpr int kEvenWithNoSync = 1;
  const int code = mdb_env_sync(env_, kEvenWithNoSync);
  if (code != MDB_SUCCESS) return lmdb_error(code, fmt::format("sync of {}", directory_.string()));
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

}  // namespace pail::local
