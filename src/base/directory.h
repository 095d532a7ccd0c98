// What lies in a directory. The standard library's own loop over one throws where the disk fails in its middle.
#pragma once

#include <filesystem>
#include <vector>

#include "pailfs/base/result.h"

namespace pail {

// Its entries, in no order. Errors: what opening or reading it says, EIO among it; the message names it.
Result<std::vector<std::filesystem::path>> list_directory(const std::filesystem::path& directory);

// The same for who can do without what cannot be read: none, or those up to there.
std::vector<std::filesystem::path> list_readable(const std::filesystem::path& directory);

}  // namespace pail
