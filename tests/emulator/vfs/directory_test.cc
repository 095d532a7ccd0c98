#include <gmock/gmock.h>

#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

using DirectoryTest = VfsTest;

TEST_F(DirectoryTest, KeysWithSlashesAreDirectories) {
  put("a/b/c.txt", "1");
  put("a/d.txt", "22");
  put("e.txt", "333");
  EXPECT_THAT(names(""), UnorderedElementsAre("a", "e.txt"));
  EXPECT_THAT(names("a"), UnorderedElementsAre("b", "d.txt"));
  EXPECT_EQ(attributes("a").type, FileType::directory);
  EXPECT_EQ(attributes("a/d.txt").size.n, 2u);
  EXPECT_EQ(read("a/b/c.txt"), "1");
}

TEST_F(DirectoryTest, MarkersOfAllConventionsAreDirectories) {
  put("slash/", "");
  put("folder_$folder$", "");
  put("plain", "", {{}, {{"mode", "16877"}}});
  EXPECT_THAT(names(""), UnorderedElementsAre("slash", "folder", "plain"));
  EXPECT_EQ(attributes("slash").type, FileType::directory);
  EXPECT_EQ(attributes("folder").type, FileType::directory);
  EXPECT_EQ(attributes("plain").type, FileType::directory);
}

TEST_F(DirectoryTest, AnAbsentNameIsAskedForOnce) {
  EXPECT_EQ(look("missing"), 0u);
  EXPECT_EQ(look("missing"), 0u);
  EXPECT_EQ(look("missing-too"), 0u);
  EXPECT_EQ(requests("ListObjectsV2") + requests("ListObjects") + requests("HeadObject"), 1u);
}

TEST_F(DirectoryTest, AListingIsKeptOverARestart) {
  put("a/1", "");
  put("a/2", "");
  EXPECT_THAT(names("a"), UnorderedElementsAre("1", "2"));
  const InodeNumber before = look("a/1");
  start();
  server_->reset_counters();
  EXPECT_THAT(names("a"), UnorderedElementsAre("1", "2"));
  EXPECT_EQ(look("a/1"), before);
  EXPECT_TRUE(server_->counters().empty());
}

TEST_F(DirectoryTest, ChangesByOthersShowAfterTheMetadataTime) {
  options_.metadata_ttl = std::chrono::seconds(0);
  start();
  put("a/old", "1");
  EXPECT_THAT(names("a"), ElementsAre("old"));
  ASSERT_TRUE(store_->delete_object(kBucket, "a/old"));
  put("a/new", "22");
  EXPECT_THAT(names("a"), ElementsAre("new"));
  EXPECT_EQ(look("a/old"), 0u);
  put("a/new", "333");
  EXPECT_EQ(attributes("a/new").size.n, 3u);
}

TEST_F(DirectoryTest, TheNamesInADirectoryThatIsMadeHereAreNotAskedFor) {
  know_store();
  ASSERT_EQ(mkdir("a"), 0);
  server_->reset_counters();
  ASSERT_EQ(mkdir("a/b"), 0);
  ASSERT_EQ(write("a/b/1", "one"), 0);
  ASSERT_EQ(write("a/b/2", "two"), 0);
  EXPECT_EQ(requests("ListObjectsV2") + requests("ListObjects"), 0u);
}

TEST_F(DirectoryTest, ADirectoryOfManyPagesIsListedWholeAndOnce) {
  for (int i = 0; i < 2500; ++i) put("many/" + std::to_string(i), "");
  server_->reset_counters();
  const auto all = names("many");
  EXPECT_EQ(all.size(), 2500u);
  EXPECT_EQ(std::set<std::string>(all.begin(), all.end()).size(), 2500u);
  EXPECT_LE(requests("ListObjectsV2") + requests("ListObjects"), 4u);  // one is the look-up of "many"
  EXPECT_EQ(requests("HeadObject"), 1u);                               // of the directory itself
}

TEST_F(DirectoryTest, ADirectoryStreamGoesOnAfterAKill) {
  for (int i = 0; i < 50; ++i) put("dir/" + std::to_string(i), "");
  const InodeNumber number = look("dir");
  std::set<std::string> seen;
  const auto first = fs_->read_directory(request(), number, 0, 20, WithAttributes::no);
  ASSERT_TRUE(first);
  for (const auto& entry : *first) EXPECT_TRUE(seen.insert(entry.name).second);
  resume();
  for (auto offset = first->back().next_offset;;) {
    const auto more = fs_->read_directory(request(), number, offset, 20, WithAttributes::no);
    ASSERT_TRUE(more);
    if (more->empty()) break;
    for (const auto& entry : *more) EXPECT_TRUE(seen.insert(entry.name).second) << entry.name;
    offset = more->back().next_offset;
  }
  EXPECT_EQ(seen.size(), 52u);
}

TEST_F(DirectoryTest, AFileBesideADirectoryOfItsNameIsHiddenNotDamaged) {
  put("both", "file");
  put("both/inside", "x");
  EXPECT_THAT(names(""), ElementsAre("both"));
  EXPECT_EQ(attributes("both").type, FileType::directory);
  EXPECT_EQ(object("both"), "file");
}

TEST_F(DirectoryTest, OnlyAPrefixOfTheBucketIsShown) {
  put("team/a/file", "1");
  put("other/file", "2");
  options_.prefix = "team/";
  start_cold();
  EXPECT_THAT(names(""), ElementsAre("a"));
  ASSERT_EQ(write("b", "new"), 0);
  EXPECT_EQ(object("team/b"), "new");
}

}  // namespace
}  // namespace pail::vfs
