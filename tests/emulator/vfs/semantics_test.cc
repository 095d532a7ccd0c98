// Sentences of docs/semantics.md that no other suite has a test of.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <fstream>

#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class SemanticsTest : public VfsTest {
 protected:
  void refuse(const char* operation, int status, const char* code) {
    server_->add_fault(
        {.operations = {operation}, .kind = emulator::FaultKind::status, .status = status, .code = code});
  }

  int set_xattr(std::string_view path, std::string_view name, std::string_view value, XattrMode mode = XattrMode::any) {
    return errnum_of(fs_->setxattr(request(), look(path), name, bytes(value), mode));
  }
};

// ---- writing --------------------------------------------------------------------------------------------------------

TEST_F(SemanticsTest, FsyncBringsAnOpenFileIntoTheBucket) {
  const auto [number, handle] = create("log");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("one")));
  ASSERT_TRUE(fs_->fsync(request(), number, handle));
  EXPECT_EQ(object("log"), "one");
  ASSERT_TRUE(fs_->write(request(), number, handle, {3}, bytes("two")));
  EXPECT_EQ(object("log"), "one");
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(object("log"), "onetwo");
}

TEST_F(SemanticsTest, ClosingAFileThatWasOnlyReadAsksForNothing) {
  put("file", "x");
  EXPECT_EQ(read("file"), "x");
  server_->reset_counters();
  const auto [number, handle] = open("file", O_RDWR);
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  close({number, handle});
  EXPECT_EQ(requests("PutObject"), 0u);
}

TEST_F(SemanticsTest, AFailedPartFailsTheCloseAndALaterOneGoesOn) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(17'000'000);
  refuse("CompleteMultipartUpload", 403, "AccessDenied");
  EXPECT_EQ(write("large", content), EACCES);
  EXPECT_EQ(object("large"), "<none>");
  const auto parts = requests("UploadPart");
  server_->clear_faults();
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_EQ(requests("UploadPart"), parts);
  EXPECT_TRUE(object("large") == content);
  EXPECT_EQ(open_uploads(), 0u);
}

TEST_F(SemanticsTest, AFileWhoseCloseFailedIsSetAsideByTheNextMount) {
  ASSERT_EQ(write("report", "old"), 0);
  refuse("PutObject", 403, "AccessDenied");
  EXPECT_EQ(write("report", "new"), EACCES);
  server_->clear_faults();
  start();
  EXPECT_THAT(kept(), ElementsAre("new"));
  EXPECT_EQ(object("report"), "old");
}

TEST_F(SemanticsTest, TruncateByNameOfAFileNobodyHasOpenIsInTheBucketWhenItReturns) {
  put("file", "0123456789");
  ASSERT_TRUE(fs_->setattr(request(), look("file"), {.size = ByteCount{3}}));
  EXPECT_EQ(object("file"), "012");
}

TEST_F(SemanticsTest, FallocateReservesAndGrowsWithZerosAndOffersNothingElse) {
  const auto [number, handle] = create("file");
  ASSERT_TRUE(fs_->allocate(request(), number, handle, 0, {{0}, {4}}));
  constexpr int kPunchHole = 3;  // FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
  EXPECT_EQ(errnum_of(fs_->allocate(request(), number, handle, kPunchHole, {{0}, {4}})), EOPNOTSUPP);
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(object("file"), std::string(4, '\0'));
}

TEST_F(SemanticsTest, AWriteBehindTheLargestObjectIsEfbig) {
  const auto [number, handle] = create("file");
  EXPECT_EQ(errnum_of(fs_->write(request(), number, handle, {cos::kMaxObjectSize.n}, bytes("x"))), EFBIG);
}

// ---- other writers --------------------------------------------------------------------------------------------------

TEST_F(SemanticsTest, ACreatedFileThatSomebodyElseCreatedFirstIsRefusedAndKept) {
  EXPECT_EQ(look("file"), 0u);
  const auto [number, handle] = create("file");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  put("file", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_EQ(object("file"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
}

TEST_F(SemanticsTest, AStoreWithoutConditionalWritesIsAskedBeforeTheWrite) {
  put("shared", "base");
  const auto [number, handle] = open("shared", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ours")));
  server_->add_fault({.operations = {"PutObject"},
                      .kind = emulator::FaultKind::status,
                      .times = 1,
                      .status = 501,
                      .code = "NotImplemented"});
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(object("shared"), "ours");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("more")));
  put("shared", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), ESTALE);
  EXPECT_EQ(object("shared"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("more"));
}

TEST_F(SemanticsTest, WithinTheMetadataTimeWhatIsKnownIsTrusted) {
  put("file", "1");
  EXPECT_EQ(attributes("file").size.n, 1u);
  put("file", "22");
  put("other", "x");
  EXPECT_EQ(attributes("file").size.n, 1u);
  EXPECT_EQ(look("other"), 0u);
}

TEST_F(SemanticsTest, AnEntryIsTrustedForWhatIsLeftOfTheMetadataTime) {
  put("file", "1");
  const auto entry = fs_->lookup(request(), kRootInode, "file");
  ASSERT_TRUE(entry);
  EXPECT_LE(entry->name_ttl, options_.metadata_ttl);
  EXPECT_LE(entry->attributes_ttl, options_.metadata_ttl);
}

// ---- names ----------------------------------------------------------------------------------------------------------

TEST_F(SemanticsTest, KeysThatNoFileCanBeNamedByAreHiddenNotDamaged) {
  const std::vector<std::string> hidden = {"dir//empty", "dir/./dot", "dir/../dots", "dir/" + std::string(300, 'n')};
  for (const std::string& key : hidden) put(key, key);
  put("dir/file", "x");
  EXPECT_THAT(names("dir"), ElementsAre("file"));
  EXPECT_EQ(rename("dir", "moved"), 0);
  for (const std::string& key : hidden) EXPECT_EQ(object("moved" + key.substr(3)), key);
  EXPECT_EQ(unlink("moved/file"), 0);
  EXPECT_EQ(rmdir("moved"), ENOTEMPTY);
}

TEST_F(SemanticsTest, LongNamesAndKeysAreRefused) {
  EXPECT_EQ(mkdir(std::string(256, 'n')), ENAMETOOLONG);
  std::string path;
  for (int depth = 0; depth < 4; ++depth) {
    path += (depth == 0 ? "" : "/") + std::string(250, 'd');
    ASSERT_EQ(mkdir(path), 0);
  }
  EXPECT_EQ(mkdir(path + "/" + std::string(30, 'x')), ENAMETOOLONG);
}

TEST_F(SemanticsTest, ExchangingNamesIsRefused) {
  ASSERT_EQ(write("a", "1"), 0);
  ASSERT_EQ(write("b", "2"), 0);
  EXPECT_EQ(rename("a", "b", RenameMode::exchange), EINVAL);
  EXPECT_EQ(read("a"), "1");
}

TEST_F(SemanticsTest, DeviceNodesAreRefusedAndSocketsAreKept) {
  EXPECT_EQ(errnum_of(fs_->mknod(request(), kRootInode, "disk", S_IFBLK | 0600, 1)), EPERM);
  ASSERT_TRUE(fs_->mknod(request(), kRootInode, "socket", S_IFSOCK | 0600, 0));
  start_cold();
  EXPECT_EQ(attributes("socket").type, FileType::socket);
}

TEST_F(SemanticsTest, RenameOverAnOpenFileLeavesItReadable) {
  put("old", "old content");
  put("new", "new content");
  const auto [number, handle] = open("old", O_RDONLY);
  EXPECT_EQ(rename("new", "old"), 0);
  EXPECT_EQ(read("old"), "new content");
  EXPECT_EQ(read_open(number, handle, 11), "old content");
  close({number, handle});
}

TEST_F(SemanticsTest, RenameOfADirectoryCopiesAllBeforeItDeletes) {
  put("src/1", "one");
  put("src/2", "two");
  refuse("DeleteObjects", 403, "AccessDenied");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "src/2", "dst/1", "dst/2"));
  EXPECT_EQ(read("dst/1"), "one");
}

TEST_F(SemanticsTest, RenameOfADirectoryThatCannotBeCopiedLeavesTheOldTree) {
  put("src/1", "one");
  put("src/2", "two");
  refuse("CopyObject", 403, "AccessDenied");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "src/2"));
  EXPECT_EQ(read("src/1"), "one");
}

TEST_F(SemanticsTest, AResentRenameOfAFileIsCarriedOutOnce) {
  ASSERT_EQ(write("old", "content"), 0);
  Request asked = request();
  ASSERT_TRUE(fs_->rename(asked, kRootInode, "old", kRootInode, "new", RenameMode::replace));
  ASSERT_EQ(write("old", "another"), 0);
  resume();
  asked.resent = true;
  EXPECT_TRUE(fs_->rename(asked, kRootInode, "old", kRootInode, "new", RenameMode::replace));
  EXPECT_EQ(read("new"), "content");
  EXPECT_EQ(read("old"), "another");
}

TEST_F(SemanticsTest, AResentFailureIsTheSameFailure) {
  put("file", "x");
  Request asked = request();
  refuse("DeleteObject", 403, "AccessDenied");
  EXPECT_EQ(errnum_of(fs_->unlink(asked, kRootInode, "file")), EACCES);
  server_->clear_faults();
  resume();
  asked.resent = true;
  EXPECT_EQ(errnum_of(fs_->unlink(asked, kRootInode, "file")), EACCES);
  EXPECT_EQ(object("file"), "x");
}

// ---- attributes -----------------------------------------------------------------------------------------------------

TEST_F(SemanticsTest, InodeNumbersStayOverARestart) {
  put("dir/file", "x");
  const InodeNumber before = look("dir/file");
  const auto generation = fs_->lookup(request(), kRootInode, "dir")->generation;
  start();
  EXPECT_EQ(look("dir/file"), before);
  EXPECT_EQ(fs_->lookup(request(), kRootInode, "dir")->generation, generation);
  start_cold();
  EXPECT_NE(fs_->lookup(request(), kRootInode, "dir")->generation, generation);
}

TEST_F(SemanticsTest, ReadingDoesNotChangeTheAccessTime) {
  put("file", "content");
  const WallTime before = attributes("file").accessed;
  EXPECT_EQ(read("file"), "content");
  EXPECT_EQ(attributes("file").accessed, before);
}

TEST_F(SemanticsTest, AnAccessTimeThatIsSetIsStored) {
  put("file", "content");
  const WallTime when{std::chrono::seconds(1'400'000'000)};
  ASSERT_TRUE(fs_->setattr(request(), look("file"), {.accessed = when}));
  start_cold();
  EXPECT_EQ(attributes("file").accessed, when);
  EXPECT_NE(attributes("file").modified, when);
}

TEST_F(SemanticsTest, ADirectorysTimeChangesWithItsNamesInThisViewAlone) {
  ASSERT_EQ(mkdir("dir"), 0);
  const WallTime past{std::chrono::seconds(1'400'000'000)};
  ASSERT_TRUE(fs_->setattr(request(), look("dir"), {.modified = past}));
  ASSERT_EQ(write("dir/file", "x"), 0);
  EXPECT_GT(attributes("dir").modified, past);
  start_cold();
  EXPECT_EQ(attributes("dir").modified, past);
}

TEST_F(SemanticsTest, AttributesOfADirectoryAreThoseOfItsMarker) {
  put("implicit/file", "x");
  ASSERT_TRUE(fs_->setattr(request(), look("implicit"), {.permissions = 0700, .uid = 7}));
  EXPECT_THAT(keys(), UnorderedElementsAre("implicit/", "implicit/file"));
  start_cold();
  EXPECT_EQ(attributes("implicit").permissions, 0700u);
  EXPECT_EQ(attributes("implicit").uid, 7u);
}

TEST_F(SemanticsTest, AttributesOfTheRootStayOnThisMachine) {
  ASSERT_TRUE(fs_->setattr(request(), kRootInode, {.permissions = 0700}));
  EXPECT_THAT(keys(), IsEmpty());
  start();
  EXPECT_EQ(attributes("").permissions, 0700u);
  start_cold();
  EXPECT_EQ(attributes("").permissions, 0755u);
}

TEST_F(SemanticsTest, TheRootIsAsTheMountSaysUntilItsAttributesAreSet) {
  options_.uid = 7;
  options_.gid = 8;
  options_.directory_permissions = 0750;
  start_cold();
  EXPECT_EQ(attributes("").uid, 7u);
  EXPECT_EQ(attributes("").gid, 8u);
  EXPECT_EQ(attributes("").permissions, 0750u);
  EXPECT_EQ(mkdir("dir"), 0);
  EXPECT_EQ(write("file", "x"), 0);
  options_.directory_permissions = 0711;
  start();
  EXPECT_EQ(attributes("").permissions, 0711u);
  ASSERT_TRUE(fs_->setattr(request(), kRootInode, {.permissions = 0700}));
  options_.directory_permissions = 0755;
  start();
  EXPECT_EQ(attributes("").permissions, 0700u);
  EXPECT_EQ(attributes("").uid, 7u);
}

TEST_F(SemanticsTest, OwnerAndPermissionsMayBeShownOtherwise) {
  put("file", "x", {{}, {{"mode", "33279"}, {"uid", "7"}, {"gid", "8"}}});
  options_.force_uid = 70;
  options_.force_gid = 80;
  options_.umask = 022;
  start();
  EXPECT_EQ(attributes("file").uid, 70u);
  EXPECT_EQ(attributes("file").gid, 80u);
  EXPECT_EQ(attributes("file").permissions, 0755u);
}

TEST_F(SemanticsTest, EveryFileAndDirectoryHasOneLink) {
  put("dir/sub/file", "x");
  EXPECT_EQ(attributes("dir").links, 1u);
  EXPECT_EQ(attributes("dir/sub/file").links, 1u);
}

TEST_F(SemanticsTest, ExtendedAttributesFollowTheirModes) {
  put("file", "x");
  EXPECT_EQ(set_xattr("file", "user.a", "1", XattrMode::replace), ENODATA);
  EXPECT_EQ(set_xattr("file", "user.a", "1", XattrMode::create), 0);
  EXPECT_EQ(set_xattr("file", "user.a", "2", XattrMode::create), EEXIST);
  EXPECT_EQ(set_xattr("file", "trusted.b", "3"), 0);
  EXPECT_THAT(*fs_->listxattr(request(), look("file")), UnorderedElementsAre("user.a", "trusted.b"));
  EXPECT_TRUE(fs_->removexattr(request(), look("file"), "user.a"));
  EXPECT_EQ(errnum_of(fs_->getxattr(request(), look("file"), "user.a")), ENODATA);
}

TEST_F(SemanticsTest, ExtendedAttributesOfOtherNamespacesAreNotKept) {
  put("file", "x");
  EXPECT_EQ(set_xattr("file", "security.capability", "1"), EOPNOTSUPP);
  EXPECT_EQ(set_xattr("file", "system.posix_acl_access", "1"), EOPNOTSUPP);
  EXPECT_EQ(errnum_of(fs_->getxattr(request(), look("file"), "security.capability")), ENODATA);
}

TEST_F(SemanticsTest, ChangedAttributesOfAFileNobodyElseChangedKeepItsContent) {
  put("file", "content");
  EXPECT_EQ(attributes("file").size.n, 7u);
  put("file", "changed elsewhere");
  ASSERT_TRUE(fs_->setattr(request(), look("file"), {.permissions = 0600}));
  EXPECT_EQ(object("file"), "changed elsewhere");
  EXPECT_EQ(attributes("file").size.n, 17u);
}

// ---- the whole ------------------------------------------------------------------------------------------------------

TEST_F(SemanticsTest, TheFileSystemShowsOnePebibyteFree) {
  const auto statistics = fs_->statfs(request());
  ASSERT_TRUE(statistics);
  EXPECT_EQ(statistics->total.n, 1ull << 50);
  EXPECT_EQ(statistics->free.n, 1ull << 50);
  EXPECT_EQ(statistics->name_max, 255u);
}

TEST_F(SemanticsTest, AnArchivedObjectIsEremoteioToRead) {
  put("file", "content");
  EXPECT_EQ(attributes("file").size.n, 7u);
  refuse("GetObject", 403, "InvalidObjectState");
  const auto [number, handle] = open("file", O_RDONLY);
  int errnum = 0;
  read_open(number, handle, 7, &errnum);
  EXPECT_EQ(errnum, EREMOTEIO);
  close({number, handle});
}

TEST_F(SemanticsTest, ADamagedCacheBlockIsFetchedAgain) {
  const std::string content = ramp(3'000'000);
  put("file", content);
  EXPECT_TRUE(read("file") == content);
  fs_.reset();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(options_.cache_directory / "blocks"))
    if (entry.is_regular_file()) {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(1'500'000);
      file.write("damage", 6);
    }
  start();
  EXPECT_TRUE(read("file") == content);
}

}  // namespace
}  // namespace pail::vfs
