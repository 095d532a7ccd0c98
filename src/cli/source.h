// What is mounted: a bucket, or the part of it below a prefix.
#pragma once

#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail::cli {

struct Source {
  std::string bucket;
  std::string prefix;  // "" or ends with '/'
  bool operator==(const Source&) const = default;
};

// Reads BUCKET, BUCKET:/PREFIX, BUCKET:PREFIX and s3://BUCKET/PREFIX. Errors: EINVAL, saying what is expected.
Result<Source> parse_source(std::string_view text);

// "bucket" or "bucket:/prefix", which parse_source() reads back.
std::string render_source(const Source& source);

}  // namespace pail::cli
