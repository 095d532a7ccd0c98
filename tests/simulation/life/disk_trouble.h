// What the disk of a life does wrong.
#pragma once

#include <cstdint>

namespace pail::simulation {

// Where the disk fails.
enum class FailingFiles {
  all,
  bytes,  // staged ones and those of the cache: no records
};

// When the disk fails: of all that changes it between two steps, one in so many; with EIO also of what reads it.
struct DiskTrouble {
  std::uint64_t from_step = 0, to_step = 0;  // the second not included
  std::uint64_t one_in = 1;
  int errnum = 0;  // ENOSPC: free space is gone, too; EIO
  FailingFiles files = FailingFiles::all;
};

}  // namespace pail::simulation
