// The record of a mount: a small file by which other processes learn how it ends, when the mount itself cannot be
// asked any more. `pailfs umount` and the next mount of the same bucket read it.
//
// Supervisor and worker share a lock on it (flock), so that it is held as long as one of them lives, and append lines:
//
//   mounted ID DEVICE PATH     the mount; ID 0: the kernel has none
//   ending                     nothing new comes; what is pending is brought into the bucket
//   pending FILES BYTES        what still is on its way
//   stays SENTENCE             a file that is not in the bucket, why, and where it lies
//   ended CODE                 the exit code of the supervisor
//
// A reader passes over lines that it does not know, and over a last line without its end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "fuse/mount_table.h"
#include "pailfs/base/result.h"
#include "vfs/filesystem.h"

namespace pail::fuse {

// ---- writing: `record` is -1 where nobody wants to know; what cannot be written is left out ----

void record_mounted(int record, const MountIdentity& mount);
void record_ending(int record);
void record_pending(int record, const vfs::Pending& pending);
void record_stays(int record, std::string_view sentence);
void record_ended(int record, int code);

// ---- reading ----

struct RecordedEnd {
  std::optional<MountIdentity> mount;
  bool ending = false;
  std::optional<vfs::Pending> pending;
  std::vector<std::string> stays;
  std::optional<int> code;  // nothing while it goes on, and when its processes were killed
};

class MountRecord {
 public:
  // Errors: as open(2); EINVAL not a regular file.
  static Result<MountRecord> open(const std::filesystem::path& path);

  // With what was appended since the last call.
  const RecordedEnd& refresh();
  // Whether a process of the mount lives.
  bool held() const;

 private:
  explicit MountRecord(UniqueFd file) : file_(std::move(file)) {}
  void take_line(std::string_view line);

  UniqueFd file_;
  std::uint64_t read_ = 0;
  std::string rest_;  // of a line that has no end yet
  RecordedEnd known_;
};

}  // namespace pail::fuse
