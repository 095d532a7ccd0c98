// How operations look as HTTP: addresses, query strings, and what header fields say of an object.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pailfs/cos/client.h"
#include "pailfs/cos/types.h"
#include "pailfs/http/message.h"
#include "pailfs/http/url.h"

namespace pail::cos {

// Parameters of a query, unencoded. An empty value is written as the bare name, as in "?uploads".
using Query = std::vector<std::pair<std::string_view, std::string>>;

// Where one store's buckets and keys are.
class Addresses {
 public:
  Addresses(http::Url store, Addressing addressing) : store_(std::move(store)), addressing_(addressing) {}

  std::string service(const Query& query) const;
  std::string bucket(std::string_view bucket, const Query& query) const;
  std::string object(std::string_view bucket, std::string_view key, const Query& query) const;
  // The service without a bucket, the bucket without a key.
  std::string of(std::string_view bucket, std::string_view key, const Query& query) const;
  std::string origin() const { return store_.origin(); }

 private:
  std::string base(std::string_view bucket) const;

  http::Url store_;
  Addressing addressing_;
};

// Errors: EINVAL no name that could stand in a path or host.
Result<Unit> check_bucket(std::string_view bucket);
// Errors: EINVAL empty; ENAMETOOLONG above kMaxKeyBytes.
Result<Unit> check_key(std::string_view key);
// Both.
Result<Unit> check_object(std::string_view bucket, std::string_view key);

// "bucket/key" for messages.
std::string target_text(std::string_view bucket, std::string_view key);

// Bytes as "bytes=0-9". `range` is not empty.
std::string range_text(Extent range);

// What "bytes 0-9/100" says.
struct ContentRange {
  static constexpr ByteCount kUnknown{~0ULL};
  Extent extent;  // empty in "bytes */100", as an answer 416 has it
  ByteCount total = kUnknown;
  bool knows_total() const { return total != kUnknown; }
};
std::optional<ContentRange> parse_content_range(std::string_view text);

// The decimal number of a header such as Content-Length; none when absent or malformed.
std::optional<ByteCount> byte_count_header(const http::Headers& headers, std::string_view name);

// When the server answered, by its own clock; epoch: it does not say.
WallTime answer_date(const http::Headers& headers);

// `size` is left to the caller: Content-Length is that of the answer, not always that of the object.
ObjectInfo object_info(const http::Headers& headers);

// Adds what the object keeps. Errors: EINVAL a name or value that cannot be a header field.
Result<Unit> add_object_headers(const ObjectHeaders& from, http::Headers& to);
void add_preconditions(const Preconditions& conditions, http::Headers& to);

// Value of x-amz-copy-source.
std::string copy_source(std::string_view bucket, std::string_view key);

// The 32 digits of an ETag that may be an MD5 of the content; none for multipart and other ETags.
std::optional<std::string> md5_of_etag(const ETag& etag);
// Metadata that was asked for and is there; other fields may be there too.
bool holds_metadata(const ObjectHeaders& found, const ObjectHeaders& wanted);
// Two ETags name the same version, also where one lacks the quotes.
bool same_version(const ETag& a, const ETag& b);
// The ETag of a multipart upload of these parts: MD5 of the parts' MD5s. None when a part's ETag is no MD5.
std::optional<ETag> multipart_etag(const std::vector<CompletedPart>& parts);

}  // namespace pail::cos
