// One HTTP request and its answer, free of any HTTP library's types.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/data_files.h"

namespace pail::emulator {

using Fields = std::vector<std::pair<std::string, std::string>>;  // in order, names may repeat

struct Request {
  std::string method;
  std::string raw_path;  // as on the request line, still percent-encoded
  std::string path;      // decoded
  Fields query;          // decoded, in the order sent
  Fields headers;        // names in lower case
  std::string bucket;    // from the host name or the first path segment; empty for the service itself
  std::string key;       // empty for a bucket's own requests
  std::optional<std::uint64_t> content_length;
  bool chunked = false;  // Transfer-Encoding: chunked
  bool from_loopback = false;

  // All values of a header joined by commas; none when absent. `name` in lower case.
  std::optional<std::string> header(std::string_view name) const;
  std::string header_or(std::string_view name, std::string_view fallback) const;
  std::optional<std::string> parameter(std::string_view name) const;
  bool has_parameter(std::string_view name) const { return parameter(name).has_value(); }
};

// Bytes of one stored object, [first, first + length) of it, kept readable while this lives.
struct Payload {
  struct Piece {
    std::uint64_t file, offset, length;
  };
  std::vector<Piece> pieces;
  std::shared_ptr<DataFiles::Pin> pin;
};

struct Response {
  int status = 200;
  Fields headers;
  std::string body;
  std::optional<Payload> payload;               // sent after `body`
  std::optional<std::uint64_t> content_length;  // for answers to HEAD: the length of the body that is not sent

  std::uint64_t body_length() const;
  void set(std::string name, std::string value) { headers.emplace_back(std::move(name), std::move(value)); }
};

// Splits a request target into path and query, and finds bucket and key. `domains` are host names below which
// a first label names a bucket. False when the target cannot be decoded.
bool set_target(Request& request, std::string_view target, std::string_view host,
                const std::vector<std::string>& domains);

// 3-63 of a-z 0-9 . -, both ends alphanumeric, no run of dots or dashes, no IPv4 look-alike.
bool valid_bucket_name(std::string_view name);

std::string lower_case(std::string_view text);
// Whole text as an unsigned decimal number.
std::optional<std::uint64_t> parse_number(std::string_view text);

}  // namespace pail::emulator
