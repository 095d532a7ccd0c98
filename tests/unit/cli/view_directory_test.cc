#include "cli/view_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>

#include "cli/mount_records.h"

namespace pail::cli {
namespace {

constexpr uid_t kStranger = 12345;

class ViewDirectoryTest : public ::testing::Test {
 protected:
  ViewDirectoryTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-XXXXXX").string();
    root_ = ::mkdtemp(pattern.data());
  }
  ~ViewDirectoryTest() override { std::filesystem::remove_all(root_); }

  ViewDirectory take(std::string_view url, const Source& source) {
    auto taken = take_view_directory(root_, url, source);
    EXPECT_TRUE(taken) << taken.error().context;
    return *std::move(taken);
  }

  std::string refusal(const std::filesystem::path& root) {
    const auto taken = take_view_directory(root, "https://s3", {"bucket", ""});
    EXPECT_EQ(errnum_of(taken), EACCES);
    return taken ? "" : taken.error().context;
  }
  std::string refusal_for_a_user() {
    EXPECT_EQ(::seteuid(kStranger), 0);
    std::string said = refusal(root_);
    EXPECT_EQ(::seteuid(0), 0);
    return said;
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
using ::testing::Not;

TEST_F(ViewDirectoryTest, IsTheSameForTheNextMountOfAView) {
  const auto first = take("https://s3", {"bucket", ""}).path;
  EXPECT_EQ(take("https://s3", {"bucket", ""}).path, first);
}
TEST_F(ViewDirectoryTest, DiffersBetweenEndpointsBucketsAndPrefixes) {
  const auto bucket = take("https://s3", {"bucket", ""});
  EXPECT_NE(take("https://s4", {"bucket", ""}).path, bucket.path);
  EXPECT_NE(take("https://s3", {"other", ""}).path, bucket.path);
  EXPECT_NE(take("https://s3", {"bucket", "p/"}).path, bucket.path);
}
TEST_F(ViewDirectoryTest, ASecondMountOfTheViewGetsASibling) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto second = take("https://s3", {"bucket", ""});
  EXPECT_EQ(second.path, first.path.string() + "-2");
}
TEST_F(ViewDirectoryTest, IsWaitedForWhileItsMountEnds) {
  auto record = create_record(root_ / "mnt");
  ASSERT_TRUE(record) << record.error().context;
  auto first = take_view_directory(root_, "https://s3", {"bucket", ""}, {record->path, {}});
  ASSERT_TRUE(first);
  fuse::record_ending(record->file.get());
  std::thread ends([&] {
    first->lock.reset();
    record->file.reset();
  });
  const auto second = take_view_directory(root_, "https://s3", {"bucket", ""}, {{}, std::chrono::seconds(30)});
  ends.join();
  ::unlink(record->path.c_str());
  ASSERT_TRUE(second);
  EXPECT_EQ(second->path, first->path);
}
TEST_F(ViewDirectoryTest, SiblingsThatNobodyHoldsAreFound) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto left = take("https://s3", {"bucket", ""}).path;
  const auto found = take_left_siblings(first.path);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, left);
}
TEST_F(ViewDirectoryTest, SiblingsThatAreHeldAreLeftAlone) {
  const auto first = take("https://s3", {"bucket", ""});
  const auto second = take("https://s3", {"bucket", ""});
  EXPECT_TRUE(take_left_siblings(first.path).empty());
  EXPECT_TRUE(take_left_siblings(second.path).empty());
}
TEST_F(ViewDirectoryTest, IsPrivate) {
  struct stat st {};
  ASSERT_EQ(::stat(take("https://s3", {"bucket", ""}).path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0700u);
}
TEST_F(ViewDirectoryTest, IsNotTakenFromADirectoryThatOthersMayWriteTo) {
  const auto path = take("https://s3", {"bucket", ""}).path;
  std::filesystem::permissions(path, std::filesystem::perms::all);
  EXPECT_THAT(refusal(root_), AllOf(HasSubstr("chmod go-w " + path.string()), Not(HasSubstr("chown"))));
}
TEST_F(ViewDirectoryTest, OneOfAnotherUserIsNotHelpedByItsMode) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto path = take("https://s3", {"bucket", ""}).path;
  ASSERT_EQ(::chown(path.c_str(), kStranger, kStranger), 0);
  EXPECT_THAT(refusal(root_), AllOf(HasSubstr("belongs to user 12345"), HasSubstr("run this as that user"),
                                    HasSubstr("a directory of your own"), Not(HasSubstr("chmod"))));
}
TEST_F(ViewDirectoryTest, OneOfRootIsNotGivenToAUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  std::filesystem::permissions(root_, static_cast<perms>(0755));
  take("https://s3", {"bucket", ""});
  EXPECT_THAT(refusal_for_a_user(), AllOf(HasSubstr("belongs to root (user 0)"), HasSubstr("another directory"),
                                          Not(HasSubstr("chown")), Not(HasSubstr("chmod"))));
}

TEST_F(ViewDirectoryTest, IsNotTakenBelowADirectoryThatOthersMayWriteTo) {
  const auto open = make("open", perms::all);
  EXPECT_THAT(refusal(open / "cache"), AllOf(HasSubstr(open.string()), HasSubstr("chmod go-w " + open.string())));
  EXPECT_FALSE(std::filesystem::exists(open / "cache"));
}
TEST_F(ViewDirectoryTest, IsTakenBelowAStickyDirectory) {
  const auto sticky = make("sticky", perms::all | perms::sticky_bit);
  EXPECT_TRUE(take_view_directory(sticky / "cache", "https://s3", {"bucket", ""}));
}
TEST_F(ViewDirectoryTest, IsNotTakenBelowADirectoryOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto home = make("home", perms::owner_all);
  ASSERT_EQ(::chown(home.c_str(), kStranger, kStranger), 0);
  EXPECT_THAT(refusal(home / "cache"), AllOf(HasSubstr(home.string()), HasSubstr("belongs to user 12345")));
  EXPECT_FALSE(std::filesystem::exists(home / "cache"));
}
TEST_F(ViewDirectoryTest, IsNotTakenThroughALinkOfAnotherUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto sticky = make("sticky", perms::all | perms::sticky_bit), target = make("target", perms::owner_all);
  std::filesystem::create_symlink(target, sticky / "link");
  ASSERT_EQ(::lchown((sticky / "link").c_str(), kStranger, kStranger), 0);
  EXPECT_THAT(refusal(sticky / "link"), AllOf(HasSubstr("link"), HasSubstr("user 12345")));
  EXPECT_TRUE(std::filesystem::is_empty(target));
}
TEST_F(ViewDirectoryTest, IsTakenThroughALinkOfOurOwnAndKnownByItsRealPath) {
  const auto target = make("target", perms::owner_all);
  std::filesystem::create_symlink("target", root_ / "link");
  const auto taken = take_view_directory(root_ / "link" / "." / "below" / "..", "https://s3", {"bucket", ""});
  ASSERT_TRUE(taken) << taken.error().context;
  EXPECT_EQ(taken->path.parent_path(), target);
}

class ViewDirectoriesTest : public ViewDirectoryTest {
 protected:
  ViewDirectories take_both() {
    auto taken = take_view_directories(roots_, "https://s3", {"bucket", ""});
    EXPECT_TRUE(taken) << taken.error().context;
    return *std::move(taken);
  }
  static void write(const std::filesystem::path& file, std::string_view text) {
    std::filesystem::create_directories(file.parent_path());
    std::filesystem::permissions(file.parent_path(), perms::owner_all);
    std::ofstream(file) << text;
  }
  // As version 0.1.0 left it, with a file that was never stored.
  void make_old(const std::filesystem::path& cache, std::string_view staged) {
    std::filesystem::remove(cache / "CACHEDIR.TAG");
    write(cache / "index/data.mdb", "names");
    write(cache / "staging/7.whole", staged);
  }

  const Roots roots_{root_ / "state", root_ / "cache"};
};

TEST_F(ViewDirectoriesTest, HaveTheNameOfTheViewInBothRoots) {
  const auto own = take_both();
  EXPECT_EQ(own.state.path.parent_path(), roots_.state);
  EXPECT_EQ(own.cache.path.parent_path(), roots_.cache);
  EXPECT_EQ(own.state.path.filename(), own.cache.path.filename());
}
TEST_F(ViewDirectoriesTest, ASecondMountSharesNeither) {
  const auto first = take_both(), second = take_both();
  EXPECT_NE(first.state.path, second.state.path);
  EXPECT_NE(first.cache.path, second.cache.path);
}
TEST_F(ViewDirectoriesTest, WhatAnOlderVersionKeptIsTakenOver) {
  make_old(take_both().cache.path, "bytes");
  std::filesystem::remove_all(roots_.state);
  const auto own = take_both();
  EXPECT_TRUE(std::filesystem::exists(own.state.path / "names/data.mdb"));
  EXPECT_TRUE(std::filesystem::exists(own.state.path / "staging/7.whole"));
}
TEST_F(ViewDirectoriesTest, WhatAnOlderVersionKeptBesideNamesIsLeftToBeSwept) {
  const auto cache = take_both().cache.path;
  write(take_both().state.path / "names/data.mdb", "newer names");
  make_old(cache, "bytes");
  const auto own = take_both();
  EXPECT_FALSE(std::filesystem::exists(own.state.path / "staging/7.whole"));
  const auto left = take_left_siblings(own.state.path);
  ASSERT_EQ(left.size(), 1u);
  EXPECT_TRUE(std::filesystem::exists(left[0].path / "staging/7.whole"));
}
TEST_F(ViewDirectoriesTest, SiblingsOfAnOlderVersionAreTakenOverToo) {
  std::filesystem::path sibling;
  {
    const auto first = take_both(), second = take_both();
    sibling = second.cache.path;
  }
  make_old(sibling, "bytes of the second");
  const auto own = take_both();
  EXPECT_FALSE(std::filesystem::exists(sibling / "staging"));
  EXPECT_TRUE(std::filesystem::exists(own.state.path / "staging/7.whole") ||
              std::filesystem::exists(own.state.path.string() + "-2/staging/7.whole"));
}
TEST_F(ViewDirectoriesTest, WhereSiblingsHaveNamesTooAnotherOneIsTaken) {
  std::filesystem::path cache;
  {
    const auto first = take_both(), second = take_both();
    write(first.state.path / "names/data.mdb", "newer names");
    write(second.state.path / "names/data.mdb", "names of the second");
    cache = first.cache.path;
  }
  make_old(cache, "bytes");
  const auto own = take_both();
  EXPECT_TRUE(std::filesystem::exists(own.state.path.string() + "-3/staging/7.whole"));
}
TEST_F(ViewDirectoriesTest, ASiblingOfAnotherUserIsNotTakenOver) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto sticky = make("sticky", perms::all | perms::sticky_bit);
  const Roots roots{root_ / "state", sticky};
  std::filesystem::path theirs;
  {
    const auto own = take_view_directories(roots, "https://s3", {"bucket", ""});
    ASSERT_TRUE(own) << own.error().context;
    theirs = own->cache.path.string() + "-2";
  }
  write(root_ / "victim/secret", "a file of ours");
  std::filesystem::create_directory(theirs);
  std::filesystem::create_symlink(root_ / "victim", theirs / "staging");
  write(theirs / "mount.lock", "");
  for (const auto& path : {theirs, theirs / "mount.lock"}) ASSERT_EQ(::lchown(path.c_str(), kStranger, kStranger), 0);
  ASSERT_TRUE(take_view_directories(roots, "https://s3", {"bucket", ""}));
  EXPECT_TRUE(std::filesystem::exists(root_ / "victim/secret"));
  EXPECT_FALSE(std::filesystem::exists(theirs / "CACHEDIR.TAG"));
}
TEST_F(ViewDirectoriesTest, ThatOfAMountThatRunsIsLeftAlone) {
  const auto older = take_both();
  make_old(older.cache.path, "being written");
  const auto own = take_both();
  EXPECT_TRUE(std::filesystem::exists(older.cache.path / "staging/7.whole"));
}
TEST_F(ViewDirectoriesTest, AnErrorNamesTheDirectoryAndItsOption) {
  const auto refusal = [](const Roots& roots) {
    const auto taken = take_view_directories(roots, "https://s3", {"bucket", ""});
    return taken ? "" : taken.error().context;
  };
  std::ofstream(root_ / "file") << "in the way";
  EXPECT_THAT(refusal({root_ / "file", root_ / "cache"}), HasSubstr("-o state_dir=" + (root_ / "file").string()));
  EXPECT_THAT(refusal({root_ / "state", root_ / "file"}), HasSubstr("-o cache_dir=" + (root_ / "file").string()));
}

TEST(RootsTest, AreThoseOfTheOptions) {
  const auto roots = roots_of({.state_dir = "/a", .cache_dir = "/b"});
  ASSERT_TRUE(roots);
  EXPECT_EQ(roots->state, "/a");
  EXPECT_EQ(roots->cache, "/b");
}
TEST(RootsTest, MayNotBeTheSame) {
  const auto roots = roots_of({.state_dir = "/a/b", .cache_dir = "/a/./b"});
  ASSERT_FALSE(roots);
  EXPECT_EQ(roots.error().errnum, EINVAL);
  EXPECT_THAT(roots.error().context, AllOf(HasSubstr("state_dir"), HasSubstr("cache_dir")));
}
TEST(RootsTest, WhatMayNotBeLostDoesNotLieInACacheThatMayBeRemoved) {
  const auto roots = roots_of({.state_dir = "/cache/x/../state", .cache_dir = "/cache/"});
  ASSERT_FALSE(roots);
  EXPECT_EQ(roots.error().errnum, EINVAL);
  EXPECT_THAT(roots.error().context,
              AllOf(HasSubstr("state_dir=/cache/state"), HasSubstr("cache_dir=/cache"), HasSubstr("removed")));
  EXPECT_TRUE(roots_of({.state_dir = "/cache-of-state", .cache_dir = "/cache"}));
  EXPECT_TRUE(roots_of({.state_dir = "/state", .cache_dir = "/state/cache"}));
}
TEST_F(ViewDirectoryTest, AStateBelowTheCacheIsSeenThroughLinks) {
  make("cache", perms::owner_all);
  std::filesystem::create_directory_symlink(root_ / "cache", root_ / "link");
  EXPECT_EQ(errnum_of(roots_of({.state_dir = root_ / "link/state", .cache_dir = root_ / "cache"})), EINVAL);
  EXPECT_EQ(errnum_of(roots_of({.state_dir = root_ / "cache/state", .cache_dir = root_ / "link"})), EINVAL);
}

TEST(DefaultStateRoot, IsAnotherOneThanThatOfTheCache) {
  const auto state = default_state_root(), cache = default_cache_root();
  ASSERT_TRUE(state && cache);
  EXPECT_TRUE(state->is_absolute());
  EXPECT_NE(*state, *cache);
}

TEST(DefaultCacheRoot, IsAnAbsolutePath) {
  const auto root = default_cache_root();
  ASSERT_TRUE(root);
  EXPECT_TRUE(root->is_absolute());
}

}  // namespace
}  // namespace pail::cli
