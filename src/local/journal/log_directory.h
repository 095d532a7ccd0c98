// The folder of a journal, and its files, as the journal needs them: what a disk does, and where
// tests put the failures of a disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::local {

// One open file. Thread-safe in that sync() and read() may run beside write() and reserve().
class LogFile {
 public:
  virtual ~LogFile() = default;

  virtual Result<ByteCount> size() const = 0;
  // Reads until `out` is full or the file ends; returns the bytes read. Errors: EIO.
  virtual Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const = 0;
  // A kill of the process keeps what was written, a power loss keeps it from the next sync() on.
  // Errors: ENOSPC, EIO; some of `data` may have been written.
  virtual Result<Unit> write(ByteOffset at, std::span<const std::byte> data) = 0;
  // Makes the file `size` long where it is shorter, with disk space for all of it; new bytes are 0.
  // Errors: ENOSPC, EFBIG; the file may have grown by a part of it.
  virtual Result<Unit> reserve(ByteCount size) = 0;
  // Returns when all that was written before the call is on disk, with the size of the file. After
  // an error it is not known what is on disk, and no later success says it either.
  virtual Result<Unit> sync() = 0;
};

// Thread-safe.
class LogDirectory {
 public:
  virtual ~LogDirectory() = default;

  // None: there is no such file.
  virtual Result<std::optional<std::shared_ptr<LogFile>>> open(std::string_view name) = 0;
  // An empty file, in place of one that is there.
  virtual Result<std::shared_ptr<LogFile>> create(std::string_view name) = 0;
  // Replaces `to`. A power loss keeps the old or the new state of the names until sync_names()
  // returned.
  virtual Result<Unit> rename(std::string_view from, std::string_view to) = 0;
  // A second name for a file, in place of one that has it.
  virtual Result<Unit> link(std::string_view from, std::string_view to) = 0;
  // Absent is fine.
  virtual Result<Unit> remove(std::string_view name) = 0;
  virtual Result<Unit> sync_names() = 0;
  // For messages.
  virtual std::filesystem::path path_of(std::string_view name) const = 0;
};

// A folder on disk, created with mode 0700 where missing, for this object alone: no other process
// may have it open. Errors: EBUSY another process has it; EACCES it belongs to another user.
Result<std::unique_ptr<LogDirectory>> open_log_directory(const std::filesystem::path& path);

}  // namespace pail::local
