// Seals: four bytes behind every value of the index that tell whether key and value are as they were written.
//
// LMDB checks none of its pages. A flipped bit in a size, a time or a name would otherwise be shown as it is.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pail::local {

std::string sealed(std::string_view key, std::string_view value);

// The value without its seal, borrowed from `bytes`; none when the seal is not that of this key and value.
std::optional<std::string_view> unsealed(std::string_view key, std::string_view bytes);

}  // namespace pail::local
