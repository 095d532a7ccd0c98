// What a mount's worker processes are told: on their command line what everybody may see, and beside it the secrets.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/log.h"
#include "cli/mount_options.h"
#include "cli/source.h"
#include "pailfs/auth/credentials.h"
#include "pailfs/base/result.h"
#include "pailfs/base/secret.h"

namespace pail::cli {

// Everything a worker needs to make its file system, whatever has become of files and environment since the mount.
struct WorkerTask {
  MountOptions options;
  Source source;
  std::filesystem::path state_directory, cache_directory;
  LogTarget log = LogTarget::syslog;
};

// The worker's command line, program name first; without secrets.
std::vector<std::string> render_worker_arguments(const WorkerTask& task);
// `arguments` as rendered. Errors: EINVAL.
Result<WorkerTask> parse_worker_arguments(const std::vector<std::string>& arguments);

// What came from the environment, and the credentials that were found at the mount.
struct WorkerSecrets {
  auth::Environment environment;
  auth::Resolved resolved;  // its explanation is not handed over
};

Secret render_secrets(const WorkerSecrets& secrets);
// Errors: EINVAL.
Result<WorkerSecrets> parse_secrets(const Secret& text);

}  // namespace pail::cli
