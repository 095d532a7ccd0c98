// The file system's operations as FUSE asks for them: each decodes, calls the file system once and answers.
#pragma once

#include <fuse3/fuse_lowlevel.h>

namespace pail::fuse {

// The table for fuse_session_new(). Its user data is a Served, which must live longer than the session's loop; its
// file system must have answered every read before the session is destroyed.
fuse_lowlevel_ops operations();

}  // namespace pail::fuse
