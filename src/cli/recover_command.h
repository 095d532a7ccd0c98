// pailfs recover: what became of files that could not be stored, and their way back.
#pragma once

#include "cli/command_line.h"
#include "pailfs/auth/credentials.h"

namespace pail::cli {

// Works beside a running mount as without one. 0; kExitUsage; kExitSystem with the reason on stderr.
int run_recover(const CommandLine& line, auth::Environment environment);

}  // namespace pail::cli
