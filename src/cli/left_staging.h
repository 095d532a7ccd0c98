// Files that ended mounts could not store, and that no later mount has moved to the folder `kept` yet.
#pragma once

#include <filesystem>
#include <vector>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::cli {

struct LeftFile {
  std::filesystem::path path;  // its bytes; the name is its inode number, the key is in the index alone
  ByteCount size;
  std::filesystem::file_time_type written;  // for the last time
};

// What the directories of views hold of it.
struct LeftStaging {
  std::vector<LeftFile> files;
  bool live = false;             // running mounts hold directories, which were not looked at
  Result<Unit> looked = Unit{};  // why not at all others
};

// Looks at those of `views` that are directories of this user and changes nothing in them. Some of these files
// may turn out to be stored or removed: only the next mount of the bucket can tell.
LeftStaging find_left_staging(const std::vector<std::filesystem::path>& views);

}  // namespace pail::cli
