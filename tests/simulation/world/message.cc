#include "simulation/world/message.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "pailfs/http/url.h"

namespace pail::simulation {
namespace {

constexpr auto kNames = std::to_array<std::string_view>(
    {"unknown", "head_bucket", "locate_bucket", "list", "head", "get", "put", "copy", "remove", "remove_many",
     "create_upload", "upload_part", "copy_part", "complete_upload", "abort_upload"});

constexpr auto kParameters = std::to_array<std::string_view>(
    {"list-type", "prefix", "delimiter", "max-keys", "encoding-type", "continuation-token", "start-after", "marker",
     "location", "delete", "uploads", "uploadId", "partNumber"});

std::map<std::string, std::string> query_of(std::string_view text) {
  std::map<std::string, std::string> query;
  while (!text.empty()) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(text.size(), pair.size() + 1));
    const auto equals = std::min(pair.find('='), pair.size());
    const auto name = percent_decode(pair.substr(0, equals));
    const auto value = percent_decode(pair.substr(std::min(pair.size(), equals + 1)));
    query[name.value_or("(malformed)")] = value.value_or("(malformed)");
  }
  return query;
}

Operation on_bucket(const std::string& method, const Asked& asked) {
  if (method == "HEAD" && asked.query.empty()) return Operation::head_bucket;
  if (method == "POST" && asked.query.contains("delete")) return Operation::remove_many;
  if (method != "GET" || asked.query.contains("uploads")) return Operation::unknown;
  return asked.query.contains("location") ? Operation::locate_bucket : Operation::list;
}

Operation on_upload(const HttpRequest& request, const Asked& asked) {
  const bool part = asked.query.contains("partNumber");
  if (request.method == "PUT" && part)
    return request.headers.contains("x-amz-copy-source") ? Operation::copy_part : Operation::upload_part;
  if (request.method == "POST" && !part) return Operation::complete_upload;
  if (request.method == "DELETE" && !part) return Operation::abort_upload;
  return Operation::unknown;
}

Operation on_object(const HttpRequest& request, const Asked& asked) {
  if (asked.query.contains("uploadId")) return on_upload(request, asked);
  if (request.method == "POST" && asked.query.contains("uploads")) return Operation::create_upload;
  if (!asked.query.empty()) return Operation::unknown;
  if (request.method == "HEAD") return Operation::head;
  if (request.method == "GET") return Operation::get;
  if (request.method == "DELETE") return Operation::remove;
  if (request.method != "PUT") return Operation::unknown;
  return request.headers.contains("x-amz-copy-source") ? Operation::copy : Operation::put;
}

Operation operation_of(const HttpRequest& request, const Asked& asked) {
  const bool known = std::ranges::all_of(
      asked.query, [](const auto& parameter) { return std::ranges::count(kParameters, parameter.first) > 0; });
  if (!known || asked.bucket.empty()) return Operation::unknown;
  return asked.key.empty() ? on_bucket(request.method, asked) : on_object(request, asked);
}

bool in_host(std::string_view host) {
  return host.starts_with(kBucket) && host.substr(kBucket.size()).starts_with('.');
}

std::tm calendar(WallTime time) {
  return fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

}  // namespace

std::string_view name_of(Operation operation) {
  return kNames[static_cast<std::size_t>(operation)];
}

bool writes(Operation operation) {
  return operation >= Operation::put;
}

std::string Asked::parameter(const std::string& name) const {
  const auto found = query.find(name);
  return found == query.end() ? "" : found->second;
}

Asked understand(const HttpRequest& request) {
  Asked asked;
  const auto url = http::parse_url(request.url);
  if (!url) return asked;
  asked.host = url->host_header();
  asked.query = query_of(url->query);
  const std::string path = (in_host(asked.host) ? '/' + std::string(kBucket) : "") + url->path;
  const auto slash = std::min(path.find('/', 1), path.size());
  const auto bucket = percent_decode(std::string_view(path).substr(1, slash - 1));
  const auto key = percent_decode(std::string_view(path).substr(std::min(path.size(), slash + 1)));
  if (!bucket || !key) return asked;
  asked.bucket = *bucket;
  asked.key = *key;
  asked.operation = operation_of(request, asked);
  return asked;
}

std::optional<CopySource> copy_source_of(const HttpRequest& request) {
  std::string source = field(request.headers, "x-amz-copy-source");
  if (source.starts_with('/')) source.erase(0, 1);
  const auto slash = std::min(source.find('/'), source.size());
  auto bucket = percent_decode(std::string_view(source).substr(0, slash));
  auto key = percent_decode(std::string_view(source).substr(std::min(source.size(), slash + 1)));
  if (!bucket || !key || bucket->empty() || key->empty()) return std::nullopt;
  return CopySource{*std::move(bucket), *std::move(key)};
}

std::vector<std::string> keys_changed_by(const HttpRequest& request) {
  const Asked asked = understand(request);
  if (!writes(asked.operation)) return {};
  if (asked.operation != Operation::remove_many) return {asked.key};
  tinyxml2::XMLDocument document;
  std::vector<std::string> keys;
  if (document.Parse(request.body.data(), request.body.size()) != tinyxml2::XML_SUCCESS) return keys;
  const auto* object = document.RootElement()->FirstChildElement("Object");
  for (; object != nullptr; object = object->NextSiblingElement("Object"))
    if (const auto* key = object->FirstChildElement("Key"); key != nullptr && key->GetText() != nullptr)
      keys.emplace_back(key->GetText());
  return keys;
}

std::vector<std::string> places_of(const HttpRequest& request) {
  const Asked asked = understand(request);
  if (asked.operation == Operation::list) {
    const std::string prefix = asked.parameter("prefix");
    const bool is_directory = prefix.empty() || prefix.ends_with('/');
    return is_directory ? std::vector{prefix} : std::vector<std::string>();
  }
  std::vector<std::string> places = keys_changed_by(request);
  if (places.empty()) places.push_back(asked.key);
  if (auto source = copy_source_of(request)) places.push_back(std::move(source->key));
  return places;
}

bool has_condition(const HttpRequest& request) {
  const auto names = std::to_array<std::string_view>({"If-Match", "If-None-Match", "x-amz-copy-source-if-match"});
  return std::ranges::any_of(names, [&](std::string_view name) { return request.headers.contains(name); });
}

std::string field(const http::Headers& headers, std::string_view name) {
  return std::string(headers.find(name).value_or(""));
}

std::string http_time(WallTime time) {
  return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", calendar(time));
}

std::string xml_time(WallTime time) {
  const auto fraction = time - std::chrono::floor<std::chrono::seconds>(time);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(fraction).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", calendar(time), milliseconds);
}

std::string request_id(std::uint64_t number) {
  return fmt::format("{:016X}", number);
}

}  // namespace pail::simulation
