// The log of the process. Lines go to stderr in the foreground, to syslog or the journal in the background.
//
// Thread-safe. What is logged never holds a secret; a key from a bucket or a server's text goes through quote() first.
#pragma once

#include <spdlog/spdlog.h>

#include <string>
#include <string_view>

#include "pailfs/base/result.h"

namespace pail {

enum class LogTarget { stderr_stream, syslog };

// Sets where lines go. Called once at start; until then lines of level `warn` and above go to stderr.
void open_log(LogTarget target, std::string_view program);

// Levels: trace, debug, info, warn, error, off. May be called at any time. Errors: EINVAL, naming the levels.
Result<Unit> set_log_level(std::string_view level);

// Text from outside made safe for one line: control bytes, quotes and invalid UTF-8 escaped, at most 300 bytes kept.
std::string quote(std::string_view untrusted);

}  // namespace pail
