#include "emulator/request.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"

namespace pail::emulator {
namespace {

// In a query '+' is a space, as HTML forms write it.
std::optional<std::string> decode_query(std::string_view text) {
  std::string spaced(text);
  std::replace(spaced.begin(), spaced.end(), '+', ' ');
  return percent_decode(spaced);
}

bool parse_query(std::string_view text, Fields& out) {
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    if (item.empty()) continue;
    const std::size_t equals = item.find('=');
    auto name = decode_query(item.substr(0, equals));
    auto value = decode_query(equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1));
    if (!name || !value) return false;
    out.emplace_back(std::move(*name), std::move(*value));
  }
  return true;
}

std::string bucket_of_host(std::string_view host, const std::vector<std::string>& domains) {
  const std::string name = lower_case(host.substr(0, host.rfind(':')));
  for (const std::string& domain : domains) {
    if (name.size() <= domain.size() + 1 || !name.ends_with(domain)) continue;
    const std::size_t dot = name.size() - domain.size() - 1;
    if (name[dot] == '.' && valid_bucket_name(std::string_view(name).substr(0, dot))) return name.substr(0, dot);
  }
  return {};
}

bool looks_like_ipv4(std::string_view name) {
  return std::count(name.begin(), name.end(), '.') == 3 &&
         std::all_of(name.begin(), name.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

}  // namespace

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::string> Request::header(std::string_view name) const {
  std::optional<std::string> joined;
  for (const auto& [field, value] : headers) {
    if (field != name) continue;
    if (joined) {
      *joined += ',' + value;
    } else {
      joined = value;
    }
  }
  return joined;
}

std::string Request::header_or(std::string_view name, std::string_view fallback) const {
  return header(name).value_or(std::string(fallback));
}

std::optional<std::string> Request::parameter(std::string_view name) const {
  for (const auto& [field, value] : query)
    if (field == name) return value;
  return std::nullopt;
}

std::uint64_t Response::body_length() const {
  if (content_length) return *content_length;
  std::uint64_t total = body.size();
  if (payload)
    for (const Payload::Piece& piece : payload->pieces) total += piece.length;
  return total;
}

bool set_target(Request& request, std::string_view target, std::string_view host,
                const std::vector<std::string>& domains) {
  // The absolute form (a proxy's) names scheme and host first.
  if (const std::size_t scheme = target.find("://"); scheme != std::string_view::npos && scheme < 8) {
    const std::size_t slash = target.find('/', scheme + 3);
    target = slash == std::string_view::npos ? std::string_view("/") : target.substr(slash);
  }
  const std::size_t question = target.find('?');
  request.raw_path = target.substr(0, question);
  auto path = percent_decode(request.raw_path);
  if (!path || path->empty() || path->front() != '/') return false;
  request.path = std::move(*path);
  if (question != std::string_view::npos && !parse_query(target.substr(question + 1), request.query)) return false;

  std::string_view rest = std::string_view(request.path).substr(1);
  request.bucket = bucket_of_host(host, domains);
  if (request.bucket.empty()) {
    request.bucket = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(request.bucket.size() + 1, rest.size()));
  }
  request.key = rest;
  return true;
}

bool valid_bucket_name(std::string_view name) {
  if (name.size() < 3 || name.size() > 63 || looks_like_ipv4(name)) return false;
  if (name.starts_with("cosv1-") || name.starts_with("account-")) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!alphanumeric(name.front()) || !alphanumeric(name.back())) return false;
  char previous = 'a';
  for (const char c : name) {
    if (!alphanumeric(c) && c != '.' && c != '-') return false;
    if (c == previous && (c == '.' || c == '-')) return false;
    previous = c;
  }
  return true;
}

}  // namespace pail::emulator
