// One staging file on disk: its data, and the log of what of the base it no longer needs.
//
// The order of steps is what makes it survive a kill -9: data first, then the record that says it is there, then the
// answer. A kill in between leaves the extent missing and the write unanswered.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "local/staging/extent_set.h"
#include "local/staging/modification_log.h"
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

// A record of a staging log, as docs/format.md says; all numbers in the byte order of the machine, which
// the file does not leave.
struct LogRecord {
  std::uint64_t kind = 0, begin = 0, end = 0, checksum = 0;

  std::uint64_t expected_checksum() const;
  bool intact() const { return checksum == expected_checksum(); }
};
static_assert(sizeof(LogRecord) == 32);

class SparseStagedFile final : public StagedFile {
 public:
  // All bytes of [0, base_size) are missing. Replaces what is there. Errors: ENOSPC, EIO.
  static Result<std::shared_ptr<SparseStagedFile>> create(const std::filesystem::path& directory, InodeNumber number,
                                                          ByteCount base_size, std::shared_ptr<FreeSpace> space,
                                                          const Clock& clock);
  // Errors: ENOENT; EBADMSG.
  static Result<std::shared_ptr<SparseStagedFile>> open(const std::filesystem::path& directory, InodeNumber number,
                                                        std::shared_ptr<FreeSpace> space, const Clock& clock);

  ByteCount size() const override PAIL_EXCLUDES(mutex_);
  Result<ByteCount> write(ByteOffset at, std::span<const std::byte> data) override PAIL_EXCLUDES(mutex_);
  Result<Unit> truncate(ByteCount size) override PAIL_EXCLUDES(mutex_);
  Result<Unit> reserve(Extent extent) override PAIL_EXCLUDES(mutex_);
  std::vector<Extent> missing(Extent within) const override PAIL_EXCLUDES(mutex_);
  // The lock is held from the look at what is missing until its bytes are written, so that a write() cannot come
  // between.
  Result<Unit> fill(ByteOffset at, std::span<const std::byte> data) override PAIL_EXCLUDES(mutex_);
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override PAIL_EXCLUDES(mutex_);
  WallTime modified() const override PAIL_EXCLUDES(mutex_);
  Result<Unit> set_modified(WallTime modified) override PAIL_EXCLUDES(mutex_);
  Result<Unit> sync() override PAIL_EXCLUDES(mutex_);
  int descriptor() const override { return data_.get(); }
  const std::filesystem::path& path() const override { return path_; }

 private:
  enum class LogKind : std::uint64_t { base = 1, present = 2, truncated = 3 };
  // Whether a power loss may take the log away. One that was synced is not replaced by a shorter one,
  // which would have to be synced with the lock held.
  enum class LogPromise { survives_kill, may_be_synced };

  SparseStagedFile(std::filesystem::path path, std::shared_ptr<FreeSpace> space, const Clock& clock)
      : path_(std::move(path)), space_(std::move(space)), clock_(clock) {}
  Result<Unit> make_whole() PAIL_REQUIRES(mutex_);
  Result<Unit> make_over_base(ByteCount base_size) PAIL_REQUIRES(mutex_);
  Result<Unit> admit(Extent extent) PAIL_REQUIRES(mutex_);
  Result<Unit> make_log_room() PAIL_REQUIRES(mutex_);
  Result<Unit> append_log(LogKind kind, Extent extent) PAIL_REQUIRES(mutex_);
  Result<Unit> log_present(Extent extent) PAIL_REQUIRES(mutex_);
  void take_back_growth(ByteOffset end) PAIL_REQUIRES(mutex_);
  Result<Unit> log_last_cut() PAIL_REQUIRES(mutex_);
  Result<Unit> rewrite_log() PAIL_REQUIRES(mutex_);
  Result<std::vector<LogRecord>> read_log() PAIL_REQUIRES(mutex_);
  Result<Unit> replay_log() PAIL_REQUIRES(mutex_);
  Result<Unit> apply(const LogRecord& record, bool is_first) PAIL_REQUIRES(mutex_);
  Error damaged_log(std::string_view how) const;
  Result<std::vector<UniqueFd>> begin_sync() PAIL_EXCLUDES(mutex_);

  const std::filesystem::path path_;
  const std::shared_ptr<FreeSpace> space_;
  const Clock& clock_;
  UniqueFd data_;

  mutable Mutex mutex_;
  UniqueFd log_ PAIL_GUARDED_BY(mutex_);
  ByteCount base_size_ PAIL_GUARDED_BY(mutex_);
  ByteCount size_ PAIL_GUARDED_BY(mutex_);
  ExtentSet missing_ PAIL_GUARDED_BY(mutex_);    // always within [0, size_)
  ExtentSet reserved_ PAIL_GUARDED_BY(mutex_);   // has its disk space
  Extent last_present_ PAIL_GUARDED_BY(mutex_);  // the extent of the log's last record, when that is of kind present
  ByteCount log_size_ PAIL_GUARDED_BY(mutex_), log_room_ PAIL_GUARDED_BY(mutex_);
  LogPromise log_promise_ PAIL_GUARDED_BY(mutex_) = LogPromise::survives_kill;
  ModificationLog times_ PAIL_GUARDED_BY(mutex_);
  std::optional<Error> sync_failure_ PAIL_GUARDED_BY(mutex_);
  std::optional<Extent> cut_to_log_ PAIL_GUARDED_BY(mutex_);  // its record could not be written yet
};

// Names in the staging directory. A file without a base needs no log, which spares making one; its name says so. When
// both are there, a replacement was cut short and the one without a base counts.
std::filesystem::path staged_whole_path(const std::filesystem::path& directory, InodeNumber number);
std::filesystem::path staged_data_path(const std::filesystem::path& directory, InodeNumber number);
std::filesystem::path staged_log_path(const std::filesystem::path& data_path);
std::filesystem::path staged_times_path(const std::filesystem::path& directory, InodeNumber number);

}  // namespace pail::local
