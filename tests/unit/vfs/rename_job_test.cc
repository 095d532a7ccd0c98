#include "vfs/rename_job.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <fstream>

namespace pail::vfs {
namespace {

bool operator==(const CopiedObject& a, const CopiedObject& b) {
  return a.below == b.below && a.size == b.size && a.etag == b.etag && a.modified == b.modified && a.copy == b.copy;
}

class RenameJobTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-job-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    path_ = directory_ / "renames" / "7";
    auto job = RenameJob::create(path_, {"old/dir", "new/dir"});
    ASSERT_TRUE(job) << job.error().context;
    ASSERT_TRUE(job->add({{"_$folder$", {0}, {"\"e\""}, WallTime(std::chrono::seconds(5)), {"\"e\""}, {}}}));
    ASSERT_TRUE(job->add({}));
    EXPECT_FALSE(job->etags_changed());
    ASSERT_TRUE(job->add({first_, second_}));
    EXPECT_TRUE(job->etags_changed());
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Objects up to the end or the first damage, whose errno stands in `failed`.
  std::vector<CopiedObject> read(int* failed = nullptr) {
    std::vector<CopiedObject> objects;
    auto reader = RenameJobReader::open(path_);
    if (failed != nullptr) *failed = errnum_of(reader);
    if (!reader) return objects;
    RenameJobCursor cursor(std::move(*reader));
    for (;; cursor.advance()) {
      const auto object = cursor.get();
      if (failed != nullptr) *failed = errnum_of(object);
      if (!object || *object == nullptr) return objects;
      objects.push_back(**object);
    }
  }

  const CopiedObject first_{"/a", {1}, {"\"1\""}, WallTime(std::chrono::nanoseconds(1'500'000'001)), {"\"1\""}};
  const CopiedObject second_{"/b/c", {20'000'000}, {"\"2-2\""}, WallTime(std::chrono::seconds(9)), {"\"3\""}};
  std::filesystem::path directory_, path_;
};

TEST_F(RenameJobTest, GivesBackWhatWasPutInInItsOrder) {
  auto reader = RenameJobReader::open(path_);
  ASSERT_TRUE(reader);
  EXPECT_EQ(reader->keys().from, "old/dir");
  EXPECT_EQ(reader->keys().to, "new/dir");
  int failed = -1;
  const auto objects = read(&failed);
  EXPECT_EQ(failed, 0);
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[0].below, "_$folder$");
  EXPECT_TRUE(objects[1] == first_);
  EXPECT_TRUE(objects[2] == second_);
}

TEST_F(RenameJobTest, ATornEndCountsAsNotCopied) {
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) - 1);
  int failed = 0;
  EXPECT_EQ(read(&failed).size(), 1u);
  EXPECT_EQ(failed, EBADMSG);
}

TEST_F(RenameJobTest, ADamagedPageCountsAsNotCopied) {
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('!');
  }
  int failed = 0;
  EXPECT_EQ(read(&failed).size(), 1u);
  EXPECT_EQ(failed, EBADMSG);
}

TEST_F(RenameJobTest, WhatBeginsAsNoJobIsNone) {
  std::ofstream(path_) << std::string(100, 'x');
  EXPECT_EQ(errnum_of(RenameJobReader::open(path_)), EBADMSG);
  std::ofstream(path_, std::ios::trunc).close();
  EXPECT_EQ(errnum_of(RenameJobReader::open(path_)), EBADMSG);
  std::filesystem::remove(path_);
  EXPECT_EQ(errnum_of(RenameJobReader::open(path_)), ENOENT);
}

TEST_F(RenameJobTest, AStateDirectoryThatIsGoneIsNamedAndNotMadeAnew) {
  std::filesystem::remove_all(directory_);
  const auto job = RenameJob::create(path_, {"old/dir", "new/dir"});
  ASSERT_FALSE(job);
  EXPECT_EQ(job.error().errnum, EIO);
  EXPECT_NE(job.error().context.find(directory_.string() + ": the directory is gone"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_));
}

}  // namespace
}  // namespace pail::vfs
