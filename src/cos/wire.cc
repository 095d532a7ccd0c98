#include "cos/wire.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"
#include "cos/errors.h"
#include "pailfs/http/retry.h"

namespace pail::cos {
namespace {

constexpr std::string_view kMetadataPrefix = "x-amz-meta-";
constexpr std::size_t kMaxBucketBytes = 255;  // the protocol says 63; other stores are more generous

constexpr auto kStandardHeaders = std::to_array<std::string_view>(
    {"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"});

std::string encode_query(const Query& query) {
  std::string text;
  for (const auto& [name, value] : query) {
    text += text.empty() ? '?' : '&';
    text += percent_encode(name);
    if (!value.empty()) text += '=' + percent_encode(value);
  }
  return text;
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

std::string_view without_quotes(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') return text.substr(1, text.size() - 2);
  return text;
}

bool is_token(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [&](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kOthers.find(c) != kOthers.npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::ranges::none_of(text, [](unsigned char c) { return (c < 0x20 && c != '\t') || c == 0x7F; });
}

std::string header_or_empty(const http::Headers& headers, std::string_view name) {
  return std::string(headers.find(name).value_or(""));
}

}  // namespace

std::string Addresses::base(std::string_view bucket) const {
  // A wildcard certificate covers one label: names with dots are reached by path where TLS would fail otherwise.
  const bool dotted_tls = store_.scheme == "https" && bucket.find('.') != bucket.npos;
  if (addressing_ == Addressing::path || dotted_tls) return store_.origin() + '/' + percent_encode(bucket);
  http::Url host = store_;
  host.host = std::string(bucket) + '.' + store_.host;
  return host.origin();
}

std::string Addresses::service(const Query& query) const {
  return store_.origin() + '/' + encode_query(query);
}

std::string Addresses::bucket(std::string_view bucket, const Query& query) const {
  std::string url = base(bucket);
  if (url.find('/', store_.scheme.size() + 3) == url.npos) url += '/';
  return url + encode_query(query);
}

std::string Addresses::object(std::string_view bucket, std::string_view key, const Query& query) const {
  return base(bucket) + '/' + percent_encode(key, "/") + encode_query(query);
}

std::string Addresses::of(std::string_view bucket_name, std::string_view key, const Query& query) const {
  if (bucket_name.empty()) return service(query);
  return key.empty() ? bucket(bucket_name, query) : object(bucket_name, key, query);
}

Result<Unit> check_bucket(std::string_view bucket) {
  const bool characters = std::ranges::all_of(bucket, [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           c == '_';
  });
  if (bucket.empty() || bucket.size() > kMaxBucketBytes || !characters || bucket.front() == '.')
    return Error{EINVAL, fmt::format("{} is no bucket name", quote(bucket))};
  return Unit{};
}

Result<Unit> check_key(std::string_view key) {
  if (key.empty()) return Error{EINVAL, "a key must not be empty"};
  if (key.size() > kMaxKeyBytes)
    return Error{ENAMETOOLONG, fmt::format("key of {} bytes: {} are allowed", key.size(), kMaxKeyBytes)};
  return Unit{};
}

Result<Unit> check_object(std::string_view bucket, std::string_view key) {
  PAIL_CHECK(check_bucket(bucket));
  return check_key(key);
}

std::string target_text(std::string_view bucket, std::string_view key) {
  if (key.empty()) return readable(bucket);
  return readable(fmt::format("{}/{}", bucket, key));
}

std::string range_text(Extent range) {
  return fmt::format("bytes={}-{}", range.begin.n, range.end.n - 1);
}

std::optional<ContentRange> parse_content_range(std::string_view text) {
  constexpr std::string_view kUnit = "bytes ";
  const auto slash = text.find('/');
  if (!text.starts_with(kUnit) || slash == text.npos) return std::nullopt;
  const std::string_view range = text.substr(kUnit.size(), slash - kUnit.size());
  const std::string_view total_text = text.substr(slash + 1);
  ContentRange out;
  if (total_text != "*") {
    const auto total = parse_number(total_text);
    if (!total) return std::nullopt;
    out.total = ByteCount{*total};
  }
  if (range == "*") return out;
  const auto dash = range.find('-');
  if (dash == range.npos) return std::nullopt;
  const auto first = parse_number(range.substr(0, dash));
  const auto last = parse_number(range.substr(dash + 1));
  if (!first || !last || *last < *first || *last >= out.total.n) return std::nullopt;
  out.extent = {ByteOffset{*first}, ByteOffset{*last + 1}};
  return out;
}

std::optional<ByteCount> byte_count_header(const http::Headers& headers, std::string_view name) {
  const auto text = headers.find(name);
  const auto number = text ? parse_number(*text) : std::nullopt;
  return number ? std::optional(ByteCount{*number}) : std::nullopt;
}

WallTime answer_date(const http::Headers& headers) {
  const auto date = headers.find("Date");
  return date ? http::parse_http_date(*date).value_or(WallTime{}) : WallTime{};
}

ObjectInfo object_info(const http::Headers& headers) {
  ObjectInfo info;
  info.etag.text = header_or_empty(headers, "ETag");
  if (const auto date = headers.find("Last-Modified"))
    info.last_modified = http::parse_http_date(*date).value_or(WallTime{});
  info.storage_class = without_quotes(header_or_empty(headers, "x-amz-storage-class"));
  info.restore = header_or_empty(headers, "x-amz-restore");
  info.version_id = header_or_empty(headers, "x-amz-version-id");
  for (const auto& name : kStandardHeaders)
    if (const auto value = headers.find(name))
      info.headers.standard.push_back({std::string(name), std::string(*value)});
  for (const http::Header& field : headers) {
    const std::string name = lower(field.name);
    if (name.starts_with(kMetadataPrefix) && name.size() > kMetadataPrefix.size())
      info.headers.metadata.push_back({name.substr(kMetadataPrefix.size()), field.value});
  }
  return info;
}

Result<Unit> add_object_headers(const ObjectHeaders& from, http::Headers& to) {
  for (const http::Header& field : from.standard) {
    if (!is_token(field.name) || !is_field_value(field.value))
      return Error{EINVAL, fmt::format("{} cannot be a header field", quote(field.name))};
    to.add(field.name, field.value);
  }
  for (const http::Header& field : from.metadata) {
    if (!is_token(field.name) || !is_field_value(field.value))
      return Error{EINVAL, fmt::format("{} cannot be a metadata field", quote(field.name))};
    // A store joins repeated fields with a comma: what was two values would come back as one.
    const std::string name = std::string(kMetadataPrefix) + lower(field.name);
    if (to.contains(name)) return Error{EINVAL, fmt::format("metadata field {} is given twice", quote(field.name))};
    to.add(name, field.value);
  }
  return Unit{};
}

void add_preconditions(const Preconditions& conditions, http::Headers& to) {
  if (!conditions.if_match.empty()) to.set("If-Match", conditions.if_match.text);
  if (conditions.if_absent)
    to.set("If-None-Match", "*");
  else if (!conditions.if_none_match.empty())
    to.set("If-None-Match", conditions.if_none_match.text);
}

std::string copy_source(std::string_view bucket, std::string_view key) {
  return fmt::format("/{}/{}", percent_encode(bucket), percent_encode(key, "/"));
}

std::optional<std::string> md5_of_etag(const ETag& etag) {
  const std::string digits = lower(without_quotes(etag.text));
  if (digits.size() != 32 || !from_hex(digits)) return std::nullopt;
  return digits;
}

bool holds_metadata(const ObjectHeaders& found, const ObjectHeaders& wanted) {
  return std::ranges::all_of(wanted.metadata, [&](const http::Header& field) {
    return std::ranges::any_of(found.metadata, [&](const http::Header& stored) {
      return http::same_name(stored.name, field.name) && stored.value == field.value;
    });
  });
}

bool same_version(const ETag& a, const ETag& b) {
  return without_quotes(a.text) == without_quotes(b.text);
}

std::optional<ETag> multipart_etag(const std::vector<CompletedPart>& parts) {
  Digest digest(DigestKind::md5);
  for (const CompletedPart& part : parts) {
    const auto digits = md5_of_etag(part.etag);
    if (!digits) return std::nullopt;
    digest.update(bytes_of(*from_hex(*digits)));
  }
  const std::string md5 = digest.result();
  return ETag{fmt::format("\"{}-{}\"", to_hex(bytes_of(md5)), parts.size())};
}

}  // namespace pail::cos
