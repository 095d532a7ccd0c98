// A disk in memory for journals: it keeps apart what was written and what was synced, so that a power
// loss can be played, and it fails where a test wants it to.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "local/journal/log_directory.h"

namespace pail::local {

class FakeLogDisk : public std::enable_shared_from_this<FakeLogDisk> {
 public:
  using Bytes = std::vector<std::byte>;
  struct Inode {
    Bytes written, synced;
    // Written since the last sync, whatever came of that: a kernel takes what it could not write for
    // clean, and the next sync does not write it.
    std::vector<Extent> dirty;
  };
  using Names = std::map<std::string, std::shared_ptr<Inode>, std::less<>>;

  // ---- what a test sets; not while threads are at work ----
  std::uint64_t space = std::numeric_limits<std::uint64_t>::max();       // bytes of one file
  std::uint64_t steps_left = std::numeric_limits<std::uint64_t>::max();  // then every change is EIO
  int syncs_to_fail = 0;
  bool names_fail_to_sync = false;
  bool writes_fail = false;  // inside reserved space
  std::chrono::nanoseconds sync_takes{0};
  std::function<void()> during_sync, during_names_sync;
  Names written, synced;

  // May be set at any time: a new file finds no room.
  void refuse_new_files(bool refuse) {
    const MutexLock lock(mutex_);
    refuses_new_files_ = refuse;
  }
  std::size_t flushes() const {
    const MutexLock lock(mutex_);
    return flushes_;
  }
  std::uint64_t steps() const {
    const MutexLock lock(mutex_);
    return steps_;
  }
  std::size_t new_files_refused() const {
    const MutexLock lock(mutex_);
    return new_files_refused_;
  }
  Bytes& bytes(std::string_view name) { return written.find(name)->second->written; }
  bool has(std::string_view name) const { return written.find(name) != written.end(); }

  std::unique_ptr<LogDirectory> directory();

  // What was not synced is there or not, sector by sector, as chance has it.
  void lose_power(std::mt19937& random, std::size_t sector) {
    if (random() % 2 == 0) written = synced;
    for (auto& [name, inode] : written) {
      const std::size_t size = random() % 2 == 0 ? inode->written.size() : inode->synced.size();
      Bytes found(size);
      for (std::size_t at = 0; at < size; at += sector) {
        const Bytes& source = random() % 2 == 0 ? inode->written : inode->synced;
        for (std::size_t i = at; i < std::min({at + sector, size, source.size()}); ++i) found[i] = source[i];
      }
      inode->written = inode->synced = found;
      inode->dirty.clear();
    }
    synced = written;
  }

  // A power loss that takes all it can.
  void lose_all_unsynced() {
    written = synced;
    for (auto& [name, inode] : written) {
      inode->written = inode->synced;
      inode->dirty.clear();
    }
  }

  // The machine's side.
  Result<Unit> step() {
    const MutexLock lock(mutex_);
    ++steps_;
    if (steps_left == 0) return Error{EIO, "the power is gone"};
    --steps_left;
    return Unit{};
  }

  Result<Unit> admit_new_file() {
    const MutexLock lock(mutex_);
    if (!refuses_new_files_) return Unit{};
    ++new_files_refused_;
    return Error{ENOSPC, "full"};
  }

 private:
  friend class FakeLogFile;
  mutable Mutex mutex_;
  std::size_t flushes_ = 0, new_files_refused_ = 0;
  bool refuses_new_files_ = false;
  std::uint64_t steps_ = 0;
};

class FakeLogFile final : public LogFile {
 public:
  FakeLogFile(std::shared_ptr<FakeLogDisk> disk, std::shared_ptr<FakeLogDisk::Inode> inode)
      : disk_(std::move(disk)), inode_(std::move(inode)) {}

  Result<ByteCount> size() const override {
    const MutexLock lock(disk_->mutex_);
    return ByteCount{inode_->written.size()};
  }
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override {
    const MutexLock lock(disk_->mutex_);
    const auto& bytes = inode_->written;
    if (at.n >= bytes.size()) return std::size_t{0};
    const std::size_t size = std::min<std::size_t>(out.size(), bytes.size() - at.n);
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at.n), size, out.begin());
    return size;
  }
  Result<Unit> write(ByteOffset at, std::span<const std::byte> data) override {
    PAIL_CHECK(disk_->step());
    const MutexLock lock(disk_->mutex_);
    if (disk_->writes_fail && at.n > 0) return Error{EIO, "bad disk"};
    if (at.n + data.size() > disk_->space) return Error{ENOSPC, "full"};
    auto& bytes = inode_->written;
    bytes.resize(std::max<std::size_t>(bytes.size(), at.n + data.size()));
    std::copy(data.begin(), data.end(), bytes.begin() + static_cast<std::ptrdiff_t>(at.n));
    inode_->dirty.push_back({at, at + ByteCount{data.size()}});
    return Unit{};
  }
  Result<Unit> reserve(ByteCount size) override {
    PAIL_CHECK(disk_->step());
    const MutexLock lock(disk_->mutex_);
    if (size.n > disk_->space) return Error{ENOSPC, "full"};
    inode_->written.resize(std::max<std::size_t>(inode_->written.size(), size.n));
    return Unit{};
  }
  Result<Unit> sync() override {
    PAIL_CHECK(disk_->step());
    std::vector<std::pair<ByteOffset, FakeLogDisk::Bytes>> pages;
    std::size_t size = 0;
    {
      const MutexLock lock(disk_->mutex_);
      ++disk_->flushes_;
      const auto dirty = std::exchange(inode_->dirty, {});
      if (disk_->syncs_to_fail > 0) {
        --disk_->syncs_to_fail;
        return Error{EIO, "the disk could not write"};
      }
      const auto begin = inode_->written.begin();
      for (const Extent& extent : dirty)
        pages.emplace_back(extent.begin, FakeLogDisk::Bytes(begin + static_cast<std::ptrdiff_t>(extent.begin.n),
                                                            begin + static_cast<std::ptrdiff_t>(extent.end.n)));
      size = inode_->written.size();
    }
    if (disk_->sync_takes.count() > 0) sleep_for(disk_->sync_takes);
    if (disk_->during_sync) disk_->during_sync();
    const MutexLock lock(disk_->mutex_);
    auto& synced = inode_->synced;
    synced.resize(std::max(synced.size(), size));
    for (const auto& [at, bytes] : pages)
      std::copy(bytes.begin(), bytes.end(), synced.begin() + static_cast<std::ptrdiff_t>(at.n));
    return Unit{};
  }

 private:
  const std::shared_ptr<FakeLogDisk> disk_;
  const std::shared_ptr<FakeLogDisk::Inode> inode_;
};

class FakeLogDirectory final : public LogDirectory {
 public:
  explicit FakeLogDirectory(std::shared_ptr<FakeLogDisk> disk) : disk_(std::move(disk)) {}

  Result<std::optional<std::shared_ptr<LogFile>>> open(std::string_view name) override {
    const auto found = disk_->written.find(name);
    if (found == disk_->written.end()) return std::optional<std::shared_ptr<LogFile>>();
    return std::optional<std::shared_ptr<LogFile>>(std::make_shared<FakeLogFile>(disk_, found->second));
  }
  Result<std::shared_ptr<LogFile>> create(std::string_view name) override {
    PAIL_CHECK(disk_->step());
    PAIL_CHECK(disk_->admit_new_file());
    auto inode = std::make_shared<FakeLogDisk::Inode>();
    disk_->written.insert_or_assign(std::string(name), inode);
    return std::shared_ptr<LogFile>(std::make_shared<FakeLogFile>(disk_, inode));
  }
  Result<Unit> rename(std::string_view from, std::string_view to) override {
    PAIL_CHECK(disk_->step());
    auto moved = disk_->written.extract(disk_->written.find(from));
    disk_->written.insert_or_assign(std::string(to), std::move(moved.mapped()));
    return Unit{};
  }
  Result<Unit> link(std::string_view from, std::string_view to) override {
    PAIL_CHECK(disk_->step());
    disk_->written.insert_or_assign(std::string(to), disk_->written.find(from)->second);
    return Unit{};
  }
  Result<Unit> remove(std::string_view name) override {
    PAIL_CHECK(disk_->step());
    if (const auto found = disk_->written.find(name); found != disk_->written.end()) disk_->written.erase(found);
    return Unit{};
  }
  Result<Unit> sync_names() override {
    PAIL_CHECK(disk_->step());
    if (disk_->names_fail_to_sync) return Error{EIO, "the disk could not write"};
    if (disk_->during_names_sync) disk_->during_names_sync();
    disk_->synced = disk_->written;
    return Unit{};
  }
  std::filesystem::path path_of(std::string_view name) const override { return std::filesystem::path("/fake") / name; }

 private:
  const std::shared_ptr<FakeLogDisk> disk_;
};

inline std::unique_ptr<LogDirectory> FakeLogDisk::directory() {
  return std::make_unique<FakeLogDirectory>(shared_from_this());
}

}  // namespace pail::local
