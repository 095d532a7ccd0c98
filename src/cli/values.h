// Values as people write them: sizes, durations, users, modes. Errors are EINVAL and say what is expected.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// "1048576", "64KiB", "1.5G", "100MB": K, KiB, M, MiB ... are powers of 1024, KB, MB ... of 1000; case does not count.
Result<ByteCount> parse_size(std::string_view text);
// The shortest text that parse_size() reads back: "256MiB".
std::string render_size(ByteCount size);

// "30" and "0.5" are seconds; "500ms", "30s", "5m", "2h", "1d".
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);
std::string render_duration(std::chrono::nanoseconds duration);

// A number, or a name of this machine's users or groups.
Result<std::uint32_t> parse_user(std::string_view text);
Result<std::uint32_t> parse_group(std::string_view text);

// Permission bits in octal, at most 7777.
Result<std::uint32_t> parse_permissions(std::string_view text);

}  // namespace pail::cli
