#include "cli/mount_checks.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "base/file.h"
#include "base/path_walk.h"
#include "cli/kept_notice.h"
#include "vfs/filesystem.h"

namespace pail::cli {
namespace {

// Whether the way to `path`, as far as it is there, leads through the directory `through`.
bool leads_through(const std::filesystem::path& path, const struct stat& through) {
  bool found = false;
  PathWalk walk(PathWalk::Missing::stop, [&](const auto&, const struct stat& status) -> Result<Unit> {
    found = found || (S_ISDIR(status.st_mode) && status.st_dev == through.st_dev && status.st_ino == through.st_ino);
    return Unit{};
  });
  // Why it could not be followed to its end is told by whoever opens it.
  [[maybe_unused]] const auto reached = walk.follow(path);
  return found;
}

}  // namespace

Result<Unit> check_outside_mount(const std::filesystem::path& mount_point, const MountOptions& options,
                                 const Roots& roots, const std::filesystem::path& credentials) {
  struct stat place {};
  if (::stat(mount_point.c_str(), &place) != 0) return errno_error(errno, mount_point.string());
  const std::pair<std::string_view, const std::filesystem::path&> needed[] = {
      {"state_dir", roots.state},           {"cache_dir", roots.cache},       {"credentials", options.credentials},
      {"passwd_file", options.passwd_file}, {"ca_bundle", options.ca_bundle}, {"credentials", credentials},
  };
  for (const auto& [option, path] : needed) {
    if (path.empty() || !leads_through(path, place)) continue;
    return Error{EINVAL, fmt::format("{} lies below the mount point {}: the mount would wait for itself; "
                                     "choose a place outside it with -o {}=PATH",
                                     path.string(), mount_point.string(), option)};
  }
  return Unit{};
}

std::optional<std::string> full_disk_warning(const std::filesystem::path& state_root) {
  std::filesystem::path there = state_root;
  std::error_code failed;
  while (there.has_relative_path() && !std::filesystem::exists(there, failed)) there = there.parent_path();
  const auto disk = std::filesystem::space(there, failed);
  if (failed || disk.available >= vfs::kFreeFloor.n) return std::nullopt;
  return fmt::format(
      "{} are free on the disk of {}; writing fails with ENOSPC (no space left on device) where less than {} would "
      "stay free: make room there, or take another disk with -o state_dir=DIR",
      readable_size({disk.available}), state_root.string(), readable_size(vfs::kFreeFloor));
}

}  // namespace pail::cli
