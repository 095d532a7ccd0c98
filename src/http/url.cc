#include "pailfs/http/url.h"

#include <cerrno>
#include <charconv>

#include "base/log.h"

namespace pail::http {
namespace {

Error bad_url(std::string_view text, std::string_view why) {
  return Error{EINVAL, fmt::format("URL {}: {}", quote(text.substr(0, text.find('?'))), why)};
}

bool has_control_or_space(std::string_view text) {
  for (const char c : text)
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) return true;
  return false;
}

void make_lower(std::string& text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
}

// Splits "host", "host:port", "[v6]" and "[v6]:port"; false when malformed. Port 0 means none was given.
bool split_authority(std::string_view authority, Url& url) {
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : 0;
  if (bracket == std::string_view::npos) return false;
  const std::size_t colon = authority.find(':', bracket);
  url.host = authority.substr(0, colon);
  if (url.host.empty() || (bracket != 0 && url.host.size() != bracket + 1)) return false;
  if (colon == std::string_view::npos) return true;
  const std::string_view digits = authority.substr(colon + 1);
  const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), url.port);
  return code == std::errc() && end == digits.data() + digits.size() && url.port != 0;
}

}  // namespace

std::string Url::host_header() const {
  return default_port() ? host : fmt::format("{}:{}", host, port);
}

std::string Url::origin() const {
  return fmt::format("{}://{}", scheme, host_header());
}

Result<Url> parse_url(std::string_view text) {
  if (has_control_or_space(text)) return bad_url(text, "holds a space or a control byte");
  const std::size_t mark = text.find("://");
  if (mark == std::string_view::npos) return bad_url(text, "must begin with http:// or https://");
  Url url;
  url.scheme = text.substr(0, mark);
  make_lower(url.scheme);
  if (url.scheme != "http" && url.scheme != "https") return bad_url(text, "must begin with http:// or https://");
  if (text.find('#') != std::string_view::npos) return bad_url(text, "holds a fragment (#)");

  const std::string_view rest = text.substr(mark + 3);
  const std::size_t authority_end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, authority_end);
  if (authority.find('@') != std::string_view::npos)
    return Error{EINVAL, "URL with a user name or password before the host: give credentials in a file instead"};
  if (!split_authority(authority, url)) return bad_url(text, "has no valid host and port");
  make_lower(url.host);
  if (url.port == 0) url.port = url.scheme == "https" ? 443 : 80;

  const std::string_view target = rest.substr(authority_end);
  const std::size_t question = std::min(target.find('?'), target.size());
  url.path = target.substr(0, question);
  if (url.path.empty()) url.path = "/";
  if (question < target.size()) url.query = target.substr(question + 1);
  return url;
}

}  // namespace pail::http
