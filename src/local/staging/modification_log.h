// When a staged file was last modified, in a small log beside its data. The times that a file system
// keeps of our own files are not that: a copy of the folder or a clock that jumps changes them.
//
// Two records in sectors of their own are written in turn: of one that is torn the other is there.
// One thread at a time.
#pragma once

#include <cstdint>
#include <filesystem>

#include "base/unique_fd.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::local {

class ModificationLog {
 public:
  ModificationLog() = default;
  // Replaces what is there. Errors: ENOSPC, EIO.
  static Result<ModificationLog> create(std::filesystem::path path, WallTime modified);
  // `otherwise`: the time of a file that has no such log yet, or a damaged one; it is recorded where
  // the disk has room.
  static ModificationLog open(std::filesystem::path path, WallTime otherwise);

  WallTime modified() const { return modified_; }
  // Survives a kill when it returns. Errors: ENOSPC where there is no log yet, EIO; modified() stays.
  Result<Unit> set(WallTime modified);
  // For a sync of its file; not valid where the log could not be made.
  int descriptor() const { return file_.get(); }

 private:
  explicit ModificationLog(std::filesystem::path path) : path_(std::move(path)) {}
  bool load();

  std::filesystem::path path_;
  UniqueFd file_;
  WallTime modified_{};
  std::uint64_t written_ = 0;  // records so far
};

}  // namespace pail::local
