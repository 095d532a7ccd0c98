#include <fcntl.h>
#include <gmock/gmock.h>

#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using NameTest = VfsTest;

TEST_F(NameTest, MkdirWritesAMarkerAndRmdirRemovesIt) {
  EXPECT_EQ(mkdir("dir"), 0);
  EXPECT_THAT(keys(), ElementsAre("dir/"));
  EXPECT_EQ(mkdir("dir"), EEXIST);
  EXPECT_EQ(rmdir("dir"), 0);
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_EQ(look("dir"), 0u);
}

TEST_F(NameTest, RmdirOfAFullDirectoryIsRefused) {
  put("dir/file", "x");
  EXPECT_EQ(rmdir("dir"), ENOTEMPTY);
  EXPECT_EQ(object("dir/file"), "x");
}

TEST_F(NameTest, RmdirSeesAFileThatIsNotUploadedYet) {
  ASSERT_EQ(mkdir("dir"), 0);
  const auto [number, handle] = create("dir/open");
  EXPECT_NE(number, 0u);
  EXPECT_EQ(rmdir("dir"), ENOTEMPTY);
}

TEST_F(NameTest, ADirectoryStaysWhenItsLastFileGoes) {
  put("implicit/file", "x");
  EXPECT_EQ(unlink("implicit/file"), 0);
  start_cold();
  EXPECT_NE(look("implicit"), 0u);
}

TEST_F(NameTest, RenameMovesTheObjectAndKeepsTheInode) {
  ASSERT_EQ(write("old", "content"), 0);
  const InodeNumber before = look("old");
  EXPECT_EQ(rename("old", "new"), 0);
  EXPECT_THAT(keys(), ElementsAre("new"));
  EXPECT_EQ(look("new"), before);
  EXPECT_EQ(look("old"), 0u);
  EXPECT_EQ(read("new"), "content");
}

TEST_F(NameTest, AnEditorsSaveReplacesTheFile) {
  ASSERT_EQ(write("notes.txt", "old"), 0);
  ASSERT_EQ(write(".notes.txt.swp", "new"), 0);
  EXPECT_EQ(rename(".notes.txt.swp", "notes.txt"), 0);
  EXPECT_EQ(read("notes.txt"), "new");
  EXPECT_EQ(object("notes.txt"), "new");
  EXPECT_THAT(keys(), ElementsAre("notes.txt"));
}

TEST_F(NameTest, AFileRenamedWhileItIsWrittenGoesUpUnderItsNewName) {
  ASSERT_EQ(write("target", "old"), 0);
  const auto [number, handle] = create("temp");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("new")))));
  EXPECT_EQ(rename("temp", "target"), 0);
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_THAT(keys(), ElementsAre("target"));
  EXPECT_EQ(object("target"), "new");
}

TEST_F(NameTest, RenameWithoutReplacingIsRefusedWhereTheNameIsTaken) {
  ASSERT_EQ(write("a", "1"), 0);
  ASSERT_EQ(write("b", "2"), 0);
  EXPECT_EQ(rename("a", "b", RenameMode::no_replace), EEXIST);
  EXPECT_EQ(read("a"), "1");
  EXPECT_EQ(read("b"), "2");
}

TEST_F(NameTest, ADirectoryIsRenamedWithAllBelowIt) {
  put("src/1", "one");
  put("src/sub/2", "two");
  ASSERT_EQ(mkdir("src/empty"), 0);
  const InodeNumber before = look("src/sub/2");
  EXPECT_EQ(rename("src", "dst"), 0);
  EXPECT_EQ(look("src"), 0u);
  EXPECT_EQ(read("dst/1"), "one");
  EXPECT_EQ(read("dst/sub/2"), "two");
  EXPECT_EQ(look("dst/sub/2"), before);
  const auto left = keys();
  EXPECT_THAT(left, UnorderedElementsAre("dst/1", "dst/sub/2", "dst/empty/"));
}

TEST_F(NameTest, ADirectoryIsRenamedOnAStoreThatCopiesNoMarkers) {
  ASSERT_EQ(mkdir("src"), 0);
  ASSERT_EQ(mkdir("src/empty"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("src/empty"), {.permissions = 0700}));
  server_->add_fault({.operations = {"CopyObject"}, .status = 400, .code = "DirectoryObjectContainsData"});
  EXPECT_EQ(rename("src", "dst"), 0);
  const auto left = keys();
  EXPECT_THAT(left, UnorderedElementsAre("dst/", "dst/empty/"));
  start_cold();
  EXPECT_EQ(attributes("dst/empty").permissions, 0700u);
}

TEST_F(NameTest, AMultipartObjectStaysReadableAfterARenameOfItsDirectory) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(11'000'000);
  ASSERT_EQ(mkdir("src"), 0);
  ASSERT_EQ(write("src/large", content), 0);
  const InodeNumber number = look("src/large");
  const auto opened = fs_->open_file(request(), number, O_RDONLY);
  ASSERT_TRUE(opened);
  opens_->add(number);
  EXPECT_EQ(rename("src", "dst"), 0);
  EXPECT_TRUE(read_open(number, opened->handle, content.size()) == content);
  EXPECT_TRUE(read("dst/large") == content);
}

TEST_F(NameTest, AFileBeingWrittenFollowsTheRenameOfItsDirectory) {
  ASSERT_EQ(mkdir("src"), 0);
  const auto [number, handle] = create("src/file");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("body")))));
  EXPECT_EQ(rename("src", "dst"), 0);
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(object("dst/file"), "body");
  EXPECT_EQ(object("src/file"), "<none>");
}

TEST_F(NameTest, SymlinksAndFifosAreKept) {
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "../some/where"));
  ASSERT_TRUE(fs_->mknod(request(), kRootInode, "pipe", S_IFIFO | 0600, 0));
  start_cold();
  EXPECT_EQ(attributes("link").type, FileType::symlink);
  EXPECT_EQ(*fs_->readlink(request(), look("link")), "../some/where");
  EXPECT_EQ(attributes("pipe").type, FileType::fifo);
  EXPECT_EQ(attributes("pipe").permissions, 0600u);
}

TEST_F(NameTest, AResentOperationIsAnsweredAsTheFirstTime) {
  Request first = request();
  ASSERT_TRUE(fs_->mkdir(first, kRootInode, "dir", 0755));
  Request second = request();
  ASSERT_TRUE(fs_->create(second, kRootInode, "file", 0644, O_CREAT | O_EXCL | O_WRONLY));
  resume();
  first.resent = second.resent = true;
  EXPECT_TRUE(fs_->mkdir(first, kRootInode, "dir", 0755));
  EXPECT_TRUE(fs_->create(second, kRootInode, "file", 0644, O_CREAT | O_EXCL | O_WRONLY));
  ASSERT_EQ(write("gone", ""), 0);
  Request third = request();
  ASSERT_TRUE(fs_->unlink(third, kRootInode, "gone"));
  third.resent = true;
  EXPECT_TRUE(fs_->unlink(third, kRootInode, "gone"));
}

TEST_F(NameTest, AReadOnlyMountRefusesEveryChange) {
  put("file", "x");
  options_.read_only = true;
  start();
  EXPECT_EQ(unlink("file"), EROFS);
  EXPECT_EQ(mkdir("dir"), EROFS);
  EXPECT_EQ(rename("file", "other"), EROFS);
  EXPECT_EQ(errnum_of(fs_->open_file(request(), look("file"), O_RDWR)), EROFS);
  EXPECT_EQ(read("file"), "x");
}

}  // namespace
}  // namespace pail::vfs
