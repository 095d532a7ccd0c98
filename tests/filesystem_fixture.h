// A file system driven without a mount, as a front end does it; which bucket it shows is the test's.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cos/object_store.h"
#include "vfs/filesystem.h"

namespace pail::vfs {

inline constexpr char kBucket[] = "demo";

// Bytes that repeat every 251, a prime: a block or part in the wrong place shows.
std::string ramp(std::size_t size, unsigned seed = 0);

inline std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

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
  std::pair<InodeNumber, std::uint64_t> create(std::string_view path);
  std::pair<InodeNumber, std::uint64_t> open(std::string_view path, int flags);
  std::vector<std::string> names(std::string_view path);
  int rename(std::string_view from, std::string_view to, RenameMode mode = RenameMode::replace);
  int unlink(std::string_view path);
  int mkdir(std::string_view path);
  int rmdir(std::string_view path);

  Request request();
  std::pair<InodeNumber, std::string> parent_of(std::string_view path);

  Options options_{system_clock()};
  std::shared_ptr<OpenTable> opens_;
  std::unique_ptr<FileSystem> fs_;
  std::atomic<std::uint64_t> unique_{2};  // requests may come from several threads
};

}  // namespace pail::vfs
