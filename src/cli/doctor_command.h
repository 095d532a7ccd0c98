// pailfs doctor: the steps of a mount, one by one, with what each found.
#pragma once

#include "cli/command_line.h"
#include "pailfs/auth/credentials.h"

namespace pail::cli {

// Prints to stdout; 0 when a mount would work. Sends a listing, changes nothing. Call it before threads start.
int run_doctor(const CommandLine& line, auth::Environment environment);

}  // namespace pail::cli
