#include "simulation/stays.h"

#include <algorithm>

namespace pail::simulation {
namespace {

// Beside it may lie a log and times of the same inode number.
bool has_bytes_of_a_file(const std::filesystem::path& staged) {
  return !staged.has_extension() || staged.extension() == ".whole";
}

}  // namespace

std::optional<std::string> not_as_told(const std::filesystem::path& state_directory,
                                       const std::vector<std::string>& told) {
  for (const std::string& place : told)
    if (!std::filesystem::exists(place)) return place + " is told of, and nothing is there";
  for (const auto& left : std::filesystem::directory_iterator(state_directory / "staging"))
    if (has_bytes_of_a_file(left.path()) && std::ranges::count(told, left.path().string()) == 0)
      return left.path().string() + " is not stored, and nobody is told";
  return std::nullopt;
}

}  // namespace pail::simulation
