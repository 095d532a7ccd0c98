// Room on a disk, before something depends on it.
#pragma once

#include <string_view>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail {

// Room for later writes in this part of the file, which does not grow. A file system that cannot give any lets the
// writes find out. Errors: ENOSPC, EDQUOT, EIO, with `what` in front.
Result<Unit> reserve_space(int file, Extent extent, std::string_view what);

}  // namespace pail
