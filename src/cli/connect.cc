#include "cli/connect.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <utility>

#include "pailfs/cos/endpoints.h"
#include "pailfs/http/url.h"

namespace pail::cli {
namespace {

constexpr std::string_view kUnknownRegion = "us-east-1";  // what stores without regions expect in signatures

cos::Network network_of(std::string_view name) {
  if (name == "private") return cos::Network::private_network;
  return name == "direct" ? cos::Network::direct : cos::Network::public_network;
}

// The region that Amazon's host names carry: s3.eu-west-1.amazonaws.com.
std::string region_of_amazon_host(std::string_view host) {
  constexpr std::string_view kSuffix = ".amazonaws.com";
  if (!host.ends_with(kSuffix)) return "";
  host.remove_suffix(kSuffix.size());
  const std::size_t dot = host.rfind('.');
  return dot == std::string_view::npos ? "" : std::string(host.substr(dot + 1));
}

std::string region_of_url(const http::Url& url) {
  if (const auto location = cos::location_of_url(url.origin())) return *location;
  const std::string amazon = region_of_amazon_host(url.host);
  return amazon.empty() ? std::string(kUnknownRegion) : amazon;
}

cos::ClientOptions client_options(const MountOptions& options, std::string url, Patience patience,
                                  std::filesystem::path dialect_file) {
  cos::ClientOptions client;
  client.url = std::move(url);
  client.dialect_file = std::move(dialect_file);
  client.addressing = options.path_style ? cos::Addressing::path : cos::Addressing::virtual_host;
  client.list_version = options.list_version == "1" ? cos::ListVersion::v1 : cos::ListVersion::v2;
  client.deadline = std::chrono::duration_cast<std::chrono::milliseconds>(options.timeout);
  client.first_byte = std::min(client.first_byte, client.deadline);
  client.retries = options.retries;
  client.outages = patience == Patience::serving ? cos::Outages::logged : cos::Outages::in_errors;
  if (patience == Patience::probing) {
    client.deadline = std::chrono::seconds(6);
    client.first_byte = std::chrono::seconds(6);
  }
  return client;
}

}  // namespace

Result<Endpoint> choose_endpoint(const MountOptions& options) {
  if (options.url.empty()) {
    if (options.region.empty())
      return Error{EINVAL,
                   "where is the bucket? Say -o region=CODE for IBM Cloud Object Storage (such as us-south, "
                   "eu-de or us), or -o url=URL for another store"};
    auto url = cos::endpoint_url(options.region, network_of(options.network));
    if (!url) return Error{EINVAL, fmt::format("option region: {}", url.error().context)};
    return Endpoint{*std::move(url), options.region};
  }
  PAIL_TRY(const http::Url url, http::parse_url(options.url));
  return Endpoint{url.origin(), options.region.empty() ? region_of_url(url) : options.region};
}

std::filesystem::path home_directory() {
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') return home;
  const passwd* user = ::getpwuid(::geteuid());
  return user != nullptr && user->pw_dir != nullptr ? user->pw_dir : "";
}

auth::Sources credential_sources(const MountOptions& options, auth::Environment environment, std::string bucket) {
  auth::Sources sources;
  sources.passwd_file = options.passwd_file;
  sources.credentials_file = options.credentials;
  sources.profile = options.profile;
  sources.anonymous = options.anonymous;
  sources.environment = std::move(environment);
  sources.home = home_directory();
  sources.bucket = std::move(bucket);
  sources.token_endpoint = options.iam_endpoint;
  return sources;
}

Result<Connection> connect(const MountOptions& options, const auth::Sources& sources, const auth::Resolved& resolved,
                           Patience patience, std::filesystem::path dialect_file) {
  PAIL_TRY(Endpoint endpoint, choose_endpoint(options));
  http::ClientOptions network;
  network.ca_bundle = options.ca_bundle.string();
  network.threads = endpoint.url.starts_with("https") ? 2 : 1;  // TLS is most of the work of a transfer
  auto created = http::Client::create(std::move(network));
  if (!created) return Error{created.error().errnum, fmt::format("option ca_bundle: {}", created.error().context)};
  std::shared_ptr<http::Client> http = *std::move(created);
  // The authorizer borrows the client, so it keeps it.
  std::shared_ptr<auth::Authorizer> authorizer(
      auth::make_reloading_authorizer(sources, resolved, endpoint.region, *http).release(),
      [http](auth::Authorizer* made) { delete made; });
  auto settings = client_options(options, endpoint.url, patience, std::move(dialect_file));
  PAIL_TRY(std::shared_ptr<cos::Client> store, cos::Client::create(http, authorizer, std::move(settings)));
  return Connection{std::move(endpoint), std::move(http), std::move(authorizer), std::move(store)};
}

}  // namespace pail::cli
