#include "local/environment/state_file.h"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../temporary_directory.h"
#include "local/names/index.h"
#include "memory_journal.h"

namespace pail::local {

// The files and directories that were synced, in order.
std::vector<std::string>* syncs = nullptr;

}  // namespace pail::local

// Stands before libc's.
extern "C" int fsync(int fd) {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), failed);
  if (pail::local::syncs != nullptr) pail::local::syncs->push_back(path.filename().string());
  return static_cast<int>(::syscall(SYS_fsync, fd));
}

namespace pail::local {
namespace {

TEST(IndexState, ThatItIsOpenIsOnDiskWithItsDirectoryEntry) {
  const TemporaryDirectory directory;
  const auto journal = memory_journal();
  std::vector<std::string> synced;
  syncs = &synced;
  const auto index = Index::open(directory.path() / "index", "https://cos.example/bucket/", system_clock(), *journal);
  syncs = nullptr;
  ASSERT_TRUE(index) << index.error().context;
  ASSERT_GE(synced.size(), 2u);
  EXPECT_EQ(synced[0], "state");
  EXPECT_EQ(synced[1], "index");
}

}  // namespace
}  // namespace pail::local
