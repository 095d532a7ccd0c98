#include "cli/cache_directory.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <string>

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
