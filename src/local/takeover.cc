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

#include "base/file.h"
#include "pailfs/cos/fault.h"

namespace pail::local {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTag = "CACHEDIR.TAG";
constexpr std::string_view kTagText =
    "Signature: 8a477f597d28d172789f06886806bc55\n"
    "# Blocks of objects that pailfs has fetched. They may be removed while nothing is mounted.\n";

// What lies in folders of the same name in both layouts.
constexpr auto kFolders = std::to_array<const char*>({"staging", "kept", "descriptions", "renames"});
// Of the index: its environment, how the last process left it, and its range of numbers.
constexpr auto kIndexFiles = std::to_array<const char*>({"data.mdb", "state", "range"});

Result<Unit> sync_directory(const fs::path& directory) {
  PAIL_TRY(const UniqueFd fd, open_file(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(fd.get()) != 0) return errno_error(errno, directory.string());
  return Unit{};
}

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

Result<Unit> move_file(const fs::path& from, const fs::path& to) {
  if (::rename(from.c_str(), to.c_str()) == 0) return Unit{};
  if (errno != EXDEV) return errno_error(errno, to.string());
  const fs::path part = to.string() + ".tmp";
  PAIL_CHECK(copy_whole(from, part));
  if (::rename(part.c_str(), to.c_str()) != 0) return errno_error(errno, to.string());
  PAIL_CHECK(sync_directory(to.parent_path()));
  if (::unlink(from.c_str()) != 0) return errno_error(errno, from.string());
  return Unit{};
}

Result<Unit> move_folder(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  if (!fs::exists(from, failed)) return Unit{};
  PAIL_CHECK(make_private_directory(to));
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(from, failed))
    if (entry.is_regular_file(failed)) files.push_back(entry.path());
  if (failed) return errno_error(failed.value(), from.string());
  for (const fs::path& file : files) PAIL_CHECK(move_file(file, to / file.filename()));
  PAIL_CHECK(sync_directory(to));
  fs::remove(from, failed);
  return Unit{};
}

// Beside the names that are there no others can be.
bool holds_files(const fs::path& cache) {
  std::error_code failed;
  return std::ranges::any_of(kFolders, [&](const char* folder) {
    const fs::directory_iterator first(cache / folder, failed), end;
    return !failed && first != end;
  });
}

// The environment stays, for the blocks whose records are in it, too.
Result<Unit> copy_index(const fs::path& from, const fs::path& to) {
  std::error_code failed;
  fs::remove_all(to, failed);
  PAIL_CHECK(make_private_directory(to));
  for (const char* name : kIndexFiles)
    if (fs::exists(from / name, failed)) PAIL_CHECK(copy_whole(from / name, to / name));
  return sync_directory(to);
}

}  // namespace

bool is_of_one_directory(const fs::path& cache) {
  std::error_code failed;
  if (fs::exists(cache / kTag, failed)) return false;
  return fs::exists(cache / "index", failed) || holds_files(cache);
}

Result<Unit> take_over(const fs::path& cache, const fs::path& state) {
  const fs::path names = state / "names", unfinished = state / "names.tmp";
  std::error_code failed;
  const bool has_names = fs::exists(names, failed);
  if (has_names && holds_files(cache))
    return Error{EEXIST, fmt::format("{}: there are names in {} already", cache.string(), state.string()),
                 Fault::exists};
  if (!has_names) {
    PAIL_CHECK(copy_index(cache / "index", unfinished));
    for (const char* folder : kFolders) PAIL_CHECK(move_folder(cache / folder, state / folder));
    // Last: without names it is gone on with.
    if (::rename(unfinished.c_str(), names.c_str()) != 0) return errno_error(errno, names.string());
    PAIL_CHECK(sync_directory(state));
  }
  return mark_as_cache(cache);
}

Result<Unit> mark_as_cache(const fs::path& cache) {
  std::error_code failed;
  if (fs::exists(cache / kTag, failed)) return Unit{};
  return write_file_atomically(cache / kTag, kTagText);
}

}  // namespace pail::local
