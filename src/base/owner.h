// Whose a file is, in words, and what helps where its owner or its mode is wrong.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail {

// "nobody (user 65534)"
std::string describe_user(uid_t user);

// "run chmod 600 FILE"; where the file is another user's, which that would not help, who has to do what. A file of root
// is there for others, too, and stays as it is: `own`, such as "name a file of your own", says what helps instead.
// `file` is shown as it is given.
std::string advice_on_file(std::string_view file, uid_t owner, unsigned mode, std::string_view own);

// Of a directory with this status. Errors: EACCES it belongs to another user, or others may write to it; the message
// names what helps.
Result<Unit> check_own_directory(const std::filesystem::path& directory, const struct stat& status);

}  // namespace pail
