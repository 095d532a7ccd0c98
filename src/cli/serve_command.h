// pailfs serve: the emulator as a command.
#pragma once

#include "cli/command_line.h"

namespace pail::cli {

// Serves until SIGTERM or SIGINT; returns the exit code. Call it before threads start.
int run_serve(const CommandLine& line);

}  // namespace pail::cli
