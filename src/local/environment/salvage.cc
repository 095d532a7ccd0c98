#include "local/environment/salvage.h"

#include <lmdb.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "local/environment/environment.h"
#include "local/environment/seal.h"
#include "local/environment/walk.h"

namespace pail::local {
namespace {

constexpr std::size_t kRecordsPerCommit = 100'000;
constexpr std::size_t kMaxDatabases = 64;
constexpr std::size_t kLargestMap = std::size_t{1} << 40, kSmallestMap = std::size_t{64} << 20;

enum class Outcome { sound, damaged, not_copied };

// LMDB's own checks of what it finds on a page.
void end_as_damaged(MDB_env*, const char*) {
  ::_exit(static_cast<int>(Outcome::damaged));
}

MDB_env* open_file_of(const std::filesystem::path& file, unsigned flags) {
  for (std::size_t map = kLargestMap; map >= kSmallestMap; map /= 2) {
    MDB_env* env = nullptr;
    if (mdb_env_create(&env) != MDB_SUCCESS) return nullptr;
    mdb_env_set_maxdbs(env, kMaxDatabases);
    mdb_env_set_mapsize(env, map);
    mdb_env_set_assert(env, end_as_damaged);
    const int code = mdb_env_open(env, file.c_str(), flags | MDB_NOSUBDIR | MDB_NOLOCK, 0600);
    if (code == MDB_SUCCESS) return env;
    mdb_env_close(env);
    if (code != ENOMEM) return nullptr;
  }
  return nullptr;
}

// An environment that is read by this process alone, and ends with it.
struct Source {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  Sealing sealing = Sealing::present;
};

// Which format it has; none when that cannot be read.
std::optional<Sealing> sealing_of(MDB_txn* txn) {
  MDB_dbi meta = 0;
  MDB_val key = to_value(kMetaFormat), value{};
  if (mdb_dbi_open(txn, "meta", 0, &meta) != MDB_SUCCESS) return std::nullopt;
  if (mdb_get(txn, meta, &key, &value) != MDB_SUCCESS) return std::nullopt;
  return value.mv_size == sizeof(std::uint64_t) ? Sealing::absent : Sealing::present;
}

std::optional<Source> open_sound(const std::filesystem::path& file, const Schema& schema,
                                 std::optional<std::uint64_t> last) {
  Source source;
  MDB_envinfo info{};
  source.env = open_file_of(file, MDB_RDONLY);
  if (source.env == nullptr || !holds_all_pages(source.env)) return std::nullopt;
  if (mdb_env_info(source.env, &info) != MDB_SUCCESS) return std::nullopt;
  if (last && info.me_last_txnid != *last) return std::nullopt;
  if (mdb_txn_begin(source.env, nullptr, MDB_RDONLY, &source.txn) != MDB_SUCCESS) return std::nullopt;
  const auto sealing = sealing_of(source.txn);
  if (!sealing) return std::nullopt;
  source.sealing = *sealing;
  if (!pages_lie_in_place(file, source.env) || !free_pages_are_sound(source.env, source.txn) ||
      !database_names(source.txn) || !is_sealed(source.txn, "meta", source.sealing) ||
      !schema.agrees(source.txn, source.sealing))
    return std::nullopt;
  return source;
}

class Copy {
 public:
  explicit Copy(const Source& from) : from_(from) {}
  bool all(const Schema& schema, const std::filesystem::path& to);

 private:
  bool database(const std::string& name);
  bool record(MDB_dbi target, const MDB_val& key, MDB_val value);
  bool commit_some();

  const Source& from_;
  MDB_env* to_ = nullptr;
  MDB_txn* writing_ = nullptr;
  std::size_t uncommitted_ = 0;
};

bool Copy::commit_some() {
  uncommitted_ = 0;
  return mdb_txn_commit(std::exchange(writing_, nullptr)) == MDB_SUCCESS &&
         mdb_txn_begin(to_, nullptr, 0, &writing_) == MDB_SUCCESS;
}

bool Copy::record(MDB_dbi target, const MDB_val& key, MDB_val value) {
  std::string with_seal;
  if (from_.sealing == Sealing::absent) {
    with_seal = sealed(from_value(key), from_value(value));
    value = to_value(with_seal);
  }
  MDB_val place = key;
  if (mdb_put(writing_, target, &place, &value, MDB_APPEND) != MDB_SUCCESS) return false;
  return ++uncommitted_ < kRecordsPerCommit || commit_some();
}

bool Copy::database(const std::string& name) {
  MDB_dbi target = 0;
  if (mdb_dbi_open(writing_, name.c_str(), MDB_CREATE, &target) != MDB_SUCCESS) return false;
  return walk_database(from_.txn, name.c_str(),
                       [&](const MDB_val& key, const MDB_val& value) { return record(target, key, value); });
}

bool Copy::all(const Schema& schema, const std::filesystem::path& to) {
  to_ = open_file_of(to, MDB_NOSYNC);
  if (to_ == nullptr || mdb_txn_begin(to_, nullptr, 0, &writing_) != MDB_SUCCESS) return false;
  for (const char* name : schema.databases)
    if (has_database(from_.txn, name) && !database(name)) return false;
  if (!database("meta")) return false;
  if (mdb_txn_commit(writing_) != MDB_SUCCESS) return false;
  make_room_for_all_pages(to_);
  constexpr int kEvenWithNoSync = 1;
  return mdb_env_sync(to_, kEvenWithNoSync) == MDB_SUCCESS;
}

// Runs `task` as a child's whole life: no destructor or exit handler of the parent's may run in it. It holds the lock
// of the directory, so it ends with the parent.
template <class Task>
[[noreturn]] void run_in_child(Task task) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT}) ::signal(signal, SIG_DFL);
  ::_exit(static_cast<int>(task()));
}

bool is_crash(int signal) {
  return signal == SIGSEGV || signal == SIGBUS || signal == SIGABRT || signal == SIGFPE || signal == SIGILL;
}

template <class Task>
Result<Verdict> ask_child(Task task) {
  const pid_t child = ::fork();
  if (child < 0) return errno_error(errno, "start a process that checks local state");
  if (child == 0) run_in_child(task);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return errno_error(errno, "wait for the process that checks local state");
  if (WIFSIGNALED(status) && is_crash(WTERMSIG(status))) return Verdict::damaged;
  if (WIFSIGNALED(status)) return Error{EIO, "the process that checks local state was killed"};
  if (WEXITSTATUS(status) == static_cast<int>(Outcome::sound)) return Verdict::sound;
  if (WEXITSTATUS(status) == static_cast<int>(Outcome::damaged)) return Verdict::damaged;
  return Error{ENOSPC, "local state cannot be copied; free as much disk space as its file takes"};
}

}  // namespace

Result<Verdict> examine_environment(const std::filesystem::path& directory, const Schema& schema,
                                    std::optional<std::uint64_t> last) {
  return ask_child(
      [&] { return open_sound(directory / "data.mdb", schema, last) ? Outcome::sound : Outcome::damaged; });
}

Result<Verdict> salvage_environment(const std::filesystem::path& directory, const Schema& schema) {
  const std::filesystem::path damaged = directory / "data.mdb", copy = directory / "salvaged.mdb";
  std::error_code failed;
  std::filesystem::remove(copy, failed);
  spdlog::warn("{} {}: it may be damaged, or is of an older format; checking it", schema.kind, directory.string());
  auto verdict = ask_child([&] {
    const auto source = open_sound(damaged, schema, std::nullopt);
    if (!source) return Outcome::damaged;
    return Copy(*source).all(schema, copy) ? Outcome::sound : Outcome::not_copied;
  });
  if (verdict && *verdict == Verdict::sound) {
    std::filesystem::rename(copy, damaged, failed);
    if (failed) return errno_error(failed.value(), copy.string());
    spdlog::warn("{} {}: it is sound", schema.kind, directory.string());
    return verdict;
  }
  std::filesystem::remove(copy, failed);
  return verdict;
}

}  // namespace pail::local
