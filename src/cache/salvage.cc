#include "cache/salvage.h"

#include <fmt/format.h>
#include <lmdb.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/file.h"
#include "base/log.h"

namespace pail::cache {
namespace {

constexpr unsigned kCopyLimitSeconds = 120;  // 50 million records; a walk in a loop of pages ends too
constexpr std::size_t kRecordsPerCommit = 100'000;

std::string boot_id() {
  auto text = read_file("/proc/sys/kernel/random/boot_id", ByteCount{256});
  if (!text) return "unknown";
  while (!text->empty() && text->back() == '\n') text->pop_back();
  return *text;
}

std::filesystem::path state_file(const std::filesystem::path& directory) {
  return directory / "state";
}

Result<Unit> write_state(const std::filesystem::path& directory, std::string_view word) {
  const std::string text = fmt::format("{} {}\n", word, boot_id());
  const auto now = read_file(state_file(directory), ByteCount{256});
  if (now && *now == text) return Unit{};  // spares a restarted process the sync
  return write_file_atomically(state_file(directory), text);
}

struct Copy {
  MDB_env* from = nullptr;
  MDB_env* to = nullptr;
  MDB_txn* reading = nullptr;
  MDB_txn* writing = nullptr;
  std::size_t uncommitted = 0;
};

bool open_for_copy(MDB_env*& env, const std::filesystem::path& file, unsigned flags, std::size_t map) {
  if (mdb_env_create(&env) != MDB_SUCCESS) return false;
  mdb_env_set_maxdbs(env, 64);
  for (; map >= (std::size_t{64} << 20); map /= 2) {
    mdb_env_set_mapsize(env, map);
    const int code = mdb_env_open(env, file.c_str(), flags | MDB_NOSUBDIR, 0600);
    if (code == MDB_SUCCESS) return true;
    mdb_env_close(env);
    if (code != ENOMEM || mdb_env_create(&env) != MDB_SUCCESS) return false;
    mdb_env_set_maxdbs(env, 64);
  }
  return false;
}

bool commit_some(Copy& copy) {
  copy.uncommitted = 0;
  return mdb_txn_commit(std::exchange(copy.writing, nullptr)) == MDB_SUCCESS &&
         mdb_txn_begin(copy.to, nullptr, 0, &copy.writing) == MDB_SUCCESS;
}

// MDB_APPEND refuses a key that is not greater than the one before it: pages of the wrong place show that way. The
// number of records must be what the tree's root says.
bool copy_database(Copy& copy, const char* name) {
  MDB_dbi source = 0, target = 0;
  MDB_cursor* cursor = nullptr;
  MDB_stat promised{};
  if (mdb_dbi_open(copy.reading, name, 0, &source) != MDB_SUCCESS) return false;
  if (mdb_dbi_open(copy.writing, name, MDB_CREATE, &target) != MDB_SUCCESS) return false;
  if (mdb_stat(copy.reading, source, &promised) != MDB_SUCCESS) return false;
  if (mdb_cursor_open(copy.reading, source, &cursor) != MDB_SUCCESS) return false;
  MDB_val key{}, value{};
  std::size_t found = 0;
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == MDB_SUCCESS; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    if (mdb_put(copy.writing, target, &key, &value, MDB_APPEND) != MDB_SUCCESS) return false;
    ++found;
    if (++copy.uncommitted >= kRecordsPerCommit && !commit_some(copy)) return false;
  }
  mdb_cursor_close(cursor);
  return code == MDB_NOTFOUND && found == promised.ms_entries;
}

bool copy_all(const std::filesystem::path& from, const std::filesystem::path& to) {
  Copy copy;
  constexpr std::size_t kMap = std::size_t{1} << 40;
  if (!open_for_copy(copy.from, from, MDB_RDONLY | MDB_NOLOCK, kMap)) return false;
  if (!open_for_copy(copy.to, to, MDB_NOSYNC | MDB_NOLOCK, kMap)) return false;
  if (mdb_txn_begin(copy.from, nullptr, MDB_RDONLY, &copy.reading) != MDB_SUCCESS) return false;
  if (mdb_txn_begin(copy.to, nullptr, 0, &copy.writing) != MDB_SUCCESS) return false;
  MDB_dbi names = 0;
  MDB_cursor* cursor = nullptr;
  if (mdb_dbi_open(copy.reading, nullptr, 0, &names) != MDB_SUCCESS) return false;
  if (mdb_cursor_open(copy.reading, names, &cursor) != MDB_SUCCESS) return false;
  MDB_val key{}, value{};
  int code = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
  for (; code == MDB_SUCCESS; code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const std::string name(static_cast<const char*>(key.mv_data), key.mv_size);
    if (!copy_database(copy, name.c_str())) return false;
  }
  mdb_cursor_close(cursor);
  if (code != MDB_NOTFOUND) return false;
  if (mdb_txn_commit(copy.writing) != MDB_SUCCESS) return false;
  return mdb_env_sync(copy.to, 1) == MDB_SUCCESS;
}

// The child's whole life: no destructor or exit handler of the parent's may run in it.
[[noreturn]] void copy_in_child(const std::filesystem::path& from, const std::filesystem::path& to) {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGALRM}) ::signal(signal, SIG_DFL);
  ::alarm(kCopyLimitSeconds);
  ::_exit(copy_all(from, to) ? 0 : 1);
}

bool succeeded(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0)
    if (errno != EINTR) return false;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

Result<LastStop> last_stop(const std::filesystem::path& directory) {
  std::error_code failed;
  if (!std::filesystem::exists(directory / "data.mdb", failed)) return LastStop::in_order;
  const auto state = read_file(state_file(directory), ByteCount{256});
  if (!state && state.error().errnum != ENOENT) return state.error();
  if (state && state->starts_with("closed ")) return LastStop::in_order;
  if (state && *state == fmt::format("open {}\n", boot_id())) return LastStop::process_killed;
  return LastStop::machine_stopped;
}

Result<Unit> note_open(const std::filesystem::path& directory) {
  return write_state(directory, "open");
}
Result<Unit> note_closed(const std::filesystem::path& directory) {
  return write_state(directory, "closed");
}

bool salvage_environment(const std::filesystem::path& directory) {
  const std::filesystem::path damaged = directory / "data.mdb", copy = directory / "salvaged.mdb";
  std::error_code failed;
  std::filesystem::remove(copy, failed);
  spdlog::warn("index {}: the machine stopped while it was open; checking it", directory.string());
  const pid_t child = ::fork();
  if (child == 0) copy_in_child(damaged, copy);
  const bool sound = child > 0 && succeeded(child);
  if (sound) std::filesystem::rename(copy, damaged, failed);
  if (!sound || failed) {
    std::filesystem::remove(copy, failed);
    return false;
  }
  spdlog::warn("index {}: it is sound", directory.string());
  return true;
}

}  // namespace pail::cache
