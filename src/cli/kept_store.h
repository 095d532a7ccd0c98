// A kept file's way into the bucket, without a mount.
#pragma once

#include <string>

#include "local/staging/kept.h"
#include "pailfs/base/result.h"
#include "pailfs/cos/client.h"

namespace pail::cli {

enum class Overwrite { no, yes };

// Stores all bytes under `key` with the attributes of the description, which must be there.
// Without overwriting, the key has to be free: the store is asked just before, and by a condition on
// the request where it keeps to them. Errors: EEXIST the key is taken; as cos::Client.
Result<Unit> store_kept(cos::Client& store, const local::KeptFile& file, const std::string& key, Overwrite overwrite);

}  // namespace pail::cli
