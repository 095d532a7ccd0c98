// The mounts that this process sees, from /proc/self/mountinfo. Reading it asks no file system anything, so it works
// beside mounts that are dead or hang.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail::fuse {

struct MountedAt {
  std::string device;  // "major:minor"
  std::string type;    // "fuse.pailfs"
  std::string source;
};

// The topmost mount at `path`, an absolute path without "." or symbolic links, in the text of mountinfo.
std::optional<MountedAt> find_mount(std::string_view mountinfo, std::string_view path);
// The same of this process now. Errors: as open(2) of /proc.
Result<std::optional<MountedAt>> mounted_at(const std::filesystem::path& path);

// The path as the mount table names it. The last component is not looked at: it may be a dead mount.
// Errors: ENOENT a parent is missing, and the like.
Result<std::filesystem::path> resolve_mount_point(const std::filesystem::path& path);

bool is_fuse(const MountedAt& mount);
bool is_pailfs(const MountedAt& mount);

}  // namespace pail::fuse
