// Which files the process that asks has open, as /proc shows it.
#pragma once

#include <sys/types.h>

#include "vfs/types.h"

namespace pail::fuse {

// Whether the process or thread has a descriptor of an inode of this number. False where that cannot be told: another
// user's process, another pid namespace (0), more descriptors than are worth a look. An inode of the same number on
// another mount of pailfs counts, too.
bool has_descriptor_of(pid_t pid, vfs::InodeNumber number);

}  // namespace pail::fuse
