// Reading a file that is staged: what it has, and of its base what was not fetched yet.
#pragma once

#include <functional>

#include "local/staging/staging.h"
#include "vfs/types.h"

namespace pail::vfs {

// Bytes of the base, at least the first of `gap`; none: it has ended. Waits.
using FetchBase = std::function<Result<ReadData>(Extent gap)>;

// What `file` has of `want`, up to its end, with bytes of the base in its gaps. Others may write, cut and fill the file
// meanwhile. Nothing is written: a read works on a full disk, too. Errors: EIO; those of `fetch`.
Result<ReadData> read_with_base(const local::StagedFile& file, Extent want, const FetchBase& fetch);

}  // namespace pail::vfs
