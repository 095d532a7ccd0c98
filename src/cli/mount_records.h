// Where the records of mounts lie (fuse/mount_record.h says what is in them), found by the mount point.
#pragma once

#include <filesystem>
#include <vector>

#include "base/unique_fd.h"
#include "fuse/mount_record.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// /run/pailfs for root, else $XDG_RUNTIME_DIR/pailfs, else "run" in the default cache root.
Result<std::filesystem::path> records_directory();

struct NewRecord {
  std::filesystem::path path;
  UniqueFd file;  // open for appending; holds the lock
};

// A record for a mount that is about to be made; `mount_point` as fuse::resolve_mount_point() gives it. Removes those
// that killed mounts left. Errors: as for making a file.
Result<NewRecord> create_record(const std::filesystem::path& mount_point);

// The records of mounts made at `mount_point` that have not ended; more than one while an earlier one still stores what
// is pending.
std::vector<fuse::MountRecord> records_of(const std::filesystem::path& mount_point);

}  // namespace pail::cli
