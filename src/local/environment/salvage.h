// What to do with an environment that may be damaged. Both run in a child process: a damaged tree may crash who walks
// it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "local/environment/environment.h"
#include "pailfs/base/result.h"

namespace pail::local {

// Whether all of an environment is as it was written, and ends with the transaction `last` where that is known.
// Errors: ENOMEM, EAGAIN, EIO it could not be found out.
Result<Verdict> examine_environment(const std::filesystem::path& directory, const Schema& schema,
                                    std::optional<std::uint64_t> last);

// Replaces an environment that may be damaged by a copy of its records in the newest format, which leaves out whatever
// its free list may say. Changes nothing when it is damaged, and on errors: as above; ENOSPC the copy does not fit.
Result<Verdict> salvage_environment(const std::filesystem::path& directory, const Schema& schema);

}  // namespace pail::local
