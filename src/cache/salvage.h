// How the last process left an index, and what to do when the machine stopped under it.
//
// Commits are not synced, so a killed process loses nothing, but after a power cut pages of several commits may be
// mixed on disk. The file "state" beside the index tells the cases apart: it holds the id of the machine's run (boot
// id) and whether the index was closed in order.
#pragma once

#include <filesystem>

#include "pailfs/base/result.h"

namespace pail::cache {

enum class LastStop {
  in_order,         // closed, or the directory is new
  process_killed,   // the machine runs on since: every commit is there
  machine_stopped,  // any page may be old or missing
};

Result<LastStop> last_stop(const std::filesystem::path& directory);
Result<Unit> note_open(const std::filesystem::path& directory);
Result<Unit> note_closed(const std::filesystem::path& directory);

// Replaces a possibly damaged environment by a copy of its records, which proves that all of them can be read and
// leaves out whatever the free list may say. False, and nothing changed, when it is damaged. Runs in a child process:
// a damaged tree may crash who walks it.
bool salvage_environment(const std::filesystem::path& directory);

}  // namespace pail::cache
