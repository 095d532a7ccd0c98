// From the file system's terms to FUSE's and back.
#pragma once

#include <fuse3/fuse_lowlevel.h>
#include <sys/statvfs.h>

#include "pailfs/base/result.h"
#include "vfs/types.h"

namespace pail::fuse {

struct stat to_stat(const vfs::Attributes& attributes);
fuse_entry_param to_entry(const vfs::Entry& entry);
struct statvfs to_statvfs(const vfs::Statistics& statistics);
mode_t to_mode(vfs::FileType type);  // the S_IFMT bits

// What FUSE_SETATTR asks for; `valid` is its FUSE_SET_ATTR_* bits, `now` what "now" means.
vfs::AttributeChange to_change(const struct stat& wanted, int valid, WallTime now);
// Errors: EINVAL flags of renameat2(2) that no bucket can fulfil, or both at once.
Result<vfs::RenameMode> to_rename_mode(unsigned flags);
// Errors: EINVAL.
Result<vfs::XattrMode> to_xattr_mode(int flags);

double to_seconds(std::chrono::nanoseconds span);

}  // namespace pail::fuse
