// The first question to a bucket, and what its answer means for the person who mounts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/mount_options.h"
#include "cli/source.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/auth/credentials.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/client.h"

namespace pail::cli {

// Exchanges the key of `authorizer` for a token, which is kept for the requests that follow. Errors: as those of the
// authorizer, with a context that names the IAM endpoint and the option for another.
Result<Unit> probe_token(auth::Authorizer& authorizer, const auth::IamApiKey& key, StopToken stop = {});

// Lists one name below the prefix. Errors: as the store's, with a context that says what is wrong and what helps:
// wrong key, wrong secret, wrong region, no such bucket, no right to list, unreachable host, bad certificate.
Result<Unit> probe_bucket(cos::Client& store, std::string_view url, const Source& source, StopToken stop = {});

// Resolves, connects and probes; ends within kProbeSeconds whatever the network does. It runs in a process of its own,
// so that no thread of it is left in this one: supervise() needs that.
Result<Unit> probe_in_child(const MountOptions& options, const auth::Sources& sources, const auth::Resolved& resolved,
                            const Source& source);

// `url`, scheme://host[:port], with the other one of http and https. None where it names no port: that would be another
// port, which says nothing of this one.
std::optional<std::string> other_protocol_of(std::string_view url);

inline constexpr int kProbeSeconds = 9;

}  // namespace pail::cli
