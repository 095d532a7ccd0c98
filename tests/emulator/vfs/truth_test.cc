// Orders of events in which 0.1.0 lost data or showed what was not so, each at the seam that callers use.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mount.h>

#include <atomic>
#include <fstream>
#include <future>
#include <thread>

#include "../../manual_clock.h"
#include "local/journal/upkeep.h"
#include "local/names/index.h"
#include "pailfs/base/stop.h"
#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using emulator::FaultKind;
using emulator::FaultTime;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class TruthTest : public VfsTest {
 protected:
  void remove_object(const std::string& key) { ASSERT_TRUE(store_->delete_object(kBucket, key)); }
  void stall(const std::string& operation, std::chrono::milliseconds time) {
    server_->add_fault({.operations = {operation}, .kind = FaultKind::stall, .stall_time = time});
  }
  // As chmod on another mount does: a copy of the object onto itself.
  void change_permissions_elsewhere(const std::string& key, const std::string& mode) {
    const cos::CopyRequest request{.source_bucket = {},
                                   .source_key = key,
                                   .key = key,
                                   .directive = cos::MetadataDirective::replace,
                                   .headers = {{}, {{"mode", mode}}},
                                   .source_if_match = {},
                                   .conditions = {}};
    ASSERT_TRUE(store_->copy_object(kBucket, request));
  }

  ManualClock clock_{system_clock().wall()};  // beside the store's own
};

// ---- one way to show an inode ----

TEST_F(TruthTest, AListingDuringACloseShowsTheSizeThatWasWritten) {
  stall("PutObject", 300ms);
  const auto [number, handle] = create("report");
  ASSERT_EQ(write_to({number, handle}, "five!"), 0);
  auto closing = std::async(std::launch::async, [&, file = Handle{number, handle}] { return flush(file); });
  int shown = 0;
  while (closing.wait_for(1ms) != std::future_status::ready)
    if (const auto size = listed_size("report")) {
      EXPECT_EQ(*size, 5u);
      ++shown;
    }
  EXPECT_EQ(closing.get(), 0);
  EXPECT_GT(shown, 0);
}

TEST_F(TruthTest, AListingAfterAFailedUploadShowsTheSizeThatWasWritten) {
  ASSERT_EQ(write("report", "old one"), 0);
  server_->add_fault({.operations = {"PutObject"}, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(write("report", "new"), EACCES);
  EXPECT_EQ(listed_size("report"), 3u);
}

TEST_F(TruthTest, TheSizeOfAFileThatIsAppendedToAndStoredNeverShrinks) {
  const Handle file = create("log");
  std::atomic<bool> done{false};
  auto ask = [&](bool listing) {
    std::uint64_t last = 0, shrunk = 0;
    while (!done) {
      const Request asked;
      std::uint64_t size = last;
      if (listing) {
        const auto entries = fs_->read_directory(asked, kRootInode, 2, 10, WithAttributes::yes);
        if (entries && !entries->empty() && entries->front().entry) size = entries->front().entry->attributes.size.n;
      } else if (const auto entry = fs_->getattr(asked, file.number)) {
        size = entry->attributes.size.n;
      }
      shrunk += size < last;
      last = size;
    }
    return shrunk;
  };
  std::vector<std::future<std::uint64_t>> askers;
  for (int i = 0; i < 4; ++i) askers.push_back(std::async(std::launch::async, ask, i % 2 == 0));
  for (std::uint64_t at = 0; at < 300; ++at) {
    ASSERT_EQ(write_to(file, "x", at), 0);
    ASSERT_EQ(fsync(file), 0);
  }
  done = true;
  for (auto& asker : askers) EXPECT_EQ(asker.get(), 0u);
}

// ---- what seems gone ----

TEST_F(TruthTest, AFileMadeHereIsStoredAlthoughOthersEmptiedItsDirectory) {
  options_.metadata_ttl = 0s;
  start();
  put("d/other", "theirs");
  const auto [number, handle] = create("d/new");
  ASSERT_EQ(write_to({number, handle}, "ours"), 0);
  remove_object("d/other");
  EXPECT_THAT(names(""), ElementsAre("d"));
  EXPECT_THAT(names("d"), ElementsAre("new"));
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_EQ(object("d/new"), "ours");
}

TEST_F(TruthTest, AFileMadeHereIsStoredAlthoughALookUpFindsItsDirectoryGone) {
  options_.metadata_ttl = 0s;
  start();
  for (int i = 0; i < 1001; ++i) put("a" + std::to_string(i), "");  // so that names are asked for one by one
  put("d/other", "theirs");
  const auto [number, handle] = create("d/new");
  ASSERT_EQ(write_to({number, handle}, "ours"), 0);
  remove_object("d/other");
  EXPECT_NE(look("d"), 0u);
  EXPECT_NE(look("d/new"), 0u);
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_EQ(object("d/new"), "ours");
}

TEST_F(TruthTest, AFileThatOthersRemovedWhileItWasChangedIsEstaleForEverAndItsBytesAreKept) {
  options_.metadata_ttl = 0s;
  start();
  put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  remove_object("f");
  names("");
  EXPECT_TRUE(fs_->getattr(request(), file.number));
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(fsync(file), ESTALE);
  EXPECT_EQ(write_to(file, "more"), ESTALE);
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_THAT(kept(), ElementsAre("OURS"));
  close(file);
  EXPECT_THAT(names(""), IsEmpty());
}

TEST_F(TruthTest, AFileThatOthersRemovedBeforeItWasChangedRefusesWrites) {
  options_.metadata_ttl = 0s;
  start();
  put("f", "base");
  const Handle file = open("f");
  remove_object("f");
  EXPECT_THAT(names(""), IsEmpty());
  EXPECT_EQ(write_to(file, "OURS"), ESTALE);
  EXPECT_EQ(fsync(file), ESTALE);
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(TruthTest, UnstagedBytesOfAFileThatOthersRemovedAreEstale) {
  options_.metadata_ttl = 0s;
  start();
  put("f", ramp(3'000'000));
  start_cold();
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  remove_object("f");
  int errnum = 0;
  EXPECT_EQ(read_open(file.number, file.handle, 4, &errnum), "OURS");
  read_open(file.number, file.handle, 3'000'000, &errnum);
  EXPECT_EQ(errnum, ESTALE);
}

TEST_F(TruthTest, OneAnswerOfAProxyDoesNotTakeAFileAway) {
  options_.metadata_ttl = 0s;
  start();
  put("f", "base");
  const Handle file = open("f");
  for (const int status : {301, 307, 308}) {
    server_->add_fault({.operations = {"HeadObject"}, .kind = FaultKind::status, .times = 1, .status = status});
    const auto shown = fs_->getattr(request(), file.number);
    EXPECT_NE(errnum_of(shown), ENOENT) << status;
  }
  server_->clear_faults();
  EXPECT_EQ(write_to(file, "OURS"), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(object("f"), "OURS");
}

// ---- a lost conflict is not forgotten ----

TEST_F(TruthTest, AfterAConflictNothingIsWrittenThroughTheHandleAnyMore) {
  put("shared", "base");
  const Handle file = open("shared");
  ASSERT_EQ(write_to(file, "ours"), 0);
  put("shared", "theirs");
  EXPECT_EQ(fsync(file), ESTALE);
  EXPECT_EQ(write_to(file, "again", 2), ESTALE);
  EXPECT_EQ(errnum_of(fs_->setattr(request(), file.number, {.handle = file.handle, .size = ByteCount{1}})), ESTALE);
  EXPECT_EQ(errnum_of(fs_->allocate(request(), file.number, file.handle, 0, {{0}, {100}})), ESTALE);
  EXPECT_EQ(fsync(file), ESTALE);
  EXPECT_EQ(flush(file), ESTALE);
  resume();
  EXPECT_EQ(flush(file), ESTALE);
  close(file);
  EXPECT_EQ(object("shared"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
  const Handle anew = open("shared");  // who opens it now sees theirs, and may change it
  EXPECT_EQ(write_to(anew, "OURS"), 0);
  EXPECT_EQ(flush(anew), 0);
  EXPECT_EQ(object("shared"), "OURSrs");
}

TEST_F(TruthTest, AHandleOfAnOlderVersionDoesNotPatchANewerOne) {
  options_.metadata_ttl = 0s;
  start();
  put("shared", "base");
  const Handle file = open("shared");
  put("shared", "theirs");
  names("");
  ASSERT_TRUE(fs_->getattr(request(), file.number));
  EXPECT_EQ(write_to(file, "ours"), ESTALE);
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(object("shared"), "theirs");
}

// ---- nothing read before a wait is written after it ----

TEST_F(TruthTest, AttributesThatChangeDuringARenameOfTheirDirectoryDoNotBringTheOldNameBack) {
  for (int i = 0; i < 4; ++i) put("d/" + std::to_string(i), "x");
  const InodeNumber directory = look("d");
  names("d");
  stall("CopyObject", 200ms);
  auto renaming = std::async(std::launch::async, [&] { return rename("d", "e"); });
  std::this_thread::sleep_for(50ms);
  const Request asked;
  EXPECT_TRUE(fs_->setattr(asked, directory, {.permissions = 0700}));
  EXPECT_TRUE(fs_->setattr(asked, directory, {.modified = WallTime(1'000'000s)}));
  EXPECT_TRUE(fs_->setxattr(asked, directory, "user.note", bytes("hello"), XattrMode::any));
  EXPECT_EQ(renaming.get(), 0);
  server_->clear_faults();
  EXPECT_THAT(names(""), ElementsAre("e"));
  EXPECT_EQ(look("e"), directory);
  EXPECT_EQ(attributes("e").permissions, 0700u);
  EXPECT_EQ(read("e/2"), "x");
  EXPECT_EQ(write("e/new", "n"), 0);
  EXPECT_EQ(object("e/new"), "n");
  start_cold();
  EXPECT_THAT(names("e"), UnorderedElementsAre("0", "1", "2", "3", "new"));
  EXPECT_THAT(names(""), ElementsAre("e"));
}

TEST_F(TruthTest, AnInodeThatDoesNotHaveTheNameThatLeadsToItIsListedAgain) {
  put("a/one", "1");
  put("b/two", "2");
  names("a");
  names("b");
  const InodeNumber one = look("a/one"), a = look("a");
  fs_.reset();
  {
    const auto journal = local::open_journal(options_.state_directory / "journal");
    ASSERT_TRUE(journal) << journal.error().context;
    auto index =
        local::Index::open(options_.state_directory / "names", std::string(kBucket) + "/", system_clock(), **journal);
    ASSERT_TRUE(index) << index.error().context;
    auto change = (*index)->write();
    auto renamed = *change->inode(one), moved = *change->inode(a);
    renamed.name = "other";
    moved.parent = 77;
    change->put(renamed);
    change->put(moved);
    ASSERT_TRUE(change->commit());
  }
  resume();
  EXPECT_THAT(names(""), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(names("a"), ElementsAre("one"));
  EXPECT_EQ(read("a/one"), "1");
}

TEST_F(TruthTest, AFileThatIsReadWhileItIsRenamedStaysReadable) {
  const std::string content = ramp(2'000'000);
  put("f", content);
  start_cold();
  const Handle file = open("f", O_RDONLY);
  server_->add_fault(
      {.operations = {"DeleteObject"}, .kind = FaultKind::stall, .time = FaultTime::after, .stall_time = 500ms});
  auto renaming = std::async(std::launch::async, [&] { return rename("f", "g"); });
  while (object("f") != "<none>") std::this_thread::sleep_for(5ms);
  int errnum = 0;
  EXPECT_TRUE(read_open(file.number, file.handle, content.size(), &errnum) == content);
  EXPECT_EQ(errnum, 0);
  EXPECT_EQ(renaming.get(), 0);
  close(file);
}

// ---- deletes and lost answers ----

TEST_F(TruthTest, AFileWhoseUploadFailedAfterTheStoreTookItStaysDeleted) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .status = 403});
  EXPECT_EQ(write("f", "taken"), EACCES);
  EXPECT_EQ(unlink("f"), 0);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(TruthTest, AFileWhoseUploadFailedAfterTheStoreTookItIsRenamedWithoutALeftover) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .times = 1, .status = 403});
  const auto [number, handle] = create("f");
  ASSERT_EQ(write_to({number, handle}, "taken"), 0);
  EXPECT_EQ(flush({number, handle}), EACCES);
  EXPECT_EQ(rename("f", "g"), 0);
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_THAT(keys(), ElementsAre("g"));
}

TEST_F(TruthTest, AnUploadAfterOneWhoseAnswerWasLostReplacesItsOwnObject) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .times = 1, .status = 403});
  const auto [number, handle] = create("f");
  ASSERT_EQ(write_to({number, handle}, "first"), 0);
  EXPECT_EQ(flush({number, handle}), EACCES);
  ASSERT_EQ(write_to({number, handle}, " and more", 5), 0);
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_EQ(object("f"), "first and more");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(TruthTest, AttributesSetAfterAnUploadWhoseAnswerWasLostAreStored) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .times = 1, .status = 403});
  const auto [number, handle] = create("f");
  ASSERT_EQ(write_to({number, handle}, "bytes"), 0);
  EXPECT_EQ(flush({number, handle}), EACCES);
  ASSERT_TRUE(fs_->setattr(request(), number, {.permissions = 0600}));
  EXPECT_EQ(flush({number, handle}), 0);
  start_cold();
  EXPECT_EQ(attributes("f").permissions, 0600u);
}

TEST_F(TruthTest, AnEqualObjectThatOthersMadeFirstIsNotOurs) {
  const auto [number, handle] = create("lock");
  put("lock", "");
  EXPECT_EQ(flush({number, handle}), ESTALE);
}

TEST_F(TruthTest, ARefusalThatTheStoreDoesNotBearOutIsNoConflict) {
  put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  server_->add_fault({.operations = {"PutObject"}, .times = 1, .status = 412, .code = "PreconditionFailed"});
  EXPECT_EQ(flush(file), EIO);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(object("f"), "OURS");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(TruthTest, AnUploadThatWasCarriedOutAlthoughTheStoreAskedToSlowDownIsNoConflict) {
  const auto [number, handle] = create("f");
  ASSERT_EQ(write_to({number, handle}, "ours"), 0);
  server_->add_fault(
      {.operations = {"PutObject"}, .time = FaultTime::after, .times = 1, .status = 403, .code = "SlowDown"});
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_EQ(object("f"), "ours");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(TruthTest, AnUploadThatOthersAbortedBeginsAnew) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(12'000'000);
  const auto [number, handle] = create("large");
  for (std::size_t at = 0; at < content.size(); at += 1'000'000)
    ASSERT_EQ(write_to({number, handle}, content.substr(at, 1'000'000), at), 0);
  server_->add_fault({.operations = {"UploadPart"}, .after = 1, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(flush({number, handle}), EACCES);
  server_->clear_faults();
  const auto uploads = store_->list_uploads(kBucket, "", "", "");
  ASSERT_TRUE(uploads);
  ASSERT_EQ(uploads->uploads.size(), 1u);
  ASSERT_TRUE(store_->abort_upload(kBucket, "large", uploads->uploads[0].id));
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_TRUE(object("large") == content);
  EXPECT_EQ(open_uploads(), 0u);
}

TEST_F(TruthTest, AnInterruptedUploadOfAHugeFileHoldsNobodyUp) {
  options_.part_size = 5_MiB;
  start();
  const auto [number, handle] = create("huge");
  ASSERT_EQ(write_to({number, handle}, "end", 12'000'000'000), 0);  // almost all of it is a hole
  server_->add_fault({.operations = {"UploadPart"}});
  StopSource stop;
  Request asked = request();
  asked.stop = stop.token();
  auto closing = std::async(std::launch::async, [&, number = number, handle = handle] {
    return errnum_of(fs_->flush(asked, number, handle));
  });
  while (requests("UploadPart") < 1) std::this_thread::sleep_for(1ms);
  stop.request_stop();
  const bool ended = closing.wait_for(30s) == std::future_status::ready;  // reading all of it takes longer
  EXPECT_TRUE(ended);
  EXPECT_EQ(closing.get(), EINTR);
}

TEST_F(TruthTest, ANameThatCouldNotBeMadeIsAskedAnew) {
  ASSERT_EQ(look("d"), 0u);
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .times = 1, .status = 403});
  EXPECT_EQ(mkdir("d"), EACCES);
  EXPECT_NE(look("d"), 0u);
  ASSERT_EQ(look("theirs"), 0u);
  put("theirs/", "");
  EXPECT_EQ(mkdir("theirs"), EEXIST);
  EXPECT_NE(look("theirs"), 0u);
}

TEST_F(TruthTest, TheTimeOfAWriteStaysWhenTheRestOfTheFileIsFetched) {
  put("f", ramp(3'000'000));
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "patch"), 0);
  const WallTime written = attributes("f").modified;
  std::this_thread::sleep_for(20ms);
  ASSERT_EQ(flush(file), 0);
  EXPECT_EQ(attributes("f").modified, written);
}

TEST_F(TruthTest, AFileInPartsWhoseAttributesWereStoredAlthoughThatFailedIsNoConflict) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(6'000'000);
  {
    const auto [number, handle] = create("large");
    for (std::size_t at = 0; at < content.size(); at += 1'000'000)
      ASSERT_EQ(write_to({number, handle}, content.substr(at, 1'000'000), at), 0);
    ASSERT_EQ(flush({number, handle}), 0);
    close({number, handle});
  }
  server_->add_fault(
      {.operations = {"CopyObject"}, .time = FaultTime::after, .times = 1, .status = 403, .code = "AccessDenied"});
  AttributeChange change;
  change.permissions = 0600;
  EXPECT_EQ(errnum_of(fs_->setattr(request(), look("large"), change)), EACCES);
  const Handle file = open("large");
  ASSERT_EQ(write_to(file, "more", content.size()), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_TRUE(object("large") == content + "more");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(TruthTest, MakingAFileThatIsThereAlreadyEmptiesIt) {
  put("stored", "bytes of others");
  const auto [number, handle] = create("staged");
  ASSERT_EQ(write_to({number, handle}, "bytes that nobody wants any more"), 0);
  for (const char* name : {"stored", "staged"}) {
    const auto again = fs_->create(request(), kRootInode, name, 0644, O_WRONLY | O_CREAT | O_TRUNC);
    ASSERT_TRUE(again) << name;
    EXPECT_EQ(again->first.attributes.size.n, 0u) << name;
    EXPECT_EQ(attributes(name).size.n, 0u) << name;
  }
}

TEST_F(TruthTest, ACloseSaysThatAFileEmptiedByOpeningItToReadIsNotStored) {
  put("f", "content");
  server_->add_fault({.operations = {"PutObject"}, .status = 403, .code = "AccessDenied"});
  const Handle file = open("f", O_RDONLY | O_TRUNC);
  EXPECT_EQ(flush(file), EACCES);
  server_->clear_faults();
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(object("f"), "");
}

TEST_F(TruthTest, AnEqualFileThatOthersMadeBetweenTwoAttemptsIsNotOurs) {
  const auto [number, handle] = create("lock");
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::reset, .times = 1});
  auto closing = std::async(std::launch::async, [&, file = Handle{number, handle}] { return flush(file); });
  while (requests("PutObject") < 1) std::this_thread::sleep_for(1ms);
  const cos::PutRequest theirs{
      .key = "lock", .headers = {{}, {{"mtime", "1000000000"}}}, .conditions = {.if_absent = true}};
  ASSERT_TRUE(store_->put_object(kBucket, theirs));
  EXPECT_EQ(closing.get(), ESTALE);
}

TEST_F(TruthTest, ALookUpDoesNotWaitForReadsOfAnotherFile) {
  options_.parallel = 4;
  start();
  for (int i = 0; i <= 1000; ++i) put("a" + std::to_string(i), "");  // too many to list them for one name
  put("f", ramp(3'000'000));
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  server_->add_fault({.operations = {"GetObject"}});
  std::atomic<int> answered{0};
  for (std::uint64_t i = 0; i < 8; ++i)
    fs_->read(request(), file.number, file.handle, {1'000'000 + 10 * i}, {10}, [&](auto) { ++answered; });
  while (requests("GetObject") < 1) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(look("new"), 0u);
  EXPECT_EQ(answered, 0);
  server_->clear_faults();
  while (answered < 8) std::this_thread::sleep_for(1ms);
}

TEST_F(TruthTest, WhatADeadMountLeftIsNotUploadedWhenItCannotBePutAside) {
  put("f", "a whole file");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "HALF"), 0);
  fs_.reset();  // killed
  const auto folder = options_.cache_directory / "kept";
  std::filesystem::remove(folder);
  std::ofstream(folder) << "in the way";
  const auto refused = FileSystem::open(options_, object_store(), make_local_open_table(), Start::fresh);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().context, testing::HasSubstr("make room in " + options_.cache_directory.string()));
  EXPECT_EQ(object("f"), "a whole file");
  std::filesystem::remove(folder);
  start();
  EXPECT_THAT(kept(), testing::SizeIs(1));
}

TEST_F(TruthTest, AnOpenFileThatOthersReplacedCanBeRemoved) {
  put("f", ramp(3'000'000));
  start_cold();
  const Handle file = open("f", O_RDONLY);
  put("f", "theirs");
  EXPECT_EQ(unlink("f"), 0);
  EXPECT_THAT(keys(), IsEmpty());
  close(file);
}

TEST_F(TruthTest, ARemovalThatFailsLeavesNothingForAReadersCloseToStore) {
  ASSERT_EQ(write("f", "content"), 0);
  const Handle file = open("f", O_RDONLY);
  server_->add_fault({.operations = {"DeleteObject", "CopyObject"}, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(unlink("f"), EACCES);
  ASSERT_EQ(write("g", "other"), 0);
  EXPECT_EQ(rename("g", "f"), EACCES);
  const auto before = requests("PutObject");
  close(file);
  EXPECT_EQ(requests("PutObject"), before);
  EXPECT_EQ(object("f"), "content");
}

TEST_F(TruthTest, AFileThatIsRenamedOverAnUploadWhoseAnswerWasLostReplacesIt) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .times = 1, .status = 403});
  const auto [old_number, old_handle] = create("f");
  ASSERT_EQ(write_to({old_number, old_handle}, "taken"), 0);
  EXPECT_EQ(flush({old_number, old_handle}), EACCES);
  const auto [number, handle] = create("f.tmp");
  ASSERT_EQ(write_to({number, handle}, "new"), 0);
  EXPECT_EQ(rename("f.tmp", "f"), 0);
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_EQ(object("f"), "new");
}

TEST_F(TruthTest, StagedBytesThatWereSetAsideByAProcessThatWasKilledThenDoNotHideTheName) {
  put("f", "theirs");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  fs_.reset();
  std::filesystem::remove_all(options_.cache_directory / "staging");
  start();
  EXPECT_EQ(read("f"), "theirs");
}

// ---- a number is one content ----

TEST_F(TruthTest, ContentThatOthersPutUnderTheNameOfAnOpenFileGetsANumberOfItsOwn) {
  options_.metadata_ttl = 0s;
  start();
  put("f", ramp(1000));
  const Handle file = open("f", O_RDONLY);
  put("f", ramp(1000, 7));
  const InodeNumber by_look_up = look("f");
  EXPECT_NE(by_look_up, file.number);
  put("f", ramp(1000, 9));
  const Handle second = open("f", O_RDONLY);
  put("f", ramp(1000, 11));
  names("");
  EXPECT_NE(look("f"), second.number);
  EXPECT_EQ(read("f"), ramp(1000, 11));
  EXPECT_TRUE(fs_->getattr(request(), file.number));  // fstat() goes on
  EXPECT_EQ(errnum_of(fs_->open_file(request(), file.number, O_WRONLY)), ESTALE);
}

// ---- attributes of others, and clocks ----

TEST_F(TruthTest, PermissionsThatAnotherMountChangesAreSeen) {
  options_.clock = &clock_;
  start();
  ASSERT_EQ(write("secret", "s"), 0);
  ASSERT_EQ(mkdir("d"), 0);
  names("");
  names("d");
  ASSERT_NE(attributes("secret").permissions, 0600u);
  server_->advance_clock(5s);
  change_permissions_elsewhere("secret", "33152");  // 0100600
  change_permissions_elsewhere("d/", "16832");      // 0040700
  clock_.pass(31s);
  names("");
  EXPECT_EQ(attributes("secret").permissions, 0600u);
  EXPECT_EQ(attributes("d").permissions, 0700u);
}

TEST_F(TruthTest, WhatWasWrittenHereIsNotAskedForAfterAListing) {
  options_.clock = &clock_;
  start();
  for (int i = 0; i < 5; ++i) ASSERT_EQ(write("f" + std::to_string(i), "x"), 0);
  clock_.pass(31s);
  names("");
  const auto before = requests("HeadObject");
  for (int i = 0; i < 5; ++i) attributes("f" + std::to_string(i));
  EXPECT_EQ(requests("HeadObject"), before);
}

TEST_F(TruthTest, WhatOthersPutUnderANameIsSeenInTimeAlsoWhereItsDirectoryIsMadeHereMeanwhile) {
  options_.clock = &clock_;
  options_.metadata_ttl = 30s;
  start();
  ASSERT_EQ(look("d"), 0u);
  put("d/theirs", "1");
  clock_.pass(20s);
  ASSERT_EQ(mkdir("d"), 0);
  EXPECT_EQ(look("d/theirs"), 0u);
  clock_.pass(11s);
  EXPECT_NE(look("d/theirs"), 0u);
}

TEST_F(TruthTest, AClockThatStepsBackDoesNotFreezeTheView) {
  options_.clock = &clock_;
  start();
  put("old", "1");
  EXPECT_THAT(names(""), ElementsAre("old"));
  clock_.set_wall(clock_.wall() - 1h);
  put("new", "2");
  clock_.pass(31s);
  EXPECT_THAT(names(""), UnorderedElementsAre("old", "new"));
  EXPECT_NE(look("new"), 0u);
}

TEST_F(TruthTest, AClockThatStepsBackBetweenTwoMountsDoesNotFreezeTheView) {
  options_.clock = &clock_;
  start();
  put("f", "1");
  EXPECT_THAT(names(""), ElementsAre("f"));
  EXPECT_EQ(look("none"), 0u);
  EXPECT_EQ(attributes("f").size.n, 1u);
  clock_.set_wall(clock_.wall() - 1h);
  put("none", "2");
  put("f", "longer");
  clock_.pass(31s);
  start();
  EXPECT_NE(look("none"), 0u);
  EXPECT_EQ(attributes("f").size.n, 6u);
  EXPECT_THAT(names(""), UnorderedElementsAre("f", "none"));
}

TEST_F(TruthTest, ACalendarThatIsSetBetweenTwoMountsMakesNothingOlderOrYounger) {
  options_.clock = &clock_;
  start();
  put("f", "1");
  EXPECT_EQ(attributes("f").size.n, 1u);
  put("f", "longer");
  for (const auto by : {24h, -48h}) {
    clock_.set_wall(clock_.wall() + by);
    start();
    EXPECT_EQ(attributes("f").size.n, 1u);
  }
  clock_.pass(31s);
  start();
  EXPECT_EQ(attributes("f").size.n, 6u);
}

TEST_F(TruthTest, WhatWasKnownBeforeARebootIsAskedForWhereTheCalendarIsWrong) {
  options_.clock = &clock_;
  start();
  put("f", "1");
  EXPECT_EQ(attributes("f").size.n, 1u);
  put("f", "longer");
  clock_.reboot();
  clock_.set_wall(clock_.wall() - 24h);
  start();
  EXPECT_EQ(attributes("f").size.n, 6u);
}

// ---- space ----

class SmallDiskTest : public TruthTest {
 protected:
  void SetUp() override {
    TruthTest::SetUp();
    disk_ = directory_ / "disk";
    std::filesystem::create_directory(disk_);
    // 256 MiB are left to others, and 32 MiB reserved for names, so 42 MiB may be used.
    if (mount("none", disk_.c_str(), "tmpfs", 0, "size=330m") != 0) GTEST_SKIP() << "only root may mount a small disk";
    mounted_ = true;
    options_.state_directory = options_.cache_directory = disk_ / "cache";
    start();
  }
  void TearDown() override {
    fs_.reset();
    if (mounted_) umount2(disk_.c_str(), MNT_DETACH);
    TruthTest::TearDown();
  }
  std::filesystem::path disk_;
  bool mounted_ = false;
};

TEST_F(SmallDiskTest, APatchOfAFileLargerThanTheDiskIsRefusedAtTheWriteAndTheFileStaysReadable) {
  const std::string content = ramp(60'000'000);
  put("large", content);
  const Handle file = open("large");
  EXPECT_EQ(write_to(file, "patch", 30'000'000), ENOSPC);
  EXPECT_EQ(flush(file), 0);
  EXPECT_TRUE(read_open(file.number, file.handle, content.size()) == content);
  close(file);
  EXPECT_TRUE(read("large") == content);
  EXPECT_EQ(write("small", "fits"), 0);
}

TEST_F(SmallDiskTest, APatchedFileIsReadableWhenTheDiskIsFull) {
  const std::string content = ramp(20'000'000);
  put("large", content);
  const Handle file = open("large");
  ASSERT_EQ(write_to(file, "patch", 10'000'000), 0);
  const auto space = std::filesystem::space(disk_);
  std::ofstream(disk_ / "filler") << std::string(space.available - 64 * 1024, 'f');
  std::string expected = content;
  expected.replace(10'000'000, 5, "patch");
  EXPECT_TRUE(read_open(file.number, file.handle, content.size()) == expected);
  EXPECT_EQ(flush(file), 0);
  EXPECT_TRUE(object("large") == expected);
}

TEST_F(SmallDiskTest, AFileThatIsOpenCanBeRemovedWhenThereIsNoSpaceToKeepIt) {
  put("large", ramp(60'000'000));
  const Handle file = open("large", O_RDONLY);
  EXPECT_EQ(unlink("large"), 0);
  EXPECT_THAT(keys(), IsEmpty());
  close(file);
}

// ---- one PUT for one file ----

TEST_F(TruthTest, AFileThatIsMadeThroughADuplicatedDescriptorIsStoredOnce) {
  const auto [number, handle] = create("f");
  Request closing = request();
  closing.has_another_descriptor = [](InodeNumber) { return true; };
  EXPECT_TRUE(fs_->flush(closing, number, handle));
  EXPECT_EQ(requests("PutObject"), 0u);
  ASSERT_EQ(write_to({number, handle}, "x\n"), 0);
  EXPECT_EQ(flush({number, handle}), 0);
  close({number, handle});
  EXPECT_EQ(requests("PutObject"), 1u);
  EXPECT_EQ(object("f"), "x\n");
}

TEST_F(TruthTest, AnOverwriteThatFailsAfterAnEarlyCloseLeavesTheOldContent) {
  ASSERT_EQ(write("f", "old"), 0);
  const auto [number, handle] = create("f");
  Request closing = request();
  closing.has_another_descriptor = [](InodeNumber) { return true; };
  EXPECT_TRUE(fs_->flush(closing, number, handle));
  ASSERT_EQ(write_to({number, handle}, "new"), 0);
  server_->add_fault({.operations = {"PutObject"}, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(flush({number, handle}), EACCES);
  EXPECT_EQ(object("f"), "old");
}

TEST_F(TruthTest, AFileThatStaysEmptyIsInTheBucketSoonAfterAnEarlyClose) {
  const auto [number, handle] = create("f");
  Request closing = request();
  closing.has_another_descriptor = [](InodeNumber) { return true; };
  EXPECT_TRUE(fs_->flush(closing, number, handle));
  for (int i = 0; i < 1000 && object("f") == "<none>"; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(object("f"), "");
}

TEST_F(TruthTest, AFileThatStaysEmptyIsInTheBucketWhenItsLastDescriptorIsClosed) {
  const auto [number, handle] = create("f");
  Request closing = request();
  closing.has_another_descriptor = [](InodeNumber) { return true; };
  EXPECT_TRUE(fs_->flush(closing, number, handle));
  close({number, handle});
  EXPECT_EQ(object("f"), "");
}

}  // namespace
}  // namespace pail::vfs
