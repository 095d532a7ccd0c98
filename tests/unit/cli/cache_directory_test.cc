#include "cli/cache_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
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

  std::string refusal(const std::filesystem::path& root) {
    const auto taken = take_cache_directory(root, "https://s3", {"bucket", ""});
    EXPECT_EQ(errnum_of(taken), EACCES);
    return taken ? "" : taken.error().context;
  }
  std::filesystem::path make(std::string_view name, std::filesystem::perms mode) {
    const std::filesystem::path path = root_ / name;
    std::filesystem::create_directory(path);
    std::filesystem::permissions(path, mode);
    return path;
  }

  std::filesystem::path root_;
};

using std::filesystem::perms;
using ::testing::AllOf;
using ::testing::HasSubstr;
constexpr uid_t kStranger = 12345;

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

TEST_F(CacheDirectoryTest, IsNotTakenBelowADirectoryThatOthersMayWriteTo) {
  const auto open = make("open", perms::all);
  EXPECT_THAT(refusal(open / "cache"), AllOf(HasSubstr(open.string()), HasSubstr("chmod go-w " + open.string())));
  EXPECT_FALSE(std::filesystem::exists(open / "cache"));
}
TEST_F(CacheDirectoryTest, IsTakenBelowAStickyDirectory) {
  const auto sticky = make("sticky", perms::all | perms::sticky_bit);
  EXPECT_TRUE(take_cache_directory(sticky / "cache", "https://s3", {"bucket", ""}));
}
TEST_F(CacheDirectoryTest, IsNotTakenBelowADirectoryOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto home = make("home", perms::owner_all);
  ASSERT_EQ(::chown(home.c_str(), kStranger, kStranger), 0);
  EXPECT_THAT(refusal(home / "cache"), AllOf(HasSubstr(home.string()), HasSubstr("belongs to user 12345")));
  EXPECT_FALSE(std::filesystem::exists(home / "cache"));
}
TEST_F(CacheDirectoryTest, IsNotTakenThroughALinkOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto sticky = make("sticky", perms::all | perms::sticky_bit), target = make("target", perms::owner_all);
  std::filesystem::create_symlink(target, sticky / "link");
  ASSERT_EQ(::lchown((sticky / "link").c_str(), kStranger, kStranger), 0);
  EXPECT_THAT(refusal(sticky / "link"), AllOf(HasSubstr("link"), HasSubstr("user 12345")));
  EXPECT_TRUE(std::filesystem::is_empty(target));
}
TEST_F(CacheDirectoryTest, IsTakenThroughALinkOfOurOwnAndKnownByItsRealPath) {
  const auto target = make("target", perms::owner_all);
  std::filesystem::create_symlink("target", root_ / "link");
  const auto taken = take_cache_directory(root_ / "link" / "." / "below" / "..", "https://s3", {"bucket", ""});
  ASSERT_TRUE(taken) << taken.error().context;
  EXPECT_EQ(taken->path.parent_path(), target);
}

TEST(DefaultCacheRoot, IsAnAbsolutePath) {
  const auto root = default_cache_root();
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_absolute());
}

}  // namespace
}  // namespace pail::cli
