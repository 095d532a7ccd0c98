// Orders of events between the file system, the store and its other clients, each brought about and not waited for.
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <future>
#include <set>
#include <thread>

#include "../../manual_clock.h"
#include "../log_lines.h"
#include "fake_store_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class OrdersTest : public FakeStoreTest {};

TEST_F(OrdersTest, AListingDuringACloseShowsTheSizeThatWasWritten) {
  const Handle file = make("report", "five!");
  for (const Moment moment : {Moment::before, Moment::after}) {
    const Hold put = store_->hold({.operation = Operation::put_object}, moment);
    ASSERT_EQ(write_to(file, "FIVE!"), 0);
    auto closing = flush_beside(file);
    ASSERT_TRUE(put.await());
    EXPECT_EQ(listed_size("report"), 5u);
    put.release();
    EXPECT_EQ(closing.get(), 0);
  }
}

TEST_F(OrdersTest, ALookUpOfAFileThatIsRemovedMeanwhileDoesNotFindIt) {
  store_->put("f", "base");
  ASSERT_NE(look("f"), 0u);
  const Hold head = store_->hold({.operation = Operation::head_object, .key = "f"}, Moment::before);
  auto looking = std::async(std::launch::async, [this] { return errnum_of(fs_->lookup(request(), kRootInode, "f")); });
  ASSERT_TRUE(head.await());
  store_->behave();  // those who come now are not held
  ASSERT_EQ(unlink("f"), 0);
  head.release();
  EXPECT_EQ(looking.get(), ENOENT);
}

TEST_F(OrdersTest, ALookUpOfAFileThatIsRenamedMeanwhileDoesNotFindItUnderItsOldName) {
  store_->put("f", "base");
  ASSERT_NE(look("f"), 0u);
  const Hold head = store_->hold({.operation = Operation::head_object, .key = "f"}, Moment::before);
  auto looking = std::async(std::launch::async, [this] { return errnum_of(fs_->lookup(request(), kRootInode, "f")); });
  ASSERT_TRUE(head.await());
  store_->behave();
  ASSERT_EQ(rename("f", "g"), 0);
  head.release();
  EXPECT_EQ(looking.get(), ENOENT);
}

TEST_F(OrdersTest, TheOldNameOfADirectoryIsGoneWhileItsOldObjectsAreDeleted) {
  store_->put("d/0", "x");
  const InodeNumber directory = look("d");
  const Hold removal = store_->hold({.operation = Operation::delete_objects}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("d", "e"); });
  ASSERT_TRUE(removal.await());
  EXPECT_EQ(look("d"), 0u);
  EXPECT_THAT(names(""), ElementsAre("e"));
  EXPECT_EQ(look("e"), directory);
  removal.release();
  EXPECT_EQ(renaming.get(), 0);
}

TEST_F(OrdersTest, WhatIsBeingMadeOrRenamedHasNoOtherNumberBefore) {
  store_->put("f", "base");
  const InodeNumber file = look("f");
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "f"}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("f", "g"); });
  ASSERT_TRUE(removal.await());
  EXPECT_EQ(look("g"), 0u);
  EXPECT_THAT(names(""), ElementsAre("f"));
  removal.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(look("g"), file);
  const Hold marker = store_->hold({.operation = Operation::put_object, .key = "d/"}, Moment::after);
  auto making = std::async(std::launch::async, [&] { return mkdir("d"); });
  ASSERT_TRUE(marker.await());
  EXPECT_EQ(look("d"), 0u);
  marker.release();
  EXPECT_EQ(making.get(), 0);
}

TEST_F(OrdersTest, ADirectoryWhoseCopyIsRefusedAlthoughNobodyChangedItMayBeRenamedAgain) {
  store_->put("d/0", "x");
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::precondition});
  EXPECT_EQ(rename("d", "e"), EIO);
  EXPECT_THAT(names(""), ElementsAre("d"));
  EXPECT_EQ(rename("d", "e"), 0);
}

TEST_F(OrdersTest, AFileThatIsRemovedWhileItIsOpenKeepsItsTime) {
  store_->put("f", "base");
  const Handle file = open("f", O_RDONLY);
  const WallTime set = WallTime(1'000'000'000s);
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.modified = set}));
  ASSERT_EQ(unlink("f"), 0);
  const auto shown = fs_->getattr(request(), file.number);
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->attributes.modified, set);
}

TEST_F(OrdersTest, ADirectoryThatARefusalDeniesAndALookDoesNotFindIsAnErrorAndMayBeMadeAgain) {
  store_->fail({.operation = Operation::put_object, .key = "d/"}, {.fault = Fault::precondition});
  EXPECT_EQ(mkdir("d"), EIO);
  EXPECT_EQ(mkdir("d"), 0);
  store_->fail({.operation = Operation::put_object, .key = "e/"}, {.fault = Fault::precondition});
  const Hold put = store_->hold({.operation = Operation::put_object, .key = "e/"}, Moment::after);
  auto making = std::async(std::launch::async, [this] { return mkdir("e"); });
  ASSERT_TRUE(put.await());
  store_->put("e/", "");
  put.release();
  EXPECT_EQ(making.get(), EEXIST);
}

TEST_F(OrdersTest, ADirectoryWhoseMarkerWasStoredByAnAttemptThatFailedIsMade) {
  const Hold first = store_->hold({.operation = Operation::put_object, .key = "d/"}, Moment::after);
  store_->fail({.operation = Operation::put_object, .key = "d/"}, {.fault = Fault::precondition, .at = Moment::after});
  auto making = std::async(std::launch::async, [this] { return mkdir("d"); });
  ASSERT_TRUE(first.await());
  first.release();
  EXPECT_EQ(making.get(), 0);
  EXPECT_THAT(names(""), ElementsAre("d"));
}

TEST_F(OrdersTest, ARefusalOfNewAttributesThatALookDoesNotBearOutIsNoConflict) {
  store_->put("f", "base");
  const InodeNumber file = look("f");
  store_->fail({.operation = Operation::copy_object, .times = 2}, {.fault = Fault::precondition});
  EXPECT_EQ(errnum_of(fs_->setattr(request(), file, {.permissions = 0600})), EIO);
  EXPECT_EQ(errnum_of(fs_->setattr(request(), file, {.permissions = 0600})), 0);
}

TEST_F(OrdersTest, ARefusalOfARenameThatALookDoesNotBearOutIsNoConflict) {
  store_->put("f", "base");
  store_->fail({.operation = Operation::copy_object, .times = 4}, {.fault = Fault::precondition});
  EXPECT_EQ(rename("f", "g"), EIO);
  EXPECT_EQ(rename("f", "g"), 0);
  EXPECT_THAT(store_->keys(), ElementsAre("g"));
}

TEST_F(OrdersTest, ARenameThatIsRefusedWithoutCauseAFewTimesSucceeds) {
  store_->put("f", "base");
  store_->fail({.operation = Operation::copy_object, .times = 3}, {.fault = Fault::precondition});
  EXPECT_EQ(rename("f", "g"), 0);
  EXPECT_THAT(store_->keys(), ElementsAre("g"));
}

TEST_F(OrdersTest, ARenameOfAFileThatOthersKeepReplacingIsStale) {
  store_->put("f", "base");
  look("f");
  const Hold first = store_->hold({.operation = Operation::copy_object}, Moment::before);
  const Hold second = store_->hold({.operation = Operation::copy_object, .after = 1}, Moment::before);
  const Hold third = store_->hold({.operation = Operation::copy_object, .after = 2}, Moment::before);
  const Hold fourth = store_->hold({.operation = Operation::copy_object, .after = 3}, Moment::before);
  auto renaming = std::async(std::launch::async, [this] { return rename("f", "g"); });
  ASSERT_TRUE(first.await());
  store_->put("f", "theirs");
  first.release();
  ASSERT_TRUE(second.await());
  store_->put("f", "theirs, again");
  second.release();
  ASSERT_TRUE(third.await());
  store_->put("f", "theirs, once more");
  third.release();
  ASSERT_TRUE(fourth.await());
  store_->put("f", "theirs for ever");
  fourth.release();
  EXPECT_EQ(renaming.get(), ESTALE);
  EXPECT_THAT(store_->keys(), ElementsAre("f"));
}

TEST_F(OrdersTest, AListingDuringARenameThatFailsDoesNotConfirmItsSource) {
  ManualClock clock;
  options_.clock = &clock;
  options_.metadata_ttl = 30s;
  start();
  ASSERT_EQ(mkdir("d"), 0);
  store_->put("f", "base");
  clock.pass(60s);
  ASSERT_EQ(attributes("f").size, ByteCount{4});
  clock.pass(1s);
  store_->put("f", "of others");
  clock.pass(28s);
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  StopSource stop;
  Request interrupted = request();
  interrupted.stop = stop.token();
  const InodeNumber d = look("d");
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(interrupted, kRootInode, "f", d, "g", RenameMode::replace));
  });
  ASSERT_TRUE(copy.await());
  clock.pass(100s);
  EXPECT_THAT(names(""), UnorderedElementsAre("d", "f"));
  stop.request_stop();
  EXPECT_EQ(renaming.get(), EINTR);
  copy.release();
  clock.pass(10s);
  EXPECT_EQ(attributes("f").size, ByteCount{9});
  EXPECT_EQ(read("f"), "of others");
  fs_.reset();
}

TEST_F(OrdersTest, AnEarlyCloseStoresNothingThatIsWrittenBeforeItsTurn) {
  ManualClock clock;
  options_.clock = &clock;
  start();
  store_->put("d/f", "content");
  const Handle file = open("d/f", O_WRONLY | O_TRUNC);
  Request closing = request();
  closing.has_another_descriptor = [](InodeNumber) { return true; };
  ASSERT_TRUE(fs_->flush(closing, file.number, file.handle));
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("d", "e"); });
  ASSERT_TRUE(copy.await());
  auto changing = std::async(std::launch::async,
                             [&] { return errnum_of(fs_->setattr(request(), file.number, {.permissions = 0600})); });
  std::this_thread::sleep_for(100ms);  // it has the turn of the file
  auto writing = std::async(std::launch::async, [&] { return write_to(file, "half"); });
  std::this_thread::sleep_for(100ms);  // it is the next
  clock.pass(150ms);
  std::this_thread::sleep_for(100ms);  // and then the store that follows the close
  copy.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(changing.get(), 0);
  EXPECT_EQ(writing.get(), 0);
  std::this_thread::sleep_for(200ms);
  EXPECT_EQ(store_->bytes("e/f"), "content");
  fs_.reset();
}

TEST_F(OrdersTest, WhatTheStoreRefusesToShowIsAskedForAgainSoon) {
  options_.metadata_ttl = 30s;
  start();
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
  start_cold();
  store_->fail({.operation = Operation::head_object, .times = 2}, {.fault = Fault::denied});
  const auto found = fs_->lookup(request(), kRootInode, "link");
  ASSERT_TRUE(found);
  EXPECT_LE(found->attributes_ttl, 2s);
  EXPECT_LE(found->name_ttl, 2s);  // with another type it is another inode to the kernel
  const auto known = fs_->getattr(request(), found->attributes.number);
  ASSERT_TRUE(known);
  EXPECT_LE(known->attributes_ttl, 2s);
  EXPECT_EQ(attributes("link").type, FileType::symlink);
}

TEST_F(OrdersTest, AKnownLinkStaysOneWhileTheStoreRefusesToShowIt) {
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
  options_.metadata_ttl = 30s;
  start();
  const InodeNumber link = look("link");
  store_->touch("link");  // new attributes of the same content, perhaps
  options_.metadata_ttl = 0s;
  start();
  store_->fail({.operation = Operation::head_object, .times = kAlways}, {.fault = Fault::denied});
  EXPECT_EQ(attributes("link").type, FileType::symlink);
  const auto known = fs_->getattr(request(), link);
  ASSERT_TRUE(known);
  EXPECT_EQ(known->attributes.type, FileType::symlink);
}

TEST_F(OrdersTest, WithoutTheRightToReadObjectsTheyAreShownByTheirListing) {
  store_->put("f", "content");
  store_->fail({.operation = Operation::head_object, .times = kAlways}, {.fault = Fault::denied});
  const Attributes shown = attributes("f");
  EXPECT_EQ(shown.type, FileType::regular);
  EXPECT_EQ(shown.size, ByteCount{7});
  EXPECT_EQ(shown.permissions, 0644u);
}

// ---- types ----

class TypeOfANumberTest : public FakeStoreTest {
 protected:
  void SetUp() override {
    FakeStoreTest::SetUp();
    ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
    ASSERT_EQ(write("file", "content"), 0);
  }
  // Others put an object under the name of another.
  void others_copy(const std::string& from, const std::string& to) { ASSERT_TRUE(store_->copy(from, to)); }
};

TEST_F(TypeOfANumberTest, StaysWhereOthersPutALinkInThePlaceOfAFile) {
  const InodeNumber file = look("file");
  others_copy("link", "file");
  EXPECT_NE(look("file"), file);
  EXPECT_EQ(attributes("file").type, FileType::symlink);
}

TEST_F(TypeOfANumberTest, StaysWhereOthersPutAFileInThePlaceOfALink) {
  const InodeNumber link = look("link");
  others_copy("file", "link");
  EXPECT_NE(look("link"), link);
  EXPECT_EQ(attributes("link").type, FileType::regular);
}

TEST_F(TypeOfANumberTest, StaysWhereAListingShowsWhatOthersPutInThePlaceOfALink) {
  const InodeNumber link = look("link");
  others_copy("file", "link");
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link"));
  EXPECT_NE(look("link"), link);
  EXPECT_EQ(attributes("link").type, FileType::regular);
}

TEST_F(TypeOfANumberTest, StaysWhereAListingShowsWhatOthersPutInThePlaceOfAFile) {
  const InodeNumber file = look("file");
  others_copy("link", "file");
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link"));
  EXPECT_NE(look("file"), file);
}

TEST_F(TypeOfANumberTest, StaysWhereARenameOfALinkOverAFileIsNotAnswered) {
  const InodeNumber file = look("file");
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  ASSERT_NE(rename("link", "file"), 0);
  EXPECT_NE(look("file"), file);
  EXPECT_EQ(attributes("file").type, FileType::symlink);
}

TEST_F(TypeOfANumberTest, StaysWhereOthersMakeALinkAFileOfTheSameContent) {
  const InodeNumber link = look("link");
  store_->pass(10s);
  store_->put("link", "target");
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link"));
  EXPECT_NE(look("link"), link);
  EXPECT_EQ(attributes("link").type, FileType::regular);
}

TEST_F(TypeOfANumberTest, StaysWhereAListingShowsWhatOthersPutInThePlaceOfAFifo) {
  ASSERT_TRUE(fs_->mknod(request(), kRootInode, "pipe", S_IFIFO | 0644, 0));
  const InodeNumber pipe = look("pipe");
  store_->pass(10s);
  store_->put("pipe", "of others");
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link", "pipe"));
  EXPECT_EQ(attributes("pipe").type, FileType::regular);
  EXPECT_NE(look("pipe"), pipe);
}

TEST_F(TypeOfANumberTest, AndTheNumberStayWhereOthersWriteALinkAnew) {
  const InodeNumber link = look("link");
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "other", "aim"));
  others_copy("other", "link");
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link", "other"));
  EXPECT_EQ(look("link"), link);
  const auto target = fs_->readlink(request(), link);
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, "aim");
}

TEST_F(TypeOfANumberTest, IsLearntFromTheFirstLookAfterAListing) {
  start_cold();
  const auto entries = fs_->read_directory(request(), kRootInode, 0, 100, WithAttributes::no);
  ASSERT_TRUE(entries);
  const auto link = std::ranges::find(*entries, "link", &DirectoryEntry::name);
  ASSERT_NE(link, entries->end());
  EXPECT_EQ(look("link"), link->number);
  EXPECT_EQ(attributes("link").type, FileType::symlink);
}

TEST_F(TypeOfANumberTest, IsNotToldByAListingWhileItIsInDoubt) {
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(write("file", ramp(100'000)), 0);
  EXPECT_THAT(names(""), UnorderedElementsAre("file", "link"));
  store_->fail({.operation = Operation::copy_object}, {.fault = Fault::lost, .at = Moment::after});
  ASSERT_NE(rename("link", "file"), 0);
  const auto entries = fs_->read_directory(request(), kRootInode, 0, 100, WithAttributes::no);
  ASSERT_TRUE(entries);
  const auto file = std::ranges::find(*entries, "file", &DirectoryEntry::name);
  ASSERT_NE(file, entries->end());
  EXPECT_FALSE(file->type);
}

// ---- attributes ----

TEST_F(OrdersTest, WhatWasKnownOfAFileIsNotTrustedAnewDuringAChangeOfItsAttributes) {
  ManualClock clock;
  options_.clock = &clock;
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(write("f", "base"), 0);
  const InodeNumber file = look("f");
  const Hold copy = store_->hold({.operation = Operation::copy_object}, Moment::before);
  auto changing = std::async(std::launch::async,
                             [this, file] { return errnum_of(fs_->setattr(request(), file, {.permissions = 0600})); });
  ASSERT_TRUE(copy.await());
  store_->put("f", "theirs");
  clock.pass(2h);
  const auto shown = fs_->lookup(request(), kRootInode, "f");
  ASSERT_TRUE(shown);
  EXPECT_EQ(shown->attributes_ttl, 0s);
  copy.release();
  EXPECT_EQ(changing.get(), 0);
  EXPECT_EQ(store_->bytes("f"), "theirs");
  EXPECT_EQ(attributes("f").size, ByteCount{6});
  fs_.reset();
}

TEST_F(OrdersTest, AFileThatIsEmptiedAgainIsNotStoredForAnEarlyCloseOfBefore) {
  ManualClock clock;
  options_.clock = &clock;
  start();
  const auto close_early = [this](Handle file) {
    Request closing = request();
    closing.has_another_descriptor = [](InodeNumber) { return true; };
    EXPECT_TRUE(fs_->flush(closing, file.number, file.handle));
  };
  const Handle file = create("f"), other = create("g");
  close_early(file);
  ASSERT_EQ(write_to(file, "content"), 0);
  ASSERT_EQ(flush(file), 0);
  const Handle emptied = open("f", O_WRONLY | O_TRUNC);
  close_early(other);  // its timer comes after that of the first
  for (int i = 0; i < 2000 && !store_->bytes("g"); ++i) {
    clock.pass(50ms);
    std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(store_->bytes("g"), "");
  EXPECT_EQ(store_->bytes("f"), "content");
  EXPECT_EQ(flush(emptied), 0);
  EXPECT_EQ(store_->bytes("f"), "");
  fs_.reset();
}

// Its process died when the store had the new attributes of a file, and before the answer.
class CutAttributesTest : public FakeStoreTest {
 protected:
  void SetUp() override {
    options_.metadata_ttl = 1h;
    FakeStoreTest::SetUp();
    store_->put("f", "base");
    const InodeNumber file = look("f");
    die_behind(Operation::copy_object,
               [this, file] { return errnum_of(fs_->setattr(request(), file, {.permissions = 0600})); });
  }
};

TEST_F(CutAttributesTest, AreSeenByTheNextMount) {
  start();
  EXPECT_EQ(attributes("f").permissions, 0600u);
}

TEST_F(CutAttributesTest, AreSeenByTheNextProcessBeforeTheRequestIsAskedAgain) {
  resume();
  EXPECT_EQ(attributes("f").permissions, 0600u);
}

// Its process died when the store had deleted the old object of a file that is renamed, and before the answer. Each
// copy has another ETag.
class CutRenameOfAnOpenFileTest : public FakeStoreTest {
 protected:
  void SetUp() override {
    FakeStoreTest::SetUp();
    store_->set({.encrypts = true});
    ASSERT_EQ(write("f", "content"), 0);
    file_ = open("f");
    asked_ = request();
    die_behind(Operation::delete_object, [this] { return ask(); });
    resume();
    asked_.resent = true;
  }
  int ask() { return errnum_of(fs_->rename(asked_, kRootInode, "f", kRootInode, "g", RenameMode::replace)); }

  Handle file_;
  Request asked_;
};

TEST_F(CutRenameOfAnOpenFileTest, LeavesItReadableAndWritableUnderItsNumber) {
  ASSERT_EQ(ask(), 0);
  EXPECT_EQ(look("g"), file_.number);
  EXPECT_EQ(read_open(file_.number, file_.handle, 7), "content");
  EXPECT_EQ(write_to(file_, "C"), 0);
  EXPECT_EQ(flush(file_), 0);
  EXPECT_EQ(store_->bytes("g"), "Content");
}

TEST_F(CutRenameOfAnOpenFileTest, LeavesItReadableBeforeItIsLookedUp) {
  ASSERT_EQ(ask(), 0);
  EXPECT_EQ(read_open(file_.number, file_.handle, 7), "content");
}

TEST_F(CutRenameOfAnOpenFileTest, LeavesItUnderItsNumberAfterAListing) {
  ASSERT_EQ(ask(), 0);
  EXPECT_THAT(names(""), ElementsAre("g"));
  EXPECT_EQ(look("g"), file_.number);
}

TEST_F(CutRenameOfAnOpenFileTest, ShowsWhatOthersPutInItsPlaceUnderAnotherNumber) {
  store_->put("g", "THEIRS!");
  ASSERT_EQ(ask(), 0);
  EXPECT_NE(look("g"), file_.number);
  EXPECT_EQ(read("g"), "THEIRS!");
  EXPECT_EQ(errnum_of(fs_->write(request(), file_.number, file_.handle, {0}, bytes("C"))), ESTALE);
}

TEST_F(OrdersTest, AFileThatWasChangedInPartAndIsRemovedStaysReadable) {
  std::string content = ramp(100'000);
  store_->put("f", content);
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "patch", 50'000), 0);
  ASSERT_EQ(unlink("f"), 0);
  EXPECT_THAT(store_->keys(), IsEmpty());
  EXPECT_EQ(read_open(file.number, file.handle, content.size()), content.replace(50'000, 5, "patch"));
}

TEST_F(OrdersTest, ALastCloseBesideTheRemovalOfItsFileSaysOfNoBytesThatTheyAreKept) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "more"), 0);
  const LogLines log;
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "f"}, Moment::after);
  auto removing = std::async(std::launch::async, [this] { return unlink("f"); });
  ASSERT_TRUE(removal.await());
  auto closing = std::async(std::launch::async, [this, file] { close(file); });
  std::this_thread::sleep_for(50ms);  // it waits for the removal; nothing tells when it does
  removal.release();
  EXPECT_EQ(removing.get(), 0);
  closing.get();
  EXPECT_EQ(log.text(), "");
}

TEST_F(OrdersTest, AnObjectThatOthersMakeWhileAnUploadIsOnItsWayWins) {
  const Handle file = make("f", "ours");
  const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
  auto closing = flush_beside(file);
  ASSERT_TRUE(put.await());
  store_->put("f", "theirs");
  put.release();
  EXPECT_EQ(closing.get(), ESTALE);
  EXPECT_EQ(store_->bytes("f"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
}

TEST_F(OrdersTest, AfterAConflictNothingIsWrittenThroughTheHandleAnyMore) {
  store_->put("shared", "base");
  const Handle file = open("shared");
  ASSERT_EQ(write_to(file, "ours"), 0);
  store_->put("shared", "theirs");
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(write_to(file, "again", 2), ESTALE);
  resume();
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(store_->bytes("shared"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("ours"));
}

TEST_F(OrdersTest, AFileThatOthersRemovedWhileItWasChangedIsEstaleForEverAndItsBytesAreKept) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  store_->remove("f");
  names("");
  EXPECT_TRUE(fs_->getattr(request(), file.number));
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(write_to(file, "more"), ESTALE);
  EXPECT_THAT(store_->keys(), IsEmpty());
  EXPECT_THAT(kept(), ElementsAre("OURS"));
}

TEST_F(OrdersTest, OneAnswerThatIsNotTheStoresDoesNotTakeAFileAway) {
  store_->put("f", "base");
  const Handle file = open("f");
  for (const Fault fault : {Fault::not_a_store, Fault::redirect, Fault::no_bucket, Fault::lost, Fault::denied}) {
    store_->fail({.operation = Operation::head_object}, {.fault = fault});
    EXPECT_NE(errnum_of(fs_->getattr(request(), file.number)), ENOENT) << static_cast<int>(fault);
  }
  EXPECT_EQ(write_to(file, "OURS"), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "OURS");
}

TEST_F(OrdersTest, TheStoresOwnNoSuchKeyTakesAFileAwayThatWasNotChangedHere) {
  store_->put("f", "base");
  ASSERT_NE(look("f"), 0u);
  store_->remove("f");
  EXPECT_EQ(look("f"), 0u);
  EXPECT_THAT(names(""), IsEmpty());
}

TEST_F(OrdersTest, AttributesThatChangeDuringARenameOfTheirDirectoryDoNotBringTheOldNameBack) {
  for (const auto* key : {"d/0", "d/1", "d/2"}) store_->put(key, "x");
  const InodeNumber directory = look("d");
  names("d");
  const Hold copies = store_->hold({.operation = Operation::copy_object, .times = kAlways}, Moment::before);
  auto renaming = std::async(std::launch::async, [&] { return rename("d", "e"); });
  ASSERT_TRUE(copies.await(3));
  auto changing = std::async(std::launch::async,
                             [&] { return errnum_of(fs_->setattr(request(), directory, {.permissions = 0700})); });
  copies.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(changing.get(), 0);
  EXPECT_THAT(names(""), ElementsAre("e"));
  EXPECT_EQ(look("e"), directory);
  EXPECT_EQ(attributes("e").permissions, 0700u);
  EXPECT_EQ(read("e/2"), "x");
  start_cold();
  EXPECT_THAT(names("e"), UnorderedElementsAre("0", "1", "2"));
}

TEST_F(OrdersTest, AFileThatIsReadWhileItIsRenamedStaysReadable) {
  const std::string content = ramp(2'000'000);
  store_->put("f", content);
  const Handle file = open("f", O_RDONLY);
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "f"}, Moment::after);
  auto renaming = std::async(std::launch::async, [&] { return rename("f", "g"); });
  ASSERT_TRUE(removal.await());
  ASSERT_EQ(store_->bytes("f"), std::nullopt);
  const Hold get = store_->hold({.operation = Operation::get_object_range, .key = "f"}, Moment::after);
  int errnum = 0;
  auto reading = std::async(std::launch::async,
                            [&] { return read_open(file.number, file.handle, content.size(), &errnum) == content; });
  ASSERT_TRUE(get.await());  // under the old name, where nothing is any more
  get.release();
  removal.release();
  EXPECT_TRUE(reading.get());
  EXPECT_EQ(errnum, 0);
  EXPECT_EQ(renaming.get(), 0);
}

TEST_F(OrdersTest, ALinkThatIsReadWhileItIsRenamedLeadsWhereItDid) {
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
  start_cold();
  const InodeNumber link = look("link");
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "link"}, Moment::after);
  auto renaming = std::async(std::launch::async, [&] { return rename("link", "other"); });
  ASSERT_TRUE(removal.await());
  const Hold get = store_->hold({.operation = Operation::get_object_range, .key = "link"}, Moment::after);
  auto reading = std::async(std::launch::async, [&] { return fs_->readlink(request(), link); });
  ASSERT_TRUE(get.await());  // under the old name, where nothing is any more
  get.release();
  removal.release();
  const auto target = reading.get();
  ASSERT_TRUE(target) << target.error().context;
  EXPECT_EQ(*target, "target");
  EXPECT_EQ(renaming.get(), 0);
}

// Links are read like files, but nobody releases them.
TEST_F(OrdersTest, LinksThatWereReadTakeNothingFromTheReadAheadOfFiles) {
  options_.memory = 64_MiB;
  start();
  for (const char* name : {"before", "after"}) store_->put_zeros(name, 64_MiB);
  const auto requests_to_read = [this](const char* name) {
    store_->forget_requests();
    const Handle file = open(name, O_RDONLY);
    for (std::uint64_t at = 0; at < (64_MiB).n; at += 1'048'576) {
      std::promise<void> read;
      fs_->read(request(), file.number, file.handle, {at}, 1_MiB, [&](const auto& data) {
        EXPECT_TRUE(data);
        read.set_value();
      });
      read.get_future().wait();
    }
    close(file);
    return store_->count(Operation::get_object_range);
  };
  const auto before = requests_to_read("before");
  for (int i = 0; i < 200; ++i) {
    const std::string name = std::to_string(i);
    store_->put(name, "target", {.metadata = {{"mode", "41471"}}});
    EXPECT_EQ(fs_->readlink(request(), look(name)).value(), "target");
  }
  EXPECT_LE(requests_to_read("after"), 2 * before);
}

TEST_F(OrdersTest, ALinkLeadsNowhereByTheBytesOfAFileThatOthersPutInItsPlace) {
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "link", "target"));
  ASSERT_TRUE(fs_->symlink(request(), kRootInode, "same", "target"));
  options_.metadata_ttl = 1h;
  start_cold();
  const InodeNumber link = look("link");
  store_->put("link", "bytes of a file");
  const auto bytes = fs_->readlink(request(), link);
  EXPECT_FALSE(bytes) << *bytes;
  ASSERT_TRUE(store_->copy("same", "link"));
  options_.metadata_ttl = 0s;
  start();
  const auto target = fs_->readlink(request(), look("link"));
  ASSERT_TRUE(target);
  EXPECT_EQ(*target, "target");
}

TEST_F(OrdersTest, ALookUpShowsWhatOthersStoredWhileAReadAsksWhyItWasRefused) {
  store_->put("f", "base");
  const Handle file = open("f", O_RDONLY);
  store_->put("f", "of others");
  store_->pass(1h);
  const Hold why = store_->hold({.operation = Operation::head_object, .key = "f"}, Moment::after);
  int errnum = 0;
  auto reading = std::async(std::launch::async, [&] { return read_open(file.number, file.handle, 4, &errnum); });
  ASSERT_TRUE(why.await());
  const auto looked = fs_->lookup(request(), kRootInode, "f");
  why.release();
  ASSERT_TRUE(looked);
  EXPECT_EQ(looked->attributes.size, ByteCount{9});
  reading.get();
  EXPECT_EQ(errnum, ESTALE);
}

TEST_F(OrdersTest, AnUploadAfterOneWhoseAnswerWasLostReplacesItsOwnObject) {
  const Handle file = make("f", "first");
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(flush(file), 0);
  ASSERT_EQ(write_to(file, " and more", 5), 0);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "first and more");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(OrdersTest, WhatOthersMakeOfAnObjectWhoseAnswerWasLostIsTheirs) {
  const Handle file = make("f", "first");
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(flush(file), 0);
  ASSERT_EQ(store_->bytes("f"), "first");
  store_->put("f", "theirs");
  EXPECT_EQ(flush(file), ESTALE);
  EXPECT_EQ(store_->bytes("f"), "theirs");
  EXPECT_THAT(kept(), ElementsAre("first"));
}

TEST_F(OrdersTest, AnEqualFileThatOthersMadeIsNotOurs) {
  const Handle file = make("lock", "x");
  const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
  auto closing = flush_beside(file);
  ASSERT_TRUE(put.await());
  store_->put("lock", "x", {{}, {{"mtime", "1000000000"}}});
  put.release();
  EXPECT_EQ(closing.get(), ESTALE);
}

TEST_F(OrdersTest, AFileWhoseUploadFailedAfterTheStoreTookItStaysDeleted) {
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::denied, .at = Moment::after});
  EXPECT_EQ(write("f", "taken"), EACCES);
  EXPECT_EQ(unlink("f"), 0);
  EXPECT_THAT(store_->keys(), IsEmpty());
}

TEST_F(OrdersTest, AFileWhoseRemovalFailedAfterTheStoreTookItIsAskedAnew) {
  options_.metadata_ttl = 1h;
  start();
  store_->put("f", "base");
  ASSERT_NE(look("f"), 0u);
  store_->fail({.operation = Operation::delete_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(unlink("f"), 0);
  EXPECT_EQ(look("f"), 0u);
}

TEST_F(OrdersTest, AFileWhoseRemovalFailedAfterTheStoreTookItIsNotListed) {
  options_.metadata_ttl = 1h;
  start();
  for (const char* name : {"e", "f", "g"}) store_->put(name, "base");
  ASSERT_THAT(names(""), UnorderedElementsAre("e", "f", "g"));
  store_->fail({.operation = Operation::delete_object}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(unlink("f"), 0);
  for (const std::size_t most : {1u, 2u, 3u, 100u})
    EXPECT_THAT(names("", most), UnorderedElementsAre("e", "g")) << most;
}

TEST_F(OrdersTest, AFileWhoseOldObjectIsGoneAlthoughItsRemovalFailedIsNotListedUnderItsOldName) {
  options_.metadata_ttl = 1h;
  start();
  for (const char* name : {"d/e", "e", "f"}) store_->put(name, "base");
  ASSERT_THAT(names(""), UnorderedElementsAre("d", "e", "f"));
  ASSERT_NE(look("f"), 0u);
  store_->fail({.operation = Operation::delete_object}, {.fault = Fault::lost, .at = Moment::after});
  store_->fail({.operation = Operation::head_object, .key = "f"}, {.fault = Fault::lost});
  EXPECT_NE(rename("f", "d/g"), 0);
  for (const std::size_t most : {1u, 2u, 100u}) EXPECT_THAT(names("", most), UnorderedElementsAre("d", "e")) << most;
}

TEST_F(OrdersTest, WhatAnEarlierMountSawOfALargeDirectoryIsNotListedWithoutALook) {
  constexpr int kMoreThanAPage = 1100;
  for (int i = 0; i < kMoreThanAPage; ++i) store_->put(fmt::format("f{:04}", i), "1");
  ASSERT_NE(look("f0002"), 0u);
  store_->remove("f0002");
  start();
  for (const std::size_t most : {3u, 100u}) {
    const auto shown = names("", most);
    EXPECT_EQ(std::set(shown.begin(), shown.end()).size(), kMoreThanAPage - 1u) << most;
    EXPECT_THAT(shown, Not(testing::Contains("f0002"))) << most;
  }
}

TEST_F(OrdersTest, WhatALookUpSawOfALargeDirectoryIsNotListedWithoutALook) {
  constexpr int kMoreThanAPage = 1100;
  for (int i = 0; i < kMoreThanAPage; ++i) store_->put(fmt::format("f{:04}", i), "1");
  ASSERT_NE(look("f0002"), 0u);
  store_->remove("f0002");
  for (const std::size_t most : {3u, 100u}) {
    const auto shown = names("", most);
    EXPECT_EQ(std::set(shown.begin(), shown.end()).size(), kMoreThanAPage - 1u) << most;
    EXPECT_THAT(shown, Not(testing::Contains("f0002"))) << most;
  }
}

TEST_F(OrdersTest, ARefusalThatTheStoreDoesNotBearOutIsNoConflict) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "OURS"), 0);
  store_->fail({.operation = Operation::put_object}, {.fault = Fault::precondition});
  EXPECT_EQ(flush(file), EIO);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "OURS");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(OrdersTest, AReadThatIsRefusedAlthoughNobodyChangedTheObjectMayBeTriedAgain) {
  store_->put("f", "base");
  const Handle file = open("f", O_RDONLY);
  store_->fail({.operation = Operation::get_object_range}, {.fault = Fault::precondition});
  int errnum = 0;
  read_open(file.number, file.handle, 4, &errnum);
  EXPECT_EQ(errnum, EIO);
  EXPECT_EQ(read_open(file.number, file.handle, 4), "base");
}

TEST_F(OrdersTest, ADirectoryWhoseRemovalFailedAlthoughItWasCarriedOutIsGone) {
  options_.metadata_ttl = 1h;
  start();
  ASSERT_EQ(mkdir("d"), 0);
  store_->fail({.operation = Operation::delete_object}, {.fault = Fault::lost, .at = Moment::after});
  ASSERT_NE(rmdir("d"), 0);
  EXPECT_EQ(look("d"), 0u);
}

TEST_F(OrdersTest, AReadOfAChangedFileWhoseBaseIsRefusedAlthoughNobodyChangedItMayBeTriedAgain) {
  store_->put("f", "the base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "new"), 0);
  store_->fail({.operation = Operation::get_object_range}, {.fault = Fault::precondition});
  int errnum = 0;
  read_open(file.number, file.handle, 8, &errnum);
  EXPECT_EQ(errnum, EIO);
  EXPECT_EQ(read_open(file.number, file.handle, 8), "new base");
}

TEST_F(OrdersTest, AReadOfAChangedFileThatIsCutAndStoredMeanwhileReadsWhatWasStored) {
  store_->put("f", "the base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "new"), 0);
  const Hold get = store_->hold({.operation = Operation::get_object_range}, Moment::before);
  auto reading = std::async(std::launch::async, [this, file] { return read_open(file.number, file.handle, 8); });
  ASSERT_TRUE(get.await());
  store_->behave();
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = ByteCount{0}}));
  ASSERT_EQ(write_to(file, "anew"), 0);
  ASSERT_EQ(flush(file), 0);
  get.release();
  EXPECT_EQ(reading.get(), "neww");  // each byte is one that the file had meanwhile
}

TEST_F(OrdersTest, AReadOfAFileThatIsWrittenAnewAndRemovedMeanwhileReadsWhatWasWritten) {
  store_->put("f", "the base");
  const Handle file = open("f");
  const Hold get = store_->hold({.operation = Operation::get_object_range}, Moment::before);
  auto reading = std::async(std::launch::async, [this, file] { return read_open(file.number, file.handle, 8); });
  ASSERT_TRUE(get.await());
  store_->behave();
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = ByteCount{0}}));
  ASSERT_EQ(write_to(file, "anew"), 0);
  ASSERT_EQ(unlink("f"), 0);
  get.release();
  EXPECT_EQ(reading.get(), "anew");
}

TEST_F(OrdersTest, ARefusalOfTheBaseOfAChangedFileThatALookDoesNotBearOutIsNoConflict) {
  store_->put("f", "the base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "new"), 0);
  store_->fail({.operation = Operation::get_object_range}, {.fault = Fault::precondition});
  EXPECT_EQ(flush(file), EIO);
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "new base");
}

TEST_F(OrdersTest, AnUploadThatOthersAbortedBeginsAnew) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(12'000'000);
  const auto [number, handle] = create("large");
  for (std::size_t at = 0; at < content.size(); at += 1'000'000)
    ASSERT_EQ(write_to({number, handle}, content.substr(at, 1'000'000), at), 0);
  store_->fail({.operation = Operation::upload_part, .after = 1, .times = kAlways}, {.fault = Fault::denied});
  EXPECT_EQ(flush({number, handle}), EACCES);
  EXPECT_EQ(store_->open_uploads(), 1u);
  store_->behave();
  store_->abort_uploads();
  EXPECT_EQ(flush({number, handle}), 0);
  EXPECT_TRUE(store_->bytes("large") == content);
  EXPECT_EQ(store_->open_uploads(), 0u);
}

TEST_F(OrdersTest, WhatAProgramWaitsForIsAskedAsUrgentAndWhatIsReadAheadAsLess) {
  store_->put_zeros("large", 64_MiB);
  const Handle file = open("large", O_RDONLY);
  for (std::size_t at = 0; at < 4; ++at) ASSERT_EQ(read_open(file.number, file.handle, 128 << 10).size(), 128u << 10);
  ASSERT_EQ(write("small", "x"), 0);
  std::vector<Lane> ranges;
  for (const fake::Request& request : store_->requests()) {
    if (request.operation == Operation::get_object_range)
      ranges.push_back(request.lane);
    else
      EXPECT_EQ(request.lane, Lane::demand) << request.key;
  }
  ASSERT_GE(ranges.size(), 2u);
  EXPECT_EQ(ranges.front(), Lane::demand);
  EXPECT_EQ(ranges.back(), Lane::ahead);
}

TEST_F(OrdersTest, WhatNobodyWaitsForIsStoredInTheBackground) {
  const Handle file = make("f", "text");
  ASSERT_TRUE(fs_->sync_all());
  const auto requests = store_->requests();
  ASSERT_FALSE(requests.empty());
  EXPECT_EQ(requests.back().operation, Operation::put_object);
  EXPECT_EQ(requests.back().lane, Lane::background);
  ASSERT_EQ(write_to(file, "TEXT"), 0);
  ASSERT_EQ(flush(file), 0);
  EXPECT_EQ(store_->requests().back().lane, Lane::demand);
}

TEST_F(OrdersTest, AttributesOfAFileThatARenameCutShortReplacedAreNotThoseOfBefore) {
  ASSERT_EQ(write("f", ""), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("f"), {.permissions = 0600}));
  ASSERT_EQ(write("g", ""), 0);  // in the same second, and as the listing shows it the same object
  ASSERT_EQ(attributes("g").permissions, 0644u);
  die_behind(Operation::copy_object, [this] { return rename("f", "g"); });
  start();
  const auto entries = fs_->read_directory(request(), kRootInode, 0, 100, WithAttributes::yes);
  ASSERT_TRUE(entries);
  for (const auto& entry : *entries) {
    if (entry.name != "g" || !entry.entry) continue;
    EXPECT_EQ(entry.entry->attributes.permissions, 0600u);
  }
  EXPECT_EQ(attributes("g").permissions, 0600u);
}

TEST_F(OrdersTest, ANameIsAlwaysThereWhileAFileIsRenamedOverIt) {
  store_->set({.page = 1});  // so that the directory is not listed for a name
  for (const char* name : {"f", "g", "h"}) store_->put(name, name);
  const InodeNumber renamed = look("f");
  ASSERT_NE(look("g"), 0u);
  const Hold removal = store_->hold({.operation = Operation::delete_object, .key = "f"}, Moment::before);
  auto renaming = std::async(std::launch::async, [this] { return rename("f", "g"); });
  ASSERT_TRUE(removal.await());
  const Hold head = store_->hold({.operation = Operation::head_object, .key = "g"}, Moment::before);
  auto looking = std::async(std::launch::async, [this] { return look("g"); });
  ASSERT_TRUE(head.await());
  store_->behave();
  removal.release();
  ASSERT_EQ(renaming.get(), 0);
  head.release();
  EXPECT_EQ(looking.get(), renamed);
}

TEST_F(OrdersTest, WhatIsStagedAndCannotBeReadIsToldOfWhereItLies) {
  store_->put("f", "base");
  const Handle file = open("f");
  ASSERT_EQ(write_to(file, "B"), 0);
  const auto staged = options_.state_directory / "staging" / std::to_string(file.number);
  std::filesystem::remove(staged.string() + ".log");
  std::filesystem::create_directory(staged.string() + ".log");
  constexpr int kSoManyStayOpen = 64;
  for (int i = 0; i < kSoManyStayOpen; ++i) make(std::to_string(i), "x");
  std::vector<Unstored> stays;
  EXPECT_FALSE(
      fs_->sync_all({.stop = {}, .pending = {}, .stays = [&](const Unstored& each) { stays.push_back(each); }}));
  ASSERT_EQ(stays.size(), 1u);
  EXPECT_EQ(stays.front().kept, staged);
  EXPECT_FALSE(stays.front().given_up);
}

TEST_F(OrdersTest, ALookUpDoesNotWaitForReadsOfAnotherFile) {
  store_->put("f", ramp(3'000'000));
  const Handle file = open("f", O_RDONLY);
  const Hold reads = store_->hold({.operation = Operation::get_object_range, .times = kAlways}, Moment::before);
  std::atomic<int> answered{0};
  for (std::uint64_t i = 0; i < 3; ++i)
    fs_->read(request(), file.number, file.handle, {1'000'000 * i}, {10}, [&](auto) { ++answered; });
  ASSERT_TRUE(reads.await());
  EXPECT_EQ(look("new"), 0u);
  EXPECT_EQ(answered, 0);
  reads.release();
  fs_.reset();  // waits for what is under way
  EXPECT_EQ(answered, 3);
}

TEST_F(OrdersTest, ACloseThatIsInterruptedIsEintrAndTheBytesStayToBeStored) {
  const Handle file = make("f", "ours");
  const StopSource stop;
  {
    const Hold put = store_->hold({.operation = Operation::put_object}, Moment::before);
    auto closing = flush_beside(file, stop.token());
    ASSERT_TRUE(put.await());
    stop.request_stop();
    EXPECT_EQ(closing.get(), EINTR);
  }
  EXPECT_THAT(store_->keys(), IsEmpty());
  EXPECT_EQ(flush(file), 0);
  EXPECT_EQ(store_->bytes("f"), "ours");
}

}  // namespace
}  // namespace pail::vfs
