// The files of the block cache: their names, opening them, giving bytes back, and descriptors kept for readers.
// Thread-safe.
#pragma once

#include <filesystem>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "cache/block_catalogue.h"

namespace pail::cache {

// A file open for reading. It may have been removed meanwhile; its bytes stay readable.
struct OpenBlockFile {
  ContentNumber content = 0;
  UniqueFd fd;
};

class BlockFiles {
 public:
  // Errors: EACCES, EIO.
  static Result<std::unique_ptr<BlockFiles>> open(const std::filesystem::path& directory);
  BlockFiles(std::filesystem::path directory, UniqueFd handle)
      : directory_(std::move(directory)), handle_(std::move(handle)) {}

  std::filesystem::path path(const std::string& name) const;
  Result<UniqueFd> open_for_reading(const std::string& name) const;
  // Created where missing. Errors: ENOSPC, EIO.
  Result<UniqueFd> open_for_writing(const std::string& name) const;
  // Makes the file that of the name. Errors: EXDEV it lies on another file system; EACCES, EIO.
  Result<Unit> move_in(const std::string& name, const std::filesystem::path& file) const;
  // A copy from another file system, ready to be moved in; one that is left is removed by open(). Errors: ENOSPC, EIO.
  Result<std::filesystem::path> copy_in(const std::string& name, const std::filesystem::path& file) const;
  void remove(const std::string& name) PAIL_EXCLUDES(mutex_);
  void punch(const std::string& name, Extent extent) const;
  Result<ByteCount> free_space() const;

  // Descriptors of the files used last.
  std::shared_ptr<const OpenBlockFile> find(const std::string& name) PAIL_EXCLUDES(mutex_);
  void keep(const std::string& name, std::shared_ptr<const OpenBlockFile> file) PAIL_EXCLUDES(mutex_);
  void forget(const std::string& name) PAIL_EXCLUDES(mutex_);

  static constexpr unsigned kDirectories = 256;
  // Removes the files of one of the directories that `known` does not know.
  void sweep(unsigned directory, const std::function<bool(const std::string& name)>& known);

 private:
  Result<Unit> make_room_for(const std::string& name) const;  // its directory
  using Recent = std::list<std::pair<std::string, std::shared_ptr<const OpenBlockFile>>>;

  const std::filesystem::path directory_;
  const UniqueFd handle_;
  Mutex mutex_;
  Recent recent_ PAIL_GUARDED_BY(mutex_);  // last used first
  std::unordered_map<std::string, Recent::iterator> by_name_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::cache
