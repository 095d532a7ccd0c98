#include "cli/mount_records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/checksum.h"
#include "base/directory.h"
#include "base/encoding.h"
#include "base/file.h"
#include "cli/view_directory.h"

namespace pail::cli {
namespace {

// Records of one place begin alike; each has an ending of its own.
std::string beginning_of(const std::filesystem::path& mount_point) {
  return xxh3_name(bytes_of(mount_point.native())) + '.';
}

std::vector<std::filesystem::path> paths_in(const std::filesystem::path& directory, const std::string& beginning) {
  std::vector<std::filesystem::path> paths;
  for (auto& path : list_readable(directory))
    if (path.filename().native().starts_with(beginning)) paths.push_back(std::move(path));
  return paths;
}

void remove_dead(const std::filesystem::path& record) {
  const auto file = open_file(record, O_RDONLY | O_NOFOLLOW);
  if (!file) return;
  const auto attempt = try_lock_file(*file, record);
  if (attempt && *attempt == LockAttempt::taken) ::unlink(record.c_str());
}

}  // namespace

Result<std::filesystem::path> records_directory() {
  if (::geteuid() == 0) return std::filesystem::path("/run/pailfs");
  if (const char* xdg = std::getenv("XDG_RUNTIME_DIR"); xdg != nullptr && *xdg == '/')
    return std::filesystem::path(xdg) / "pailfs";
  PAIL_TRY(const auto root, default_cache_root());
  return root / "run";
}

Result<NewRecord> create_record(const std::filesystem::path& mount_point) {
  PAIL_TRY(const auto directory, records_directory());
  PAIL_CHECK(make_private_directory(directory));
  for (const auto& path : paths_in(directory, "")) remove_dead(path);
  for (;;) {
    std::string name = (directory / (beginning_of(mount_point) + "XXXXXX")).string();
    UniqueFd file(::mkostemp(name.data(), O_APPEND | O_CLOEXEC));
    if (!file.valid()) return errno_error(errno, name);
    struct stat status {};
    PAIL_TRY(const LockAttempt attempt, try_lock_file(file, name));
    // Another mount may have taken it for a dead one in between.
    const bool there = ::fstat(file.get(), &status) == 0 && status.st_nlink > 0;
    if (there && attempt == LockAttempt::taken) return NewRecord{name, std::move(file)};
  }
}

std::vector<fuse::MountRecord> records_of(const std::filesystem::path& mount_point) {
  std::vector<fuse::MountRecord> records;
  const auto directory = records_directory();
  if (!directory) return records;
  for (const auto& path : paths_in(*directory, beginning_of(mount_point))) {
    auto record = fuse::MountRecord::open(path);
    if (record && record->held()) records.push_back(*std::move(record));
  }
  return records;
}

}  // namespace pail::cli
