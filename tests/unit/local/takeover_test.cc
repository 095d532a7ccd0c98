#include "local/takeover.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <string>
#include <vector>

#include "../temporary_directory.h"
#include "pailfs/cos/fault.h"

namespace pail::local {
namespace {

namespace fs = std::filesystem;

void write(const fs::path& file, std::string_view text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file, std::ios::binary) << text;
}

std::string read(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<std::string> names_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) names.push_back(entry.path().filename());
  return names;
}

class TakeoverTest : public ::testing::Test {
 protected:
  TakeoverTest() {
    write(cache_ / "index/data.mdb", "the names");
    write(cache_ / "index/state", "closed");
    write(cache_ / "index/lock.mdb", "readers");
    write(cache_ / "index/lock", "12");
    write(cache_ / "staging/7.whole", "staged bytes");
    write(cache_ / "staging/8", "patch");
    write(cache_ / "staging/8.log", "log");
    write(cache_ / "kept/a.9", "kept bytes");
    write(cache_ / "descriptions/a.9.json", "{}");
    write(cache_ / "renames/3", "job");
    write(cache_ / "blocks/ab/abc", "block");
    write(cache_ / "mount.lock", "");
    fs::create_directories(state_);
    fs::permissions(state_, fs::perms::owner_all);
  }

  void expect_taken_over(const fs::path& state) {
    EXPECT_THAT(names_in(state / "names"), testing::UnorderedElementsAre("data.mdb", "state"));
    EXPECT_EQ(read(state / "names/data.mdb"), "the names");
    EXPECT_EQ(read(state / "staging/7.whole"), "staged bytes");
    EXPECT_EQ(read(state / "staging/8"), "patch");
    EXPECT_EQ(read(state / "staging/8.log"), "log");
    EXPECT_EQ(read(state / "kept/a.9"), "kept bytes");
    EXPECT_EQ(read(state / "descriptions/a.9.json"), "{}");
    EXPECT_EQ(read(state / "renames/3"), "job");
    EXPECT_FALSE(fs::exists(state / "names.tmp"));
    EXPECT_THAT(names_in(cache_), testing::UnorderedElementsAre("index", "blocks", "mount.lock", "CACHEDIR.TAG"));
    EXPECT_EQ(read(cache_ / "index/data.mdb"), "the names") << "the records of blocks are in it";
    EXPECT_FALSE(*is_of_one_directory(cache_));
  }

  TemporaryDirectory directory_;
  const fs::path cache_ = directory_.path() / "cache", state_ = directory_.path() / "state";
};

TEST_F(TakeoverTest, WhatMayNotBeLostMovesAndBlocksStay) {
  EXPECT_TRUE(*is_of_one_directory(cache_));
  const auto taken = take_over(cache_, state_);
  ASSERT_TRUE(taken) << taken.error().context;
  expect_taken_over(state_);
}

TEST_F(TakeoverTest, FilesAloneAreTakenOverToo) {
  fs::remove_all(cache_ / "index");
  EXPECT_TRUE(*is_of_one_directory(cache_));
  ASSERT_TRUE(take_over(cache_, state_));
  EXPECT_EQ(read(state_ / "staging/7.whole"), "staged bytes");
  EXPECT_FALSE(*is_of_one_directory(cache_));
}

TEST_F(TakeoverTest, OneThatWasCutShortIsBegunAnew) {
  write(state_ / "taking-over", cache_.string());
  write(state_ / "names.tmp/data.mdb", "the na");
  write(state_ / "names.tmp/range", "of another try");
  write(state_ / "staging/7.whole.tmp", "staged by");
  write(state_ / "staging/8", "patch");
  ASSERT_TRUE(take_over(cache_, state_));
  expect_taken_over(state_);
  EXPECT_FALSE(fs::exists(state_ / "staging/7.whole.tmp"));
}

TEST_F(TakeoverTest, OneThatWasCutShortWhileItRemovedIsEnded) {
  ASSERT_TRUE(take_over(cache_, state_));
  write(state_ / "taking-over", cache_.string());
  fs::remove(cache_ / "CACHEDIR.TAG");
  write(cache_ / "kept/a.9", "kept bytes");
  EXPECT_TRUE(*is_of_one_directory(cache_));
  ASSERT_TRUE(take_over(cache_, state_));
  expect_taken_over(state_);
  EXPECT_FALSE(fs::exists(state_ / "taking-over"));
}

TEST_F(TakeoverTest, WhatCannotBeCopiedLeavesEverythingWhereItWas) {
  fs::rename(cache_ / "descriptions", cache_ / "hidden");
  write(cache_ / "descriptions", "no folder, so the third step fails");
  EXPECT_FALSE(take_over(cache_, state_));
  EXPECT_EQ(read(cache_ / "staging/7.whole"), "staged bytes");
  EXPECT_EQ(read(cache_ / "staging/8.log"), "log");
  EXPECT_EQ(read(cache_ / "kept/a.9"), "kept bytes");
  EXPECT_THAT(names_in(state_), testing::IsEmpty());
  fs::remove(cache_ / "descriptions");
  fs::rename(cache_ / "hidden", cache_ / "descriptions");
  ASSERT_TRUE(take_over(cache_, state_));
  expect_taken_over(state_);
}

TEST_F(TakeoverTest, FilesThatLieInTheStateAreNotMixedWithOthers) {
  write(state_ / "staging/7.whole", "of another one");
  const auto taken = take_over(cache_, state_);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().fault, Fault::exists);
  EXPECT_EQ(read(state_ / "staging/7.whole"), "of another one");
  EXPECT_EQ(read(cache_ / "staging/7.whole"), "staged bytes");
}

TEST_F(TakeoverTest, AProcessThatStillWorksInItKeepsIt) {
  const int held = ::open((cache_ / "index/lock").c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX), 0);
  const auto taken = take_over(cache_, state_);
  ::close(held);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().fault, Fault::busy);
  EXPECT_EQ(read(cache_ / "staging/7.whole"), "staged bytes");
  EXPECT_THAT(names_in(state_), testing::IsEmpty());
}

TEST_F(TakeoverTest, FilesThatAnOlderVersionStagedBehindTheTagAreSeen) {
  ASSERT_TRUE(take_over(cache_, state_));
  write(cache_ / "staging/5.whole", "later bytes");
  EXPECT_TRUE(*is_of_one_directory(cache_));
}

TEST_F(TakeoverTest, OneThatWasCutShortBeforeItsLastStepIsEnded) {
  ASSERT_TRUE(take_over(cache_, state_));
  write(state_ / "names/data.mdb", "newer names");
  fs::remove(cache_ / "CACHEDIR.TAG");
  EXPECT_TRUE(*is_of_one_directory(cache_));
  ASSERT_TRUE(take_over(cache_, state_));
  EXPECT_EQ(read(state_ / "names/data.mdb"), "newer names");
  EXPECT_FALSE(*is_of_one_directory(cache_));
}

TEST_F(TakeoverTest, NamesThatAreThereAreNotReplaced) {
  write(state_ / "names/data.mdb", "other names");
  const auto taken = take_over(cache_, state_);
  EXPECT_EQ(errnum_of(taken), EEXIST);
  EXPECT_EQ(fault_of(taken), Fault::exists);
  EXPECT_EQ(read(state_ / "names/data.mdb"), "other names");
  EXPECT_EQ(read(cache_ / "staging/7.whole"), "staged bytes");
  EXPECT_TRUE(*is_of_one_directory(cache_));
}

TEST_F(TakeoverTest, ACacheIsToldFromADirectoryOfBoth) {
  const fs::path fresh = directory_.path() / "fresh";
  fs::create_directories(fresh);
  EXPECT_FALSE(*is_of_one_directory(fresh));
  write(fresh / "index/data.mdb", "blocks");
  ASSERT_TRUE(mark_as_cache(fresh));
  EXPECT_FALSE(*is_of_one_directory(fresh));
  EXPECT_TRUE(read(fresh / "CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

TEST_F(TakeoverTest, WorksAcrossDisksAndKeepsHolesAndTimes) {
  std::string place = "/dev/shm/pailfs-takeover-XXXXXX";
  struct stat here {
  }, there{};
  if (::mkdtemp(place.data()) == nullptr) GTEST_SKIP() << "no /dev/shm";
  ASSERT_EQ(::stat(place.c_str(), &there), 0);
  ASSERT_EQ(::stat(cache_.c_str(), &here), 0);
  const fs::path staged = cache_ / "staging/8";
  ASSERT_EQ(::truncate(staged.c_str(), 64 << 20), 0);
  const timespec times[2] = {{1000, 0}, {2000, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, staged.c_str(), times, 0), 0);
  const auto taken = take_over(cache_, place);
  struct stat moved {};
  const bool found = ::stat((fs::path(place) / "staging/8").c_str(), &moved) == 0;
  const std::string whole = read(fs::path(place) / "staging/7.whole");
  const std::vector<std::string> left = names_in(cache_);
  fs::remove_all(place);
  if (here.st_dev == there.st_dev) GTEST_SKIP() << "one disk";
  ASSERT_TRUE(taken) << taken.error().context;
  ASSERT_TRUE(found);
  EXPECT_EQ(moved.st_size, 64 << 20);
  EXPECT_LT(moved.st_blocks * 512, 1 << 20);
  EXPECT_EQ(moved.st_mtim.tv_sec, 2000);
  EXPECT_EQ(moved.st_mtim.tv_nsec, 5);
  EXPECT_EQ(whole, "staged bytes");
  EXPECT_THAT(left, testing::UnorderedElementsAre("index", "blocks", "mount.lock", "CACHEDIR.TAG"));
}

}  // namespace
}  // namespace pail::local
