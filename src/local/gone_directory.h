// A directory of a mount that somebody removed while the mount runs.
#pragma once

#include <filesystem>
#include <optional>

#include "pailfs/base/result.h"

namespace pail::local {

// EIO, naming the directory and what helps. None: it is there, or it cannot be told.
std::optional<Error> gone_directory(const std::filesystem::path& directory);

}  // namespace pail::local
