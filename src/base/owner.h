// Whose a file is, in words, and what helps where its owner or its mode is wrong.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "pailfs/base/result.h"

namespace pail {

// "nobody (user 65534)"
std::string describe_user(uid_t user);

// "run chmod 600 FILE"; where the file is another user's, which that would not help, who has to do what.
std::string advice_on_file(const std::filesystem::path& file, uid_t owner, unsigned mode);

// Of a directory with this status. Errors: EACCES it belongs to another user, or others may write to it; the message
// names what helps.
Result<Unit> check_own_directory(const std::filesystem::path& directory, const struct stat& status);

}  // namespace pail
