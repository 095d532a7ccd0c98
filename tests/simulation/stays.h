// What an ended mount left on its disk, beside what it told its user.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace pail::simulation {

// `told`: where it said that the bytes of files lie that are not stored. `not_removed`: the files that the disk failed
// to remove since the mount began, of which nobody need be told. Returns, for people, another staged file that was not
// told of, or a place where nothing is; none: neither. Throws std::filesystem::filesystem_error where it cannot look.
std::optional<std::string> not_as_told(const std::filesystem::path& state_directory,
                                       const std::vector<std::string>& told,
                                       const std::vector<std::filesystem::path>& not_removed);

}  // namespace pail::simulation
