// Directories that no other user of the machine can exchange for another one.
#pragma once

#include <filesystem>

#include "pailfs/base/result.h"

namespace pail {

// Creates the directory and its parents with mode 0700 where missing. It belongs to this user and is
// closed to all other writers. Whatever the path leads through belongs to root or to this user, and
// other users may not write to it or it is sticky, as /tmp is; links of other users are not followed.
// Returns the path free of links, which therefore stays the same directory.
// Errors: EACCES, naming the directory, who may change it and what helps; as mkdir(2).
Result<std::filesystem::path> make_trusted_directory(const std::filesystem::path& path);

// The same for a directory that is there; nothing is made. Errors: also ENOENT.
Result<std::filesystem::path> find_trusted_directory(const std::filesystem::path& path);

// Whether make_trusted_directory() would succeed, as far as that can be told without making anything. Errors: as there,
// EROFS among them.
Result<Unit> check_trusted_directory(const std::filesystem::path& path);

}  // namespace pail
