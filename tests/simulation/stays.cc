#include "simulation/stays.h"

#include <algorithm>

namespace pail::simulation {
namespace {

// Beside it may lie a log and times of the same inode number.
bool has_bytes_of_a_file(const std::filesystem::path& staged) {
  return !staged.has_extension() || staged.extension() == ".whole";
}

// One file of an inode that cannot be removed leaves those that are removed after it.
bool is_of_the_inode_of(const std::filesystem::path& staged, const std::filesystem::path& other) {
  return other.parent_path().filename() == staged.parent_path().filename() && other.stem() == staged.stem();
}

}  // namespace

std::optional<std::string> not_as_told(const std::filesystem::path& state_directory,
                                       const std::vector<std::string>& told,
                                       const std::vector<std::filesystem::path>& not_removed) {
  for (const std::string& place : told)
    if (!std::filesystem::exists(place)) return place + " is told of, and nothing is there";
  for (const auto& left : std::filesystem::directory_iterator(state_directory / "staging")) {
    const auto is_of_it = [&left](const auto& other) { return is_of_the_inode_of(left.path(), other); };
    if (!has_bytes_of_a_file(left.path()) || std::ranges::any_of(not_removed, is_of_it)) continue;
    if (std::ranges::count(told, left.path().string()) == 0)
      return left.path().string() + " is not stored, and nobody is told";
  }
  return std::nullopt;
}

}  // namespace pail::simulation
