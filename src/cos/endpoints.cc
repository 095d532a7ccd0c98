#include "pailfs/cos/endpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/log.h"
#include "base/nearest.h"

namespace pail::cos {
namespace {

constexpr std::string_view kDomain = "cloud-object-storage.appdomain.cloud";

constexpr auto kLocations = std::to_array<Location>({
    {"us", Resiliency::cross_region},   {"eu", Resiliency::cross_region},   {"ap", Resiliency::cross_region},
    {"us-south", Resiliency::regional}, {"us-east", Resiliency::regional},  {"eu-gb", Resiliency::regional},
    {"eu-de", Resiliency::regional},    {"eu-es", Resiliency::regional},    {"au-syd", Resiliency::regional},
    {"jp-tok", Resiliency::regional},   {"jp-osa", Resiliency::regional},   {"ca-tor", Resiliency::regional},
    {"ca-mon", Resiliency::regional},   {"br-sao", Resiliency::regional},   {"in-che", Resiliency::regional},
    {"in-mum", Resiliency::regional},   {"ams03", Resiliency::single_site}, {"che01", Resiliency::single_site},
    {"mon01", Resiliency::single_site}, {"par01", Resiliency::single_site}, {"sjc04", Resiliency::single_site},
    {"sng01", Resiliency::single_site},
});

// One city of a cross-region location: it serves the same buckets, without the failover between cities.
struct Tether {
  std::string_view city, location;
};
constexpr auto kTethers = std::to_array<Tether>({
    {"dal", "us"},
    {"wdc", "us"},
    {"sjc", "us"},
    {"ams", "eu"},
    {"fra", "eu"},
    {"tok", "ap"},
    {"syd", "ap"},
    {"osa", "ap"},
});

bool is_location(std::string_view code) {
  return std::ranges::find(kLocations, code, &Location::code) != kLocations.end();
}

bool is_tether(std::string_view city, std::string_view location) {
  return std::ranges::any_of(kTethers, [&](const Tether& t) { return t.city == city && t.location == location; });
}

std::string_view network_label(Network network) {
  switch (network) {
    case Network::private_network:
      return "private.";
    case Network::direct:
      return "direct.";
    case Network::public_network:
      break;
  }
  return "";
}

// Removes `prefix` where it stands.
void skip(std::string_view& text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
}

Error unknown_region(std::string_view region) {
  std::vector<std::string_view> codes;
  for (const Location& location : kLocations) codes.push_back(location.code);
  const std::string story = fmt::format("no region {} in the endpoint catalogue", quote(region));
  if (const auto near = nearest_name(region, codes))
    return Error{EINVAL, fmt::format("{}; did you mean {}?", story, *near)};
  return Error{EINVAL, fmt::format("{}: it has {}; another one is named by url=", story, fmt::join(codes, ", "))};
}

}  // namespace

std::span<const Location> locations() {
  return kLocations;
}

Result<std::string> endpoint_url(std::string_view region, Network network) {
  std::string_view location = region;
  if (const auto dot = region.find('.'); dot != region.npos && is_tether(region.substr(0, dot), region.substr(dot + 1)))
    location = region.substr(dot + 1);
  if (!is_location(location)) return unknown_region(region);
  return fmt::format("https://s3.{}{}.{}", network_label(network), region, kDomain);
}

std::optional<std::string> location_of(std::string_view provisioning_code) {
  // Locations hold dashes themselves, storage classes do not: the last dash divides.
  const auto dash = provisioning_code.rfind('-');
  if (dash != provisioning_code.npos && is_location(provisioning_code.substr(0, dash)))
    return std::string(provisioning_code.substr(0, dash));
  if (is_location(provisioning_code)) return std::string(provisioning_code);
  return std::nullopt;
}

std::optional<std::string> location_of_url(std::string_view url) {
  skip(url, "https://");
  skip(url, "http://");
  std::string_view host = url.substr(0, url.find_first_of(":/"));
  if (!host.ends_with(kDomain)) return std::nullopt;
  host.remove_suffix(kDomain.size());
  if (!host.starts_with("s3.") || !host.ends_with('.')) return std::nullopt;
  host.remove_prefix(3);
  if (host.empty()) return std::nullopt;
  host.remove_suffix(1);
  skip(host, "private.");
  skip(host, "direct.");
  if (const auto dot = host.find('.'); dot != host.npos && is_tether(host.substr(0, dot), host.substr(dot + 1)))
    host.remove_prefix(dot + 1);
  return is_location(host) ? std::optional(std::string(host)) : std::nullopt;
}

}  // namespace pail::cos
