// The parts of an absolute URL as they stand: nothing is decoded, normalised or re-encoded.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail::http {

struct Url {
  std::string scheme;      // "http" or "https"
  std::string host;        // lower case; an IPv6 address keeps its brackets
  std::uint16_t port = 0;  // 80 or 443 where none was given
  std::string path;        // percent-encoded, begins with '/'
  std::string query;       // percent-encoded, without '?'; empty when absent

  bool default_port() const { return port == (scheme == "https" ? 443 : 80); }
  // What the Host header says: the port only where it is not the scheme's own.
  std::string host_header() const;
  // Scheme, host and port: "https://s3.example:9000".
  std::string origin() const;
};

// Errors: EINVAL not http or https, no host, user information, a bad port, a fragment, or control bytes.
// The message does not repeat the query: it may hold a signature.
Result<Url> parse_url(std::string_view text);

}  // namespace pail::http
