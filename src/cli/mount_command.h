// pailfs mount, and the processes that it starts.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"
#include "pailfs/auth/credentials.h"

namespace pail::cli {

// Exit codes as mount(8) knows them.
inline constexpr int kExitUsage = 1;
inline constexpr int kExitSystem = 2;
inline constexpr int kExitMountFailed = 32;

// Mounts. In the background it returns 0 as soon as the files can be used, in the foreground when the mount has ended.
// Reasons of failure go to stderr. Call it before threads start.
int run_mount(const CommandLine& line, auth::Environment environment);

// The whole life of a worker process. `arguments` with the program's name.
int run_worker_process(const std::vector<std::string>& arguments);

}  // namespace pail::cli
