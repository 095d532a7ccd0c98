// Renames of directories that a power cut or a kill ended early.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <future>

#include "../log_lines.h"
#include "power_cut_fixture.h"

namespace pail::vfs {
namespace {

namespace fs = std::filesystem;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

class PowerCutRenameTest : public PowerCutTest {
 protected:
  void SetUp() override {
    PowerCutTest::SetUp();
    for (const char* name : {"a", "b", "c"}) store_->put(std::string("above/old/") + name, name);
    ASSERT_NE(look("above/old"), 0u);
  }
  void stop_rename_at(Stops what, fake::Match at) {
    stop_during(what, at, [this] { return rename("above/old", "above/new"); });
  }
  bool no_job_file_is_left() {
    return !fs::exists(options_.state_directory / "renames") || fs::is_empty(options_.state_directory / "renames");
  }
  // Renames of above/N/old to above/N/new that were deleting, as many as copies are made at a time.
  void leave_renames(Stops what) {
    store_->fail({.operation = Operation::delete_objects, .times = kAlways},
                 {.fault = Fault::stopped, .may_have_happened = false});
    const Hold deletes = store_->hold({.operation = Operation::delete_objects, .times = kAlways}, Moment::before);
    std::vector<std::future<int>> left;
    for (unsigned i = 0; i < options_.parallel; ++i) {
      const std::string below = "above/" + std::to_string(i) + "/";
      store_->put(below + "old/f", "x");
      left.push_back(std::async(std::launch::async, [this, below] { return rename(below + "old", below + "new"); }));
      ASSERT_TRUE(deletes.await(i + 1));
    }
    stop(what, [&] {
      deletes.release();
      for (auto& each : left) EXPECT_NE(each.get(), 0);
    });
  }
};

TEST_F(PowerCutRenameTest, WhileItCopiesLeavesTheWholeOldTree) {
  stop_rename_at(Stops::machine, {.operation = Operation::copy_object, .key = "above/new/b"});
  const LogLines log;
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_TRUE(no_job_file_is_left());
  for (const char* name : {"a", "b", "c"}) EXPECT_EQ(store_->bytes(std::string("above/old/") + name), name);
  EXPECT_THAT(log.text(), HasSubstr("files lie under both names"));
}

TEST_F(PowerCutRenameTest, BeforeItsFirstCopyIsNoWorthAWarning) {
  stop_rename_at(Stops::machine, {.operation = Operation::copy_object, .times = kAlways});
  const LogLines log;
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_THAT(log.text(), Not(HasSubstr("both names")));
}

TEST_F(PowerCutRenameTest, WhatCannotBeSeenOfItsCopiesIsLeftToTheMountAfter) {
  stop_rename_at(Stops::machine, {.operation = Operation::copy_object, .key = "above/new/b"});
  store_->fail({.times = kAlways}, {.fault = Fault::lost});
  start();
  EXPECT_THAT(promised().jobs(), SizeIs(1));
  store_->behave();
  const LogLines log;
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_THAT(log.text(), HasSubstr("files lie under both names"));
}

TEST_F(PowerCutRenameTest, AMountDoesNotWaitToSeeItsCopies) {
  stop_rename_at(Stops::machine, {.operation = Operation::copy_object, .key = "above/new/b"});
  const Hold looking = store_->hold({.operation = Operation::list_objects, .key = "above/new/"}, Moment::before);
  start();
  EXPECT_TRUE(looking.await());
  looking.release();
  EXPECT_THAT(promised().jobs(), IsEmpty());
}

TEST_F(PowerCutRenameTest, WhileItDeletesIsFinishedByTheNextMount) {
  stop_rename_at(Stops::machine, {.operation = Operation::delete_objects});
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_TRUE(no_job_file_is_left());
  for (const char* name : {"a", "b", "c"}) {
    EXPECT_EQ(store_->bytes(std::string("above/new/") + name), name);
    EXPECT_EQ(store_->bytes(std::string("above/old/") + name), std::nullopt);
  }
}

TEST_F(PowerCutRenameTest, WhatOthersDidMeanwhileStaysWhenItIsFinished) {
  stop_rename_at(Stops::machine, {.operation = Operation::delete_objects});
  store_->pass(std::chrono::seconds(5));
  store_->put("above/old/a", "theirs");
  store_->remove("above/new/b");
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("above/old/a"), "theirs");
  EXPECT_EQ(store_->bytes("above/old/b"), "b");
  EXPECT_EQ(store_->bytes("above/old/c"), std::nullopt);
}

TEST_F(PowerCutRenameTest, WhereTheNamesAreLostAnOldObjectOutlivesACopyThatOthersReplaced) {
  stop_rename_at(Stops::machine, {.operation = Operation::delete_objects});
  store_->put("above/new/b", "theirs");
  store_->remove("above/new/c");
  const LogLines log;
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("above/old/a"), std::nullopt);
  EXPECT_EQ(store_->bytes("above/old/b"), "b");
  EXPECT_EQ(store_->bytes("above/new/b"), "theirs");
  EXPECT_EQ(store_->bytes("above/old/c"), "c");
  EXPECT_THAT(log.text(), HasSubstr("\"above/old/b\": stays, as it has no copy any more at \"above/new/b\""));
  EXPECT_THAT(log.text(), HasSubstr("\"above/old/c\": stays, as nothing is left at \"above/new/c\""));
}

TEST_F(PowerCutRenameTest, WhereTheNamesKnowOfItAFileThatWasRewrittenSinceTakesItsOldObjectAlong) {
  stop_rename_at(Stops::process, {.operation = Operation::delete_objects});
  store_->put("above/new/b", "newer");
  store_->remove("above/new/c");
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_THAT(store_->keys(), UnorderedElementsAre("above/new/a", "above/new/b", "above/old/c"));
}

TEST_F(PowerCutRenameTest, ThoseThatAreLeftTakeNoThreadFromTheOneThatTheyWaitFor) {
  leave_renames(Stops::machine);
  const Hold looked_up = store_->hold({.operation = Operation::list_objects, .key = "above/"}, Moment::before);
  start();
  ASSERT_TRUE(looked_up.await());
  auto renaming = std::async(std::launch::async, [this] { return rename("above", "moved"); });
  EXPECT_EQ(renaming.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  looked_up.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("moved/0/new/f"), "x");
  EXPECT_EQ(store_->bytes("moved/0/old/f"), std::nullopt) << "what is left is not moved along";
}

TEST_F(PowerCutRenameTest, OneThatWaitsForWhatIsLeftBelowCanBeInterrupted) {
  leave_renames(Stops::machine);
  const Hold looked_up = store_->hold({.operation = Operation::list_objects, .key = "above/"}, Moment::before);
  start();
  ASSERT_TRUE(looked_up.await());
  StopSource signal;
  Request asked = request();
  asked.stop = signal.token();
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(asked, kRootInode, "above", kRootInode, "moved", RenameMode::replace));
  });
  EXPECT_EQ(renaming.wait_for(std::chrono::milliseconds(200)), std::future_status::timeout);
  signal.request_stop();
  EXPECT_EQ(renaming.get(), EINTR);
  looked_up.release();
  EXPECT_THAT(promised().jobs(), IsEmpty());
}

TEST_F(PowerCutRenameTest, DeletesThatAreLeftTakeNoThreadFromThoseOfThisMount) {
  leave_renames(Stops::process);
  store_->put("mine/f", "x");
  const Hold slow = store_->hold({.operation = Operation::delete_objects}, Moment::before);
  start();
  ASSERT_TRUE(slow.await());
  EXPECT_EQ(rename("mine", "moved"), 0);
  slow.release();
  EXPECT_THAT(promised().jobs(), IsEmpty());
}

TEST_F(PowerCutRenameTest, AnInterruptedCallerDoesNotLetTheParentVanish) {
  store_->put("implicit/sub/f", "x");
  const InodeNumber parent = look("implicit");
  ASSERT_NE(look("implicit/sub"), 0u);
  const Hold marker = store_->hold({.operation = Operation::put_object, .key = "implicit/"}, Moment::before);
  StopSource signal;
  Request asked = request();
  asked.stop = signal.token();
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(asked, parent, "sub", kRootInode, "moved", RenameMode::replace));
  });
  ASSERT_TRUE(marker.await());
  signal.request_stop();
  marker.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_TRUE(store_->bytes("implicit/"));
}

TEST_F(PowerCutRenameTest, TheMarkerOfItsTargetIsNoFileUnderBothNames) {
  store_->put("above/new/", "");
  ASSERT_NE(look("above/new"), 0u);
  stop_rename_at(Stops::machine, {.operation = Operation::copy_object, .times = kAlways});
  const LogLines log;
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_THAT(log.text(), Not(HasSubstr("both names")));
}

TEST_F(PowerCutRenameTest, AStoreThatDoesNotAnswerLeavesItToTheMountAfter) {
  stop_rename_at(Stops::machine, {.operation = Operation::delete_objects});
  store_->fail({.times = kAlways}, {.fault = Fault::lost});
  start();
  fs_.reset();
  store_->behave();
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("above/old/b"), std::nullopt);
  EXPECT_EQ(store_->bytes("above/new/b"), "b");
}

TEST_F(PowerCutRenameTest, AStoreThatRefusesItsDeletesLeavesItToTheMountAfter) {
  for (const Stops what : {Stops::process, Stops::machine}) {
    stop_rename_at(what, {.operation = Operation::delete_objects});
    store_->fail({.operation = Operation::delete_objects, .times = kAlways}, {.fault = Fault::denied});
    start();
    EXPECT_THAT(promised().jobs(), SizeIs(1));
    store_->behave();
    start();
    EXPECT_THAT(promised().jobs(), IsEmpty());
    EXPECT_EQ(store_->bytes("above/old/b"), std::nullopt);
    EXPECT_EQ(store_->bytes("above/new/b"), "b");
    start();
    ASSERT_EQ(rename("above/new", "above/old"), 0);
  }
}

TEST_F(PowerCutRenameTest, AFileThatIsAskedAgainIsThereOnAStoreThatEncrypts) {
  store_->set({.encrypts = true});
  ASSERT_EQ(write("above/f", "hello"), 0);
  Request asked = request();
  const InodeNumber above = look("above");
  const auto carry_out = [&] { return errnum_of(fs_->rename(asked, above, "f", above, "g", RenameMode::replace)); };
  stop_during(Stops::process, {.operation = Operation::delete_object, .key = "above/f"}, carry_out);
  store_->remove("above/f");
  resume();
  asked.resent = true;
  EXPECT_EQ(carry_out(), 0);
  EXPECT_EQ(read("above/g"), "hello");
}

// Interrupted while it deletes, and the store refuses the deletes.
class RefusedRenameTest : public PowerCutTest {
 protected:
  void SetUp() override {
    options_.metadata_ttl = std::chrono::hours(1);
    PowerCutTest::SetUp();
    options_.metadata_ttl = std::chrono::hours(1);
    start();
    store_->put("d/f", "x");
    ASSERT_NE(look("d/f"), 0u);
    store_->fail({.operation = Operation::delete_objects, .times = kAlways}, {.fault = Fault::denied});
    const Hold held = store_->hold({.operation = Operation::delete_objects}, Moment::before);
    StopSource signal;
    Request asked = request();
    asked.stop = signal.token();
    auto renaming = std::async(std::launch::async, [&] {
      return errnum_of(fs_->rename(asked, local::kRootInode, "d", local::kRootInode, "e", RenameMode::replace));
    });
    ASSERT_TRUE(held.await());
    signal.request_stop();
    EXPECT_EQ(renaming.get(), EINTR);
    held.release();
    EXPECT_TRUE(fs_->sync_all(Sync{}));
    store_->behave();
    ASSERT_EQ(read("d/f"), "x") << "both names show it";
  }
  void remount() {
    start();
    EXPECT_THAT(promised().jobs(), IsEmpty());
    start();
  }
};

TEST_F(RefusedRenameTest, IsEndedByTheNextMount) {
  remount();
  EXPECT_EQ(store_->bytes("d/f"), std::nullopt);
  EXPECT_EQ(read("e/f"), "x");
}

TEST_F(RefusedRenameTest, KeepsAnObjectWhoseCopyWasRemovedAndMadeAnewSince) {
  EXPECT_EQ(unlink("e/f"), 0);
  EXPECT_EQ(write("e/f", "another thing"), 0);
  remount();
  EXPECT_EQ(store_->bytes("d/f"), "x");
}

TEST_F(RefusedRenameTest, HidesNoFileThatGotTheOldNameSince) {
  EXPECT_EQ(unlink("d/f"), 0);
  EXPECT_EQ(rmdir("d"), 0);
  EXPECT_EQ(write("d", "a file now"), 0);
  remount();
  EXPECT_EQ(read("d"), "a file now");
  EXPECT_EQ(write("d", "more"), 0);
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(RefusedRenameTest, LeavesADirectoryThatGotTheOldNameSinceItsNumber) {
  EXPECT_EQ(unlink("d/f"), 0);
  EXPECT_EQ(rmdir("d"), 0);
  EXPECT_EQ(mkdir("d"), 0);
  EXPECT_EQ(write("d/new", "new"), 0);
  const Hold listing = store_->hold({.operation = Operation::list_objects, .key = "d/"}, Moment::before);
  start();
  EXPECT_TRUE(listing.await());
  const Handle reader = open("d/new", O_RDONLY);
  const InodeNumber before = look("d");
  listing.release();
  fs_->wait_for_left({});
  EXPECT_EQ(look("d"), before);
  int errnum = 0;
  EXPECT_EQ(read_open(reader.number, reader.handle, 3, &errnum), "new");
  EXPECT_EQ(errnum, 0);
}

TEST_F(PowerCutRenameTest, WhatOthersPutInThePlaceOfAFileShowsWhenItsRenameIsAskedAgain) {
  options_.part_size = 5_MiB;
  start();
  ASSERT_EQ(write("above/f", ramp(11'000'000)), 0);
  Request asked = request();
  const InodeNumber above = look("above");
  const auto carry_out = [&] { return errnum_of(fs_->rename(asked, above, "f", above, "g", RenameMode::replace)); };
  store_->remove("above/g");
  stop_during(Stops::process, {.operation = Operation::delete_object, .key = "above/f"}, carry_out);
  store_->remove("above/f");
  store_->put("above/g", "theirs");
  resume();
  asked.resent = true;
  EXPECT_EQ(carry_out(), 0);
  EXPECT_EQ(attributes("above/g").size.n, 6u);
  EXPECT_EQ(read("above/g"), "theirs");
}

TEST_F(PowerCutRenameTest, WhileItDeletesIsFinishedByTheNextProcessAlsoWhenNobodyAsksAgain) {
  stop_rename_at(Stops::process, {.operation = Operation::delete_objects});
  const Hold deletes = store_->hold({.operation = Operation::delete_objects}, Moment::before);
  resume();
  EXPECT_TRUE(deletes.await());
  EXPECT_EQ(look("above/old"), 0u) << "its old objects are still there";
  deletes.release();
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_THAT(names("above"), testing::ElementsAre("new"));
  EXPECT_EQ(store_->bytes("above/old/a"), std::nullopt);
  EXPECT_TRUE(no_job_file_is_left());
}

TEST_F(PowerCutRenameTest, ThatIsAskedAgainWhileItsDeletesGoOnWaitsForThem) {
  Request asked = request();
  const InodeNumber above = look("above");
  const auto carry_out = [&] { return errnum_of(fs_->rename(asked, above, "old", above, "new", RenameMode::replace)); };
  stop_during(Stops::process, {.operation = Operation::delete_objects}, carry_out);
  const Hold deletes = store_->hold({.operation = Operation::delete_objects}, Moment::before);
  resume();
  asked.resent = true;
  auto renaming = std::async(std::launch::async, carry_out);
  EXPECT_TRUE(deletes.await());
  EXPECT_EQ(renaming.wait_for(std::chrono::milliseconds(20)), std::future_status::timeout);
  deletes.release();
  EXPECT_EQ(renaming.get(), 0);
  EXPECT_EQ(store_->bytes("above/old/a"), std::nullopt);
  EXPECT_THAT(promised().jobs(), IsEmpty());
}

TEST_F(PowerCutRenameTest, WhoseDeletesAreRefusedAfterAKillKeepsItsNewNameAndIsLeftToTheMountAfter) {
  stop_rename_at(Stops::process, {.operation = Operation::delete_objects});
  store_->fail({.operation = Operation::delete_objects, .times = kAlways}, {.fault = Fault::denied});
  resume();
  const InodeNumber renamed = look("above/new");
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_EQ(look("above/new"), renamed);
  EXPECT_THAT(promised().jobs(), SizeIs(1));
  store_->behave();
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("above/old/a"), std::nullopt);
}

TEST_F(PowerCutRenameTest, OneThatWasAnsweredIsNotDoneAgain) {
  ASSERT_EQ(rename("above/old", "above/new"), 0);
  stop(Stops::machine);
  store_->pass(std::chrono::seconds(5));
  store_->put("above/old/a", "new here");
  start();
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_EQ(store_->bytes("above/old/a"), "new here");
  EXPECT_EQ(store_->bytes("above/new/a"), "a");
}

TEST_F(PowerCutRenameTest, OneThatIsAskedAgainAfterAKillLeavesNoJobOfItsFirstTime) {
  Request asked = request();
  const InodeNumber above = look("above");
  const auto carry_out = [&] { return errnum_of(fs_->rename(asked, above, "old", above, "new", RenameMode::replace)); };
  stop_during(Stops::process, {.operation = Operation::copy_object, .key = "above/new/b"}, carry_out);
  resume();
  asked.resent = true;
  EXPECT_EQ(carry_out(), 0);
  EXPECT_THAT(promised().jobs(), IsEmpty());
  EXPECT_TRUE(no_job_file_is_left());
  EXPECT_EQ(store_->bytes("above/new/c"), "c");
  EXPECT_EQ(store_->bytes("above/old/c"), std::nullopt);
}

}  // namespace
}  // namespace pail::vfs
