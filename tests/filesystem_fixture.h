// A file system driven without a mount, as a front end does it; which bucket it shows is the test's.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cos/object_store.h"
#include "pailfs/base/stop.h"
#include "vfs/filesystem.h"

namespace pail::vfs {

inline constexpr char kBucket[] = "demo";

// Bytes that repeat every 251, a prime: a block or part in the wrong place shows.
std::string ramp(std::size_t size, unsigned seed = 0);

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// An open file. Number 0: it could not be opened, and the test has failed.
struct Handle {
  InodeNumber number = 0;
  std::uint64_t handle = 0;
};

class FileSystemTest : public testing::Test {
 protected:
  virtual std::shared_ptr<cos::ObjectStore> object_store() const = 0;
  // Whose bucket, and where its local state lies.
  void use_directory(const std::filesystem::path& directory);

  // Starts, or ends and starts again. `resume` is what a new worker does after a kill: the old one is dropped without
  // anything being stored.
  void start(Start how = Start::fresh);
  void resume() { start(Start::resume); }
  // As a mount with an empty cache: nothing is known.
  void start_cold();

  InodeNumber look(std::string_view path, InodeNumber from = kRootInode);  // 0: not there
  Attributes attributes(std::string_view path);
  std::string read(std::string_view path);
  std::string read_open(InodeNumber number, std::uint64_t handle, std::size_t size, int* errnum = nullptr);
  // Creates or replaces a file as open(O_CREAT|O_TRUNC), write, close do; returns the errno of close.
  int write(std::string_view path, std::string_view content);
  std::vector<std::string> names(std::string_view path, std::size_t most = 100);  // so many a page
  // The size that a listing of the root with attributes shows; none where it shows none.
  std::optional<std::uint64_t> listed_size(std::string_view name);
  int rename(std::string_view from, std::string_view to, RenameMode mode = RenameMode::replace);
  int unlink(std::string_view path);
  int mkdir(std::string_view path);
  int rmdir(std::string_view path);

  // Files that stay open; numbers are errnos.
  Handle create(std::string_view path);  // as open(O_CREAT|O_TRUNC|O_WRONLY)
  Handle make(std::string_view path, std::string_view text);
  Handle open(std::string_view path, int flags = O_RDWR);
  int write_to(Handle file, std::string_view text, std::uint64_t at = 0);
  int fsync(Handle file);
  int flush(Handle file, const StopToken& stop = {});
  std::future<int> flush_beside(Handle file, const StopToken& stop = {});  // in a thread of its own
  void close(Handle file);  // what follows the flush of the last descriptor

  // The bytes that were set aside for people to find, by the names of their files.
  std::vector<std::string> kept();

  Request request();
  std::pair<InodeNumber, std::string> parent_of(std::string_view path);

  Options options_{system_clock()};
  std::shared_ptr<OpenTable> opens_;
  std::unique_ptr<FileSystem> fs_;
  std::atomic<std::uint64_t> unique_{2};  // requests may come from several threads
};

}  // namespace pail::vfs
