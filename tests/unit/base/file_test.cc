// Files as several processes share them.
#include "base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "../temporary_directory.h"

namespace pail {
namespace {

class FileLockTest : public ::testing::Test {
 protected:
  UniqueFd opened() {
    auto file = open_file(path_, O_RDWR | O_CREAT);
    EXPECT_TRUE(file) << file.error().context;
    return file ? *std::move(file) : UniqueFd();
  }
  LockAttempt attempt(const UniqueFd& file) {
    const auto attempt = try_lock_file(file, path_);
    EXPECT_TRUE(attempt) << attempt.error().context;
    return attempt ? *attempt : LockAttempt::held_by_another;
  }

  TemporaryDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "lock";
};

TEST_F(FileLockTest, OneHasItUntilItCloses) {
  const UniqueFd second = opened();
  {
    const UniqueFd first = opened();
    EXPECT_EQ(attempt(first), LockAttempt::taken);
    EXPECT_EQ(attempt(first), LockAttempt::taken) << "who has it is not another";
    EXPECT_EQ(attempt(second), LockAttempt::held_by_another);
  }
  EXPECT_EQ(attempt(second), LockAttempt::taken);
}

TEST_F(FileLockTest, WhatCannotBeLockedIsNotHeldByAnother) {
  const auto attempt = try_lock_file(UniqueFd(), path_);
  ASSERT_FALSE(attempt);
  EXPECT_EQ(attempt.error().errnum, EBADF);
  EXPECT_NE(attempt.error().context.find(path_.string()), std::string::npos);
}

TEST(OpenFile, AFifoIsRefusedAtOnceInsteadOfWaitingForItsOtherEnd) {
  const TemporaryDirectory directory;
  const auto path = directory.path() / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  for (const int flags : {O_RDONLY, O_WRONLY, O_RDWR, O_WRONLY | O_CREAT | O_TRUNC}) {
    const auto opened = open_file(path, flags);
    ASSERT_FALSE(opened) << flags;
    EXPECT_EQ(opened.error().errnum, EINVAL);
    EXPECT_EQ(opened.error().context, path.string() + ": not a regular file");
  }
  EXPECT_EQ(errnum_of(read_file(path, 1_KiB)), EINVAL);
}

TEST(OpenFile, ADirectoryIsNoFileAndAFileIsNoDirectory) {
  const TemporaryDirectory directory;
  EXPECT_EQ(errnum_of(open_file(directory.path(), O_RDONLY)), EINVAL);
  ASSERT_TRUE(write_file_atomically(directory.path() / "file", "content"));
  EXPECT_TRUE(open_file(directory.path() / "file", O_RDONLY));
  EXPECT_EQ(errnum_of(open_file(directory.path() / "file", O_RDONLY | O_DIRECTORY)), ENOTDIR);
  EXPECT_TRUE(open_file(directory.path(), O_RDONLY | O_DIRECTORY));
}

TEST(WriteFileAtomically, LeavesNothingWhereTheFileCannotBeReplaced) {
  const TemporaryDirectory directory;
  std::filesystem::create_directory(directory.path() / "file");
  EXPECT_FALSE(write_file_atomically(directory.path() / "file", "content"));
  std::filesystem::remove(directory.path() / "file");
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST(WriteFileAtomically, LeavesNothingWhereThereIsNoRoomAndNamesTheFile) {
  const TemporaryDirectory directory;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit none{0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  const auto written = write_file_atomically(directory.path() / "file", "content");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().context.find(directory.path() / "file"), std::string::npos) << written.error().context;
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

// ---- private directories ----

class PrivateDirectoryTest : public testing::Test {
 protected:
  void SetUp() override { umask_ = ::umask(0); }
  void TearDown() override { ::umask(umask_); }

  unsigned mode_of(const std::filesystem::path& below) const {
    struct stat status {};
    EXPECT_EQ(::stat((directory_.path() / below).c_str(), &status), 0) << below;
    return status.st_mode & 07777u;
  }

  const TemporaryDirectory directory_;
  mode_t umask_ = 0;
};

TEST_F(PrivateDirectoryTest, OthersMayNotWriteToItsParentsWhateverTheUmask) {
  ASSERT_TRUE(make_private_directory(directory_.path() / "a" / "b" / "c"));
  EXPECT_EQ(mode_of("a"), 0755u);
  EXPECT_EQ(mode_of("a/b"), 0755u);
  EXPECT_EQ(mode_of("a/b/c"), 0700u);
}

TEST_F(PrivateDirectoryTest, AStrictUmaskHoldsForItsParents) {
  ::umask(077);
  ASSERT_TRUE(make_private_directory(directory_.path() / "a" / "b"));
  EXPECT_EQ(mode_of("a"), 0700u);
}

TEST_F(PrivateDirectoryTest, OneThatIsThereIsTakenAlsoThroughALink) {
  ASSERT_TRUE(make_private_directory(directory_.path() / "a"));
  std::filesystem::create_directory_symlink("a", directory_.path() / "link");
  EXPECT_TRUE(make_private_directory(directory_.path() / "link"));
  EXPECT_TRUE(make_private_directory(directory_.path() / "link" / "b" / "c"));
  EXPECT_EQ(mode_of("a/b/c"), 0700u);
}

TEST_F(PrivateDirectoryTest, WhereAParentCannotBeMadeTheErrorNamesIt) {
  std::filesystem::create_directory_symlink("nowhere", directory_.path() / "link");
  ASSERT_TRUE(write_file_atomically(directory_.path() / "file", ""));
  EXPECT_EQ(errnum_of(make_private_directory(directory_.path() / "file" / "a" / "b")), ENOTDIR);
  const auto made = make_private_directory(directory_.path() / "link" / "a");
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().context.find((directory_.path() / "link").string()), std::string::npos);
}

TEST_F(PrivateDirectoryTest, AFolderOfADirectoryThatIsGoneIsNotMadeWithIt) {
  EXPECT_EQ(errnum_of(make_private_folder(directory_.path() / "gone" / "folder")), ENOENT);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "gone"));
  EXPECT_TRUE(make_private_folder(directory_.path() / "folder"));
  EXPECT_EQ(mode_of("folder"), 0700u);
}

}  // namespace
}  // namespace pail
