// Mounting and unmounting: by mount(2) with the right to, else through fusermount3.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>

#include "base/unique_fd.h"
#include "fuse/mount.h"
#include "fuse/mount_table.h"

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

// Unmounts it unless it is in use, in a child of its own: the kernel first writes back what programs changed through
// mmap(), which needs the worker. Returns the child's process id; its exit status is 0 when the mount is gone.
Result<pid_t> begin_unmount(const MountIdentity& mount);
// Takes it away also while it is in use; its users keep what they have open. Another mount that was made at its place
// is left alone. Done when it is gone already.
Result<Unit> detach(const MountIdentity& mount);

}  // namespace pail::fuse
