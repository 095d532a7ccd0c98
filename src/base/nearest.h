// The name somebody probably meant.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>

namespace pail {

// Fewest letters to insert, remove, replace or swap with their neighbour that turn `a` into `b`. Case counts.
std::size_t edit_distance(std::string_view a, std::string_view b);

// The candidate closest to `misspelt`, the first of several; none when nothing is close enough to be a slip of the hand
// (a third of its length, at least one letter). Borrowed from `candidates`.
std::optional<std::string_view> nearest_name(std::string_view misspelt, std::span<const std::string_view> candidates);

}  // namespace pail
