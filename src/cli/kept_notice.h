// What people are told of files that could not be stored.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "pailfs/base/bytes.h"

namespace pail::cli {

// "3 files (1.5 MiB) that could not be stored ... are kept here; ...: pailfs recover list", without a line end.
// None when nothing is kept in the state directory and its siblings.
std::optional<std::string> kept_notice(const std::filesystem::path& state_directory);

// "17 bytes", "1.5 MiB"
std::string readable_size(ByteCount size);

}  // namespace pail::cli
