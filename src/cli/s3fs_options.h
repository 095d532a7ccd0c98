// Options of s3fs that pailfs does not have: what is said to whoever brings them along.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace pail::cli {

struct S3fsOption {
  std::string_view name;
  std::string_view here;  // the option of pailfs for it, or why none is needed
};

// Neighbours that have the same `here` belong together.
std::span<const S3fsOption> s3fs_options();

// What stands for an option of s3fs here; nothing when s3fs has none of this name.
std::optional<std::string_view> counterpart_of_s3fs(std::string_view name);

}  // namespace pail::cli
