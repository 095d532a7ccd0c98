#include "cli/source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cerrno>

#include "base/log.h"

namespace pail::cli {
namespace {

constexpr std::string_view kScheme = "s3://";
constexpr std::string_view kOfS3fs = "s3fs#";  // in front of the bucket, in lines of fstab for s3fs
constexpr std::size_t kMaxKey = 1024;          // bytes: no key is longer, so no prefix is

bool is_bucket_name(std::string_view name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '.' || c == '_'; };
  return name.size() >= 3 && name.size() <= 255 && std::ranges::all_of(name, allowed) &&
         std::isalnum(static_cast<unsigned char>(name.front())) != 0;
}

}  // namespace

Result<Source> parse_source(std::string_view text) {
  const bool is_url = text.starts_with(kScheme);
  const std::string_view rest = is_url ? text.substr(kScheme.size()) : text;
  const std::size_t end = rest.find(is_url ? '/' : ':');
  const std::string_view bucket = rest.substr(0, end);
  const bool other_scheme = !is_url && rest.substr(std::min(end, rest.size())).starts_with("://");
  if ((other_scheme ? text : bucket).find('@') != std::string_view::npos)
    return Error{EINVAL,
                 "a bucket with a user name or password before it is not taken (it is not shown here); name a "
                 "file with the keys: -o credentials=FILE or passwd_file=FILE"};
  if (bucket.starts_with(kOfS3fs))
    return Error{EINVAL,
                 fmt::format("the source is written as s3fs has it; write {} without {}, and fuse.pailfs as the "
                             "type",
                             quote(bucket.substr(kOfS3fs.size())), kOfS3fs)};
  if (!is_bucket_name(bucket) || other_scheme)
    return Error{EINVAL, fmt::format("{} is not the name of a bucket; expected BUCKET, BUCKET:/PREFIX or "
                                     "s3://BUCKET/PREFIX",
                                     quote(text))};
  std::string_view prefix = end == std::string_view::npos ? "" : rest.substr(end + 1);
  while (prefix.starts_with('/')) prefix.remove_prefix(1);
  Source source{std::string(bucket), std::string(prefix)};
  if (!source.prefix.empty() && !source.prefix.ends_with('/')) source.prefix += '/';
  if (source.prefix.size() > kMaxKey)
    return Error{EINVAL, fmt::format("the prefix has {} bytes; keys have at most {}", source.prefix.size(), kMaxKey)};
  return source;
}

std::string render_source(const Source& source) {
  return source.prefix.empty() ? source.bucket : fmt::format("{}:/{}", source.bucket, source.prefix);
}

}  // namespace pail::cli
