#include "cli/cache_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <thread>

#include "cli/mount_records.h"

namespace pail::cli {
namespace {

class CacheDirectoryTest : public ::testing::Test {
 protected:
  CacheDirectoryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~CacheDirectoryTest() override { std::filesystem::remove_all(root_); }

  CacheDirectory take(std::string_view url, const Source& source) {
    auto taken = take_cache_directory(root_, url, source);
    EXPECT_TRUE(taken) << taken.error().context;
    return *std::move(taken);
  }

  std::filesystem::path root_;
};

TEST_F(CacheDirectoryTest, IsTheSameForTheNextMountOfAView) {
  const auto first = take("https://s3", {"bucket", ""}).path;
  EXPECT_EQ(take("https://s3", {"bucket", ""}).path, first);
}
TEST_F(CacheDirectoryTest, DiffersBetweenEndpointsBucketsAndPrefixes) {
  const auto bucket = take("https://s3", {"bucket", ""});
  EXPECT_NE(take("https://s4", {"bucket", ""}).path, bucket.path);
  EXPECT_NE(take("https://s3", {"other", ""}).path, bucket.path);
  EXPECT_NE(take("https://s3", {"bucket", "p/"}).path, bucket.path);
}
TEST_F(CacheDirectoryTest, ASecondMountOfTheViewGetsASibling) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto second = take("https://s3", {"bucket", ""});
  EXPECT_EQ(second.path, first.path.string() + "-2");
}
TEST_F(CacheDirectoryTest, IsWaitedForWhileItsMountEnds) {
  auto record = create_record(root_ / "mnt");
  ASSERT_TRUE(record) << record.error().context;
  auto first = take_cache_directory(root_, "https://s3", {"bucket", ""}, {record->path, {}});
  ASSERT_TRUE(first);
  fuse::record_ending(record->file.get());
  std::thread ends([&] {
    first->lock.reset();
    record->file.reset();
  });
  const auto second = take_cache_directory(root_, "https://s3", {"bucket", ""}, {{}, std::chrono::seconds(30)});
  ends.join();
  ::unlink(record->path.c_str());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->path, first->path);
}
TEST_F(CacheDirectoryTest, SiblingsThatNobodyHoldsAreFound) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto left = take("https://s3", {"bucket", ""}).path;
  const auto found = take_left_siblings(first.path);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, left);
}
TEST_F(CacheDirectoryTest, SiblingsThatAreHeldAreLeftAlone) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto second = take("https://s3", {"bucket", ""});
  EXPECT_TRUE(take_left_siblings(first.path).empty());
  EXPECT_TRUE(take_left_siblings(second.path).empty());
}
TEST_F(CacheDirectoryTest, IsPrivate) {
  struct stat st {};
  ASSERT_EQ(::stat(take("https://s3", {"bucket", ""}).path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}
TEST_F(CacheDirectoryTest, IsNotTakenFromADirectoryThatOthersMayWriteTo) {
  const auto path = take("https://s3", {"bucket", ""}).path;
  std::filesystem::permissions(path, std::filesystem::perms::all);
  EXPECT_FALSE(take_cache_directory(root_, "https://s3", {"bucket", ""}));
}

TEST(DefaultCacheRoot, IsAnAbsolutePath) {
  const auto root = default_cache_root();
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_absolute());
}

}  // namespace
}  // namespace pail::cli
