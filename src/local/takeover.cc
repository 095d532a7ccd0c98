#include "local/takeover.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <vector>

#include "base/directory.h"
#include "base/file.h"
#include "base/thread.h"
#include "pailfs/cos/fault.h"

namespace pail::local {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTag = "CACHEDIR.TAG";
constexpr std::string_view kTagText =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Blocks of objects that pailfs has fetched. They may be removed while nothing is mounted.\n";

constexpr const char* kUnfinished = "names.tmp";
constexpr const char* kNote = "taking-over";  // in the directory of state: the one that is taken over

// What lies in folders of the same name in both layouts.
constexpr auto kFolders = std::to_array<const char*>({"staging", "kept", "descriptions", "renames"});
// Of the index: its environment, how the last process left it, and its range of numbers.
constexpr auto kIndexFiles = std::to_array<const char*>({"data.mdb", "state", "range"});

// With its times, on disk when it returns.
Result<Unit> copy_whole(const fs::path& from, const fs::path& to) {
  PAIL_TRY(const UniqueFd source, open_file(from, O_RDONLY | O_NOFOLLOW));
  PAIL_TRY(const UniqueFd target, open_file(to, O_WRONLY | O_CREAT | O_TRUNC));
  struct stat status {};
  if (::fstat(source.get(), &status) != 0) return errno_error(errno, from.string());
  if (auto copied = copy_sparse(source.get(), target.get()); !copied)
    return Error{copied.error().errnum, fmt::format("{}: {}", to.string(), copied.error().context)};
  const timespec times[2] = {status.st_atim, status.st_mtim};
  if (::futimens(target.get(), times) != 0 || ::fsync(target.get()) != 0) return errno_error(errno, to.string());
  return Unit{};
}

// The file itself under another name where the disk is the same, else a copy of it.
Result<Unit> link_or_copy(const fs::path& from, const fs::path& to) {
  if (::link(from.c_str(), to.c_str()) == 0) return Unit{};
  const fs::path part = to.string() + ".tmp";
  PAIL_CHECK(copy_whole(from, part));
  if (::rename(part.c_str(), to.c_str()) != 0) return errno_error(errno, to.string());
  return Unit{};
}

// False where it is not there; any other doubt is an error.
Result<bool> is_there(const fs::path& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT) return false;
  return errno_error(errno, path.string());
}

Result<std::vector<fs::path>> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  PAIL_TRY(const bool there, is_there(folder));
  if (!there) return files;
  PAIL_TRY(const auto paths, list_directory(folder));
  for (const fs::path& path : paths) {
    std::error_code failed;
    const auto status = fs::symlink_status(path, failed);
    if (failed) return errno_error(failed.value(), path.string());
    if (status.type() == fs::file_type::regular) files.push_back(path);
  }
  return files;
}

Result<bool> holds_files(const fs::path& directory) {
  for (const char* folder : kFolders) {
    PAIL_TRY(const auto files, files_in(directory / folder));
    if (!files.empty()) return true;
  }
  return false;
}

Result<Unit> copy_folder(const fs::path& from, const fs::path& to) {
  PAIL_TRY(const auto files, files_in(from));
  if (files.empty()) return Unit{};
  PAIL_CHECK(make_private_directory(to));
  for (const fs::path& file : files) PAIL_CHECK(link_or_copy(file, to / file.filename()));
  return sync_directory(to);
}

// The environment stays, for the blocks whose records are in it, too.
Result<Unit> copy_index(const fs::path& from, const fs::path& to) {
  PAIL_CHECK(make_private_directory(to));
  for (const char* name : kIndexFiles) {
    PAIL_TRY(const bool there, is_there(from / name));
    if (there) PAIL_CHECK(copy_whole(from / name, to / name));
  }
  return sync_directory(to);
}

Result<Unit> copy_all(const fs::path& cache, const fs::path& state) {
  PAIL_CHECK(copy_index(cache / "index", state / kUnfinished));
  for (const char* folder : kFolders) PAIL_CHECK(copy_folder(cache / folder, state / folder));
  return sync_directory(state);
}

// What was copied before a kill or an error; all of it is still where it came from.
Result<Unit> remove_unfinished(const fs::path& state) {
  std::error_code failed;
  fs::remove_all(state / kUnfinished, failed);
  for (const char* folder : kFolders)
    if (!failed) fs::remove_all(state / folder, failed);
  if (!failed) fs::remove(state / kNote, failed);
  if (failed) return errno_error(failed.value(), state.string());
  return Unit{};
}

// All is in `state`.
Result<Unit> finish(const fs::path& cache, const fs::path& state) {
  std::error_code failed;
  for (const char* folder : kFolders)
    if (!failed) fs::remove_all(cache / folder, failed);
  if (failed) return errno_error(failed.value(), cache.string());
  PAIL_CHECK(mark_as_cache(cache));
  fs::remove(state / kNote, failed);
  return Unit{};
}

// A process that uses the index holds this lock, also when its supervisor was killed.
Result<UniqueFd> lock_index(const fs::path& index) {
  constexpr int kTries = 100;  // in five seconds, for a process to die
  PAIL_TRY(const bool there, is_there(index / "lock"));
  if (!there) return UniqueFd();
  PAIL_TRY(UniqueFd lock, open_file(index / "lock", O_RDWR | O_NOFOLLOW));
  for (int i = 0;; ++i) {
    PAIL_TRY(const LockAttempt attempt, try_lock_file(lock, index));
    if (attempt == LockAttempt::taken) return lock;
    if (i == kTries)
      return Error{EBUSY, fmt::format("{}: a process of an older version still works in it", index.string()),
                   Fault::busy};
    (void)sleep_for(std::chrono::milliseconds(50));
  }
}

}  // namespace

Result<bool> is_of_one_directory(const fs::path& cache) {
  PAIL_TRY(const bool files, holds_files(cache));
  if (files) return true;
  PAIL_TRY(const bool tagged, is_there(cache / kTag));
  PAIL_TRY(const bool index, is_there(cache / "index"));
  return index && !tagged;
}

Result<Unit> take_over(const fs::path& cache, const fs::path& state) {
  PAIL_TRY(const UniqueFd lock, lock_index(cache / "index"));
  const fs::path names = state / "names";
  const auto note = read_file(state / kNote, 64_KiB);
  PAIL_TRY(const bool has_names, is_there(names));
  if (has_names && note && *note == cache.string()) return finish(cache, state);
  PAIL_TRY(const bool has_files, holds_files(has_names ? cache : state));
  if (has_files && (has_names || !note))
    return Error{EEXIST, fmt::format("{}: there are files in {} already", cache.string(), state.string()),
                 Fault::exists};
  if (has_names) return mark_as_cache(cache);
  PAIL_CHECK(remove_unfinished(state));
  PAIL_CHECK(write_file_atomically(state / kNote, cache.string()));
  if (const auto copied = copy_all(cache, state); !copied) {
    const auto removed = remove_unfinished(state);
    return removed ? copied : removed;
  }
  if (::rename((state / kUnfinished).c_str(), names.c_str()) != 0) return errno_error(errno, names.string());
  PAIL_CHECK(sync_directory(state));
  return finish(cache, state);
}

Result<Unit> mark_as_cache(const fs::path& cache) {
  PAIL_TRY(const bool tagged, is_there(cache / kTag));
  if (tagged) return Unit{};
  return write_file_atomically(cache / kTag, kTagText);
}

}  // namespace pail::local
