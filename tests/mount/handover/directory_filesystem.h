// A file system for tests of the mount: it lies in a directory and keeps nothing in its process.
//
// `inodes/N` is the content of inode N; in a directory each name is a symbolic link to a number. `intents/U` says what
// the name of request U led to before, so that a request that comes again is carried out once.
//
// Magic names: looking up "poison" aborts the process. Reading a file named "slow" is answered only when its reader is
// interrupted. While there is a file "hold-sync" in the directory, sync_all() does not end; while there is "hold-open",
// opening the file system does not.
#pragma once

#include <filesystem>
#include <memory>

#include "vfs/filesystem.h"

namespace pail::fuse::test {

void wait_while_there_is(const std::filesystem::path& path);

Result<std::unique_ptr<vfs::FileSystem>> open_directory_filesystem(const std::filesystem::path& directory);

}  // namespace pail::fuse::test
