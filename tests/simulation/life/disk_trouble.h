// What the disk of a life does wrong.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace pail::simulation {

// As schedule::DiskOperation names what may fail, and of it what needs free space: what is written into a file has its
// space, for LMDB and the journal see to that.
inline constexpr auto kDiskOperations =
    std::to_array<std::string_view>({"append", "fallocate", "fdatasync", "fsync", "ftruncate", "mkdir", "open", "pread",
                                     "punch", "pwrite", "rename", "unlink"});
inline constexpr auto kTakesSpace = std::to_array<std::string_view>({"append", "fallocate", "mkdir", "open"});
// How free space is asked for, which a full disk has none of.
inline constexpr std::string_view kAsksForSpace = "statvfs";

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
