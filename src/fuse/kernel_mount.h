// Mounting and unmounting: by mount(2) with the right to, else through fusermount3.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/unique_fd.h"
#include "fuse/mount.h"

namespace pail::fuse {

// Options for the kernel's part of mount(2), with an open /dev/fuse.
std::string kernel_options(int device, uid_t user, gid_t group, Audience audience);
// The -o argument of fusermount3. Commas and backslashes in the source are escaped.
std::string fusermount_options(const MountSpec& spec);

// Says why nothing can be mounted at `path`, which resolve_mount_point() gave, in words for the person who mounts.
// Errors: ENOENT, ENOTDIR, EACCES, EBUSY it is a pailfs mount already.
Result<Unit> check_mount_point(const std::filesystem::path& path);

// Mounts at `path` and returns the kernel's connection, opened with O_CLOEXEC.
// Errors: ENODEV no FUSE in this kernel or container; EPERM not allowed, with what would help.
Result<UniqueFd> mount_at(const std::filesystem::path& path, const MountSpec& spec);

enum class Unmount { orderly, detach };  // `detach`: also while it is in use; its users keep what they have open

// Runs in a child of its own, since the kernel first writes back what programs changed through mmap(), which needs the
// worker. Returns the child's process id; its exit status is 0 when the mount is gone.
Result<pid_t> begin_unmount(const std::filesystem::path& path, Unmount how);
// Waits for it. `path` must not need a worker: its worker is dead, or `how` is detach.
Result<Unit> unmount(const std::filesystem::path& path, Unmount how);

}  // namespace pail::fuse
