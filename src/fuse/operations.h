// The file system's operations as FUSE asks for them: each decodes, calls the file system once and answers.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include "vfs/filesystem.h"

namespace pail::fuse {

// The table for fuse_session_new(). Its user data is the vfs::FileSystem, which must live longer than the session's
// loop, and must have answered every read before the session is destroyed.
fuse_lowlevel_ops operations();

}  // namespace pail::fuse
