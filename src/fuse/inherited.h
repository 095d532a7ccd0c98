// What a worker gets from its supervisor: descriptors, named by number in one environment variable, and nothing else.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pail::fuse {

inline constexpr const char* kInheritedVariable = "PAILFS_WORKER_FDS";

struct Inherited {
  int connection = -1;  // the open /dev/fuse of the mount
  int memory = -1;      // SharedState
  int secrets = -1;     // sealed; -1: none
  int ready = -1;       // where to tell the outcome; -1: nobody waits
  int record = -1;      // of the mount; -1: none
};

std::string to_text(const Inherited& fds);
// Nothing when `text` is not what to_text() writes.
std::optional<Inherited> parse_inherited(std::string_view text);

// Of this process: read from the environment at the first call.
const std::optional<Inherited>& inherited();

// Tells the process that waits for the mount. `error` empty: it works. Once.
void tell_outcome(int ready, std::string_view error);

}  // namespace pail::fuse
