#include "cos/redirect.h"

#include <algorithm>
#include <cctype>
#include <vector>

#include "base/encoding.h"
#include "pailfs/http/url.h"

namespace pail::cos {
namespace {

std::vector<std::string_view> labels_of(std::string_view host) {
  std::vector<std::string_view> labels;
  for (std::size_t dot = 0; dot != host.npos; host.remove_prefix(dot == host.npos ? 0 : dot + 1)) {
    dot = host.find('.');
    labels.push_back(host.substr(0, dot));
  }
  return labels;
}

// "eu-west-1", "us-gov-east-1".
bool is_amazon_region(std::string_view label) {
  const bool characters = std::ranges::all_of(
      label, [](unsigned char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
  return characters && std::ranges::count(label, '-') >= 2 &&
         !std::isdigit(static_cast<unsigned char>(label.front())) &&
         std::isdigit(static_cast<unsigned char>(label.back()));
}

// Other services of Amazon's have hosts below the same domain that anybody can rent: only the names
// of S3 itself count, such as s3.eu-west-1.amazonaws.com, s3-eu-west-1.amazonaws.com and
// s3.dualstack.eu-west-1.amazonaws.com.
bool is_amazon_s3(std::string_view host) {
  constexpr std::string_view kDomain = ".amazonaws.com";
  if (!host.ends_with(kDomain)) return false;
  host.remove_suffix(kDomain.size());
  std::vector<std::string_view> labels = labels_of(host);
  if (labels.back() == "s3") return true;
  if (labels.back().starts_with("s3-")) return is_amazon_region(labels.back().substr(3));
  if (!is_amazon_region(labels.back())) return false;
  labels.pop_back();
  if (!labels.empty() && labels.back() == "dualstack") labels.pop_back();
  return !labels.empty() && labels.back() == "s3";
}

bool is_ibm_cos(std::string_view host) {
  return host.ends_with(".cloud-object-storage.appdomain.cloud");
}

bool below(std::string_view host, std::string_view domain) {
  return host.size() > domain.size() && host.ends_with(domain) && host[host.size() - domain.size() - 1] == '.';
}

bool belongs_to_store(const http::Url& target, const http::Url& asked, const http::Url& endpoint) {
  const bool known = target.host == asked.host || target.host == endpoint.host || below(target.host, endpoint.host) ||
                     (is_amazon_s3(target.host) && is_amazon_s3(endpoint.host)) ||
                     (is_ibm_cos(target.host) && is_ibm_cos(endpoint.host));
  const bool safe = target.scheme == "https" || target.scheme == asked.scheme;
  const bool same_port = target.port == asked.port || (target.default_port() && asked.default_port());
  return known && safe && same_port;
}

// "/bucket/key" as "bucket" and "/key"; the rest of a bucket's own path is "/".
struct SplitPath {
  std::string_view bucket, rest;
};
SplitPath split(std::string_view path) {
  const auto slash = path.find('/', 1);
  if (slash == path.npos) return {path.substr(1), "/"};
  return {path.substr(1, slash - 1), path.substr(slash)};
}

bool is_host_of(std::string_view bucket, std::string_view host) {
  return !bucket.empty() && host.starts_with(bucket) && host.substr(bucket.size()).starts_with('.');
}

// Our own path as it is written at the target; none when the target names something else.
std::optional<std::string> path_at(const http::Url& target, const http::Url& asked) {
  const auto there = percent_decode(target.path), here = percent_decode(asked.path);
  if (!there || !here) return std::nullopt;
  const bool in_host_there = is_host_of(split(*here).bucket, target.host);
  if (in_host_there && *there == split(*here).rest) return std::string(split(asked.path).rest);
  if (*there == *here) return in_host_there && target.host != asked.host ? std::nullopt : std::optional(asked.path);
  if (is_host_of(split(*there).bucket, asked.host) && *here == split(*there).rest)
    return '/' + std::string(split(target.path).bucket) + asked.path;
  return std::nullopt;
}

}  // namespace

std::optional<std::string> redirect_target(std::string_view asked_url, std::string_view location,
                                           std::string_view endpoint_url) {
  const auto asked = http::parse_url(asked_url), target = http::parse_url(location),
             endpoint = http::parse_url(endpoint_url);
  if (!asked || !target || !endpoint || !belongs_to_store(*target, *asked, *endpoint)) return std::nullopt;
  const auto path = path_at(*target, *asked);
  if (!path) return std::nullopt;
  std::string url = target->origin() + *path;
  if (!asked->query.empty()) url += '?' + asked->query;
  return url == asked_url ? std::nullopt : std::optional(std::move(url));
}

}  // namespace pail::cos
