// Where IBM Cloud Object Storage is: its locations and the hosts that serve them, as data.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail::cos {

enum class Network { public_network, private_network, direct };
enum class Resiliency { cross_region, regional, single_site };

struct Location {
  std::string_view code;  // "us", "eu-de", "ams03"
  Resiliency resiliency;
};

// All locations of the service (cloud documentation, "Endpoints and storage locations").
std::span<const Location> locations();

// The URL that serves `region`. Errors: EINVAL, naming the nearest code, for a region that is not in the catalogue.
Result<std::string> endpoint_url(std::string_view region, Network network);

// The location of a provisioning code: "us-south-standard" gives "us-south". None when it names no known location.
std::optional<std::string> location_of(std::string_view provisioning_code);

// The location an endpoint URL serves, none for a host that is not in the catalogue.
std::optional<std::string> location_of_url(std::string_view url);

}  // namespace pail::cos
