// The mounts that this process sees, from /proc/self/mountinfo. Reading it asks no file system anything, so it works
// beside mounts that are dead or hang.
#pragma once

#include <cstdint>
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

// What one mount is known by. Device numbers and the ids in mountinfo are given to the next mount once it is gone.
struct MountIdentity {
  std::filesystem::path path;
  std::string device;               // "major:minor"
  std::optional<std::uint64_t> id;  // never given to another mount; nothing before Linux 6.8
};

// Of the topmost mount at `path`, which there must be. Asks no file system anything.
// Errors: ENOENT no mount is there; as open(2) of /proc.
Result<MountIdentity> identify_mount(const std::filesystem::path& path);
// Whether this very mount is the topmost at its path. Without an id a later one with its device passes for it.
bool is_mounted(const MountIdentity& mount);
// The id of the mount that `descriptor`, or the path below it, is on. Nothing before Linux 6.8.
std::optional<std::uint64_t> unique_mount_id(int descriptor, const char* path);

// The path as the mount table names it. The last component is not looked at: it may be a dead mount.
// Errors: ENOENT a parent is missing, and the like.
Result<std::filesystem::path> resolve_mount_point(const std::filesystem::path& path);

bool is_fuse(const MountedAt& mount);
bool is_pailfs(const MountedAt& mount);

}  // namespace pail::fuse
