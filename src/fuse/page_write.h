// Pages that were written through a mapping. Of the answer to them the kernel looks at the error alone: what is not
// written would count as written, and fsync(2) would not tell.
#pragma once

#include <functional>
#include <span>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::fuse {

// As vfs::FileSystem::write(): how much was written, or why nothing was.
using WriteAt = std::function<Result<ByteCount>(ByteOffset at, std::span<const std::byte> data)>;

// Writes all of `pages`; else the error of the first byte that could not be written.
Result<ByteCount> write_pages(const WriteAt& write, ByteOffset at, std::span<const std::byte> pages);

}  // namespace pail::fuse
