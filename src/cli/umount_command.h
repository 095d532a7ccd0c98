// pailfs umount, also as the helper that umount(8) calls.
#pragma once

#include "cli/command_line.h"

namespace pail::cli {

// Unmounts, waits until the processes of the mount have ended, and says what they could not bring into the bucket.
// Returns 0 when everything is there, what umount(8) returns when it fails, else kExitMountFailed.
int run_umount(const CommandLine& line);

}  // namespace pail::cli
