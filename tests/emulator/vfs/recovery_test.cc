// What is left when others, a lost index or a store without conditions come between.
#include <fcntl.h>
#include <gmock/gmock.h>

#include "local/staging/kept.h"
#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RecoveryTest : public VfsTest {};

TEST_F(RecoveryTest, OurOwnPutOnAStoreWithoutConditionsIsNoConflict) {
  server_->add_fault({.operations = {"PutObject"},
                      .kind = emulator::FaultKind::status,
                      .times = 1,
                      .status = 501,
                      .code = "NotImplemented"});
  ASSERT_EQ(write("x", "1"), 0);
  const auto [number, handle] = create("file");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  server_->add_fault({.operations = {"PutObject"},
                      .time = emulator::FaultTime::after,
                      .times = 1,
                      .status = 403,
                      .code = "AccessDenied"});
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), EACCES);
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), 0);
  EXPECT_EQ(object("file"), "ours");
}

TEST_F(RecoveryTest, APatchOfAReplacedObjectIsKept) {
  put("big", ramp(3'000'000));
  const auto [number, handle] = open("big", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {1'000'000}, bytes("ours")));
  put("big", ramp(3'000'000, 9));
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_THAT(kept(), SizeIs(1));
  opens_->remove(number);
  fs_->release(request(), number, handle);
  EXPECT_TRUE(read("big") == ramp(3'000'000, 9));  // the other writer's version is readable
  EXPECT_TRUE(fs_->sync_all());
}

TEST_F(RecoveryTest, APatchOfARemovedObjectIsKept) {
  put("big", ramp(3'000'000));
  const auto [number, handle] = open("big", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {1'000'000}, bytes("ours")));
  ASSERT_TRUE(store_->delete_object(kBucket, "big"));
  EXPECT_NE(errnum_of(fs_->flush(request(), number, handle)), 0);
  EXPECT_THAT(kept(), SizeIs(1));
}

TEST_F(RecoveryTest, AKeptFileIsDescribed) {
  put("dir/big", ramp(3'000'000), {{{"Content-Type", "text/x-log"}}, {{"mode", "33188"}, {"uid", "7"}}});
  options_.endpoint = server_->url();
  start();
  const auto [number, handle] = open("dir/big", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {1'000'000}, bytes("ours")));
  put("dir/big", ramp(3'000'000, 9));
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  const auto files = local::kept_files(options_.cache_directory).value();
  ASSERT_TRUE(files.size() == 1 && files[0].description);
  const local::KeptDescription& about = *files[0].description;
  EXPECT_EQ(about.endpoint, server_->url());
  EXPECT_EQ(about.bucket, kBucket);
  EXPECT_EQ(about.key, "dir/big");
  EXPECT_EQ(about.reason, local::KeptReason::conflict);
  EXPECT_NE(about.error, "");
  EXPECT_EQ(about.number, number);
  EXPECT_EQ(about.permissions, 0644u);
  EXPECT_EQ(about.uid, 7u);
  EXPECT_THAT(about.headers, testing::HasSubstr("text/x-log"));
  EXPECT_FALSE(about.complete());
}

TEST_F(RecoveryTest, AnUnclosedChangeDoesNotHideTheObjectFromTheNextMount) {
  put("file", "old");
  EXPECT_THAT(names(""), ElementsAre("file"));
  const auto [number, handle] = open("file", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("new")));
  start();
  EXPECT_EQ(look("file"), number);
  EXPECT_EQ(read("file"), "old");
}

TEST_F(RecoveryTest, ALostCreateShowsTheOthersFileAtOnce) {
  EXPECT_EQ(look("file"), 0u);
  const auto [number, handle] = create("file");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  put("file", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  opens_->remove(number);
  fs_->release(request(), number, handle);
  EXPECT_NE(look("file"), 0u);
  EXPECT_EQ(read("file"), "theirs");
}

TEST_F(RecoveryTest, StagedBytesOutliveALostIndex) {
  const auto [number, handle] = create("half");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("half a file")));
  fs_.reset();
  std::filesystem::remove_all(options_.state_directory / "names");
  start();
  EXPECT_THAT(kept(), SizeIs(1));
}

TEST_F(RecoveryTest, ChmodOfAFolderMarkerDirectoryThenRmdirRemovesIt) {
  put("folder_$folder$", "");
  ASSERT_TRUE(fs_->setattr(request(), look("folder"), {.permissions = 0700}));
  EXPECT_EQ(rmdir("folder"), 0);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RecoveryTest, RmdirOfADirectoryWithBothMarkers) {
  put("folder_$folder$", "");
  put("folder/", "");
  EXPECT_THAT(names(""), ElementsAre("folder"));
  EXPECT_EQ(rmdir("folder"), 0);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RecoveryTest, FolderMarkerWithFilesThenRenameLeavesNothing) {
  put("folder_$folder$", "");
  put("folder/x", "1");
  EXPECT_THAT(names(""), ElementsAre("folder"));
  EXPECT_EQ(rename("folder", "dst"), 0);
  EXPECT_THAT(keys(), testing::Each(testing::StartsWith("dst")));
}

TEST_F(RecoveryTest, MkdirOfATakenNameOnAStoreWithoutConditionsIsEexist) {
  server_->add_fault({.operations = {"PutObject"},
                      .kind = emulator::FaultKind::status,
                      .times = 1,
                      .status = 501,
                      .code = "NotImplemented"});
  ASSERT_EQ(write("x", "1"), 0);
  EXPECT_EQ(look("dir"), 0u);
  put("dir/", "");
  EXPECT_EQ(mkdir("dir"), EEXIST);
}

TEST_F(RecoveryTest, MultipartCompletionWithoutConditionsIsTriedAgain) {
  options_.part_size = 5_MiB;
  start();
  server_->add_fault({.operations = {"CompleteMultipartUpload"},
                      .kind = emulator::FaultKind::status,
                      .times = 1,
                      .status = 501,
                      .code = "NotImplemented"});
  EXPECT_EQ(write("large", ramp(11'000'000)), 0);
}

TEST_F(RecoveryTest, ChangedBehindTheCopyOfADirectoryRenameIsNotDeleted) {
  put("src/1", "one");
  server_->add_fault(
      {.operations = {"DeleteObjects"}, .kind = emulator::FaultKind::status, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(rename("src", "dst"), EACCES);
  server_->clear_faults();
  put("src/1", "somebody's newer bytes");
  start();
  EXPECT_EQ(object("src/1"), "somebody's newer bytes");
}

TEST_F(RecoveryTest, RootOfAPrefixStaysLocal) {
  put("team/x", "1");
  options_.prefix = "team/";
  start_cold();
  ASSERT_TRUE(fs_->setattr(request(), kRootInode, {.permissions = 0700}));
  EXPECT_THAT(keys(), ElementsAre("team/x"));
}

TEST_F(RecoveryTest, AttributesChangedBetweenTwoTriesOfAnUploadAreStored) {
  options_.part_size = 5_MiB;
  start();
  server_->add_fault({.operations = {"CompleteMultipartUpload"},
                      .kind = emulator::FaultKind::status,
                      .status = 403,
                      .code = "AccessDenied"});
  EXPECT_EQ(write("large", ramp(11'000'000)), EACCES);
  server_->clear_faults();
  ASSERT_TRUE(fs_->setattr(request(), look("large"), {.permissions = 0600}));
  EXPECT_TRUE(fs_->sync_all());
  start_cold();
  EXPECT_EQ(attributes("large").permissions, 0600u);
}

}  // namespace
}  // namespace pail::vfs
