// The files that hold the bytes of larger objects and of parts, each named by a number that is never used twice.
//
// A file counts only once the index names it; what the index does not name is removed at the next start.
// Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "pailfs/base/result.h"

namespace pail::emulator {

class DataFiles {
 public:
  // Keeps files readable by number: a removal waits until the last pin is gone.
  class Pin {
   public:
    Pin(DataFiles& files, std::vector<std::uint64_t> ids) : files_(files), ids_(std::move(ids)) {}
    ~Pin() { files_.unpin(ids_); }
    Pin(const Pin&) = delete;
    Pin& operator=(const Pin&) = delete;
    Result<UniqueFd> open(std::uint64_t id) const { return files_.open(id); }

   private:
    DataFiles& files_;
    std::vector<std::uint64_t> ids_;
  };

  struct Created {
    std::uint64_t id;
    UniqueFd fd;
  };

  // Makes the folders below `dir` and removes every file for which `in_use` is false.
  static Result<std::unique_ptr<DataFiles>> open_directory(const std::filesystem::path& dir,
                                                           const std::function<bool(std::uint64_t)>& in_use);

  Result<Created> create();
  // A second name for the same bytes. Errors: EMLINK after 65,000 of them on ext4.
  Result<std::uint64_t> link(std::uint64_t id);
  Result<UniqueFd> open(std::uint64_t id) const;

  // Runs `find`, which looks up an object in the index and returns its files, and pins those before any removal.
  std::shared_ptr<Pin> pin(const std::function<std::vector<std::uint64_t>()>& find);
  // Removes files that the index no longer names; call after that change is committed.
  void remove(std::span<const std::uint64_t> ids);

 private:
  explicit DataFiles(std::filesystem::path dir) : dir_(std::move(dir)) {}
  std::filesystem::path path(std::uint64_t id) const;
  void unpin(std::span<const std::uint64_t> ids);

  struct Pinned {
    unsigned count = 0;
    bool doomed = false;
  };

  std::filesystem::path dir_;
  std::atomic<std::uint64_t> next_id_{1};
  Mutex mutex_;
  std::unordered_map<std::uint64_t, Pinned> pinned_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::emulator
