// What an ended mount left on its disk, beside what it told its user.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pail::simulation {

// `told`: where it said that the bytes of files lie that are not stored. Returns, for people, a staged file that was
// not told of, or a place where nothing is; none: neither. Throws std::filesystem::filesystem_error where it cannot
// look.
std::optional<std::string> not_as_told(const std::filesystem::path& state_directory,
                                       const std::vector<std::string>& told);

}  // namespace pail::simulation
