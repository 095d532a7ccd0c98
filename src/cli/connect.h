// From options to a client of the store: who we are, where the store is, and the objects that speak to it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/mount_options.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/auth/credentials.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/client.h"
#include "pailfs/http/client.h"

namespace pail::cli {

struct Endpoint {
  std::string url;     // scheme://host[:port]
  std::string region;  // what signatures name
};

// Errors: EINVAL neither url= nor region= says where, or the region is not known (names the nearest).
Result<Endpoint> choose_endpoint(const MountOptions& options);

// Home directory of the user: $HOME, else that of the user database; empty when neither knows one (at boot).
std::filesystem::path home_directory();

// Where resolve_credentials() shall look for a bucket's credentials.
auth::Sources credential_sources(const MountOptions& options, auth::Environment environment, std::string bucket);

// A client and what it is made of. Shares ownership: any member may be kept for itself.
struct Connection {
  Endpoint endpoint;
  std::shared_ptr<http::Client> http;
  std::shared_ptr<auth::Authorizer> authorizer;
  std::shared_ptr<cos::Client> store;
};

// How patient the connection is.
enum class Patience {
  probing,  // a person waits for the answer: one attempt's time; the error says what is wrong, not the log
  working,  // a person waits until it is done: as serving; the error says what is wrong, not the log
  serving,  // programs wait; a busy store gets time to recover
};

// Starts network threads; sends nothing. What is learnt of the store is kept in `dialect_file`, where one is given.
// Errors: EINVAL; ENOENT or EACCES the CA bundle cannot be read.
Result<Connection> connect(const MountOptions& options, const auth::Sources& sources, const auth::Resolved& resolved,
                           Patience patience, std::filesystem::path dialect_file = {});

}  // namespace pail::cli
