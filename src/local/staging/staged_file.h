// One staging file on disk: its data, and the log of what of the base it no longer needs.
//
// The order of steps is what makes it survive a kill -9: data first, then the record that says it is there, then the
// answer. A kill in between leaves the extent missing and the write unanswered.
#pragma once

#include <atomic>
#include <memory>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "local/staging/extent_set.h"
#include "local/staging/staging.h"

namespace pail::local {

// Refuses what would leave less than `min_free` on the file system. Asks the kernel once for every few MiB.
// Thread-safe.
class FreeSpace {
 public:
  FreeSpace(UniqueFd directory, ByteCount min_free) : directory_(std::move(directory)), min_free_(min_free) {}
  // Errors: ENOSPC, EIO.
  Result<Unit> admit(ByteCount size);

 private:
  UniqueFd directory_;
  ByteCount min_free_;
  std::atomic<std::int64_t> credit_{0};  // bytes that may be written before the kernel is asked again
};

class SparseStagedFile final : public StagedFile {
 public:
  // All bytes of [0, base_size) are missing. Replaces what is there. Errors: ENOSPC, EIO.
  static Result<std::shared_ptr<SparseStagedFile>> create(const std::filesystem::path& directory, InodeNumber number,
                                                          ByteCount base_size, std::shared_ptr<FreeSpace> space);
  // Errors: ENOENT; EBADMSG.
  static Result<std::shared_ptr<SparseStagedFile>> open(const std::filesystem::path& directory, InodeNumber number,
                                                        std::shared_ptr<FreeSpace> space);

  ByteCount size() const override PAIL_EXCLUDES(mutex_);
  Result<Unit> write(ByteOffset at, std::span<const std::byte> data) override PAIL_EXCLUDES(mutex_);
  Result<Unit> truncate(ByteCount size) override PAIL_EXCLUDES(mutex_);
  Result<Unit> reserve(Extent extent) override PAIL_EXCLUDES(mutex_);
  std::vector<Extent> missing(Extent within) const override PAIL_EXCLUDES(mutex_);
  // The lock is held from the look at what is missing until its bytes are written, so that a write() cannot come
  // between.
  Result<Unit> fill(ByteOffset at, std::span<const std::byte> data) override PAIL_EXCLUDES(mutex_);
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override PAIL_EXCLUDES(mutex_);
  int descriptor() const override { return data_.get(); }
  const std::filesystem::path& path() const override { return path_; }

 private:
  enum class LogKind : std::uint64_t { base = 1, present = 2, truncated = 3 };

  SparseStagedFile(std::filesystem::path path, std::shared_ptr<FreeSpace> space)
      : path_(std::move(path)), space_(std::move(space)) {}
  Result<Unit> make_whole() PAIL_REQUIRES(mutex_);
  Result<Unit> make_over_base(ByteCount base_size) PAIL_REQUIRES(mutex_);
  Result<Unit> check_usable() const PAIL_REQUIRES(mutex_);
  Result<Unit> admit(Extent extent) PAIL_REQUIRES(mutex_);
  Result<Unit> store(ByteOffset at, std::span<const std::byte> data) PAIL_REQUIRES(mutex_);
  Result<Unit> make_log_room() PAIL_REQUIRES(mutex_);
  Result<Unit> append_log(LogKind kind, Extent extent) PAIL_REQUIRES(mutex_);
  Result<Unit> rewrite_log() PAIL_REQUIRES(mutex_);
  Result<Unit> replay_log() PAIL_REQUIRES(mutex_);

  const std::filesystem::path path_;
  const std::shared_ptr<FreeSpace> space_;
  UniqueFd data_;

  mutable Mutex mutex_;
  UniqueFd log_ PAIL_GUARDED_BY(mutex_);
  ByteCount base_size_ PAIL_GUARDED_BY(mutex_);
  ByteCount size_ PAIL_GUARDED_BY(mutex_);
  ExtentSet missing_ PAIL_GUARDED_BY(mutex_);    // always within [0, size_)
  ExtentSet reserved_ PAIL_GUARDED_BY(mutex_);   // has its disk space
  Extent last_present_ PAIL_GUARDED_BY(mutex_);  // the extent of the log's last record, when that is of kind present
  ByteCount log_size_ PAIL_GUARDED_BY(mutex_), log_room_ PAIL_GUARDED_BY(mutex_);
  bool log_behind_ PAIL_GUARDED_BY(mutex_) = false;  // a record could not be written: the file must not be used
};

// Names in the staging directory. A file without a base needs no log, which spares making one; its name says so. When
// both are there, a replacement was cut short and the one without a base counts.
std::filesystem::path staged_whole_path(const std::filesystem::path& directory, InodeNumber number);
std::filesystem::path staged_data_path(const std::filesystem::path& directory, InodeNumber number);
std::filesystem::path staged_log_path(const std::filesystem::path& data_path);

}  // namespace pail::local
