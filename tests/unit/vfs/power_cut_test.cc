// The machine stops: of the journal what was synced is left, of the index nothing, and of staging files what is there.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <future>
#include <sstream>

#include "fake_store_fixture.h"
#include "local/journal/upkeep.h"
#include "local/staging/kept.h"
#include "manual_clock.h"

namespace {

// Where a copy of each journal goes that is synced; empty: nowhere.
std::filesystem::path synced_journal;  // NOLINT: what a disk has outlives a process, too

}  // namespace

// Takes the place of the C library's: the copy is what a power cut leaves.
extern "C" int fdatasync(int fd) {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), failed);
  if (!synced_journal.empty() && path.parent_path().filename() == "journal")
    std::filesystem::copy_file(path, synced_journal, std::filesystem::copy_options::overwrite_existing, failed);
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace pail::vfs {
namespace {

namespace fs = std::filesystem;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::UnorderedElementsAre;

// What the log says while this lives.
class LogLines {
 public:
  LogLines() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(lines_)));
  }
  ~LogLines() { spdlog::set_default_logger(before_); }
  LogLines(const LogLines&) = delete;
  LogLines& operator=(const LogLines&) = delete;
  std::string text() const { return lines_.str(); }  // when nobody writes there any more

 private:
  const std::shared_ptr<spdlog::logger> before_ = spdlog::default_logger();
  std::ostringstream lines_;
};

class PowerCutTest : public FakeStoreTest {
 protected:
  void SetUp() override {
    use_directory(directory_.path() / "0");
    fs::create_directories(options_.state_directory);
    synced_journal = directory_.path() / "synced";
    FakeStoreTest::SetUp();
  }
  void TearDown() override {
    FakeStoreTest::TearDown();
    synced_journal.clear();
  }

  // All records reach the disk, as they do by themselves after some seconds: what is journalled synced now.
  void wait_for_the_journal() {
    const fs::path log = options_.state_directory / "journal" / "log";
    fs::copy_file(log, synced_journal, fs::copy_options::overwrite_existing);
  }
  // The process is killed now, or the machine stops: a later start() finds what that leaves. What is under way fails
  // without reaching the store any more; `end_it` waits for that.
  enum class Stops { process, machine };
  void stop(
      Stops what, const std::function<void()>& end_it = [] {}) {
    const fs::path before = options_.state_directory, after = directory_.path() / std::to_string(++stops_);
    fs::copy(before, after, fs::copy_options::recursive);
    if (what == Stops::machine) {
      fs::copy_file(synced_journal, after / "journal" / "log", fs::copy_options::overwrite_existing);
      std::ofstream(after / "names" / "state") << "open 00000000-0000-0000-0000-000000000000\n";
    }
    store_->fail({.times = kAlways}, {.fault = Fault::stopped, .may_have_happened = false});
    end_it();
    fs_.reset();
    store_->behave();
    options_.state_directory = options_.cache_directory = after;
  }
  void lose_power() {
    stop(Stops::machine);
    start();
  }
  // The same while `work` has one of its requests on the way, which never arrives.
  void stop_during(Stops what, fake::Match at, const std::function<int()>& work) {
    store_->fail(at, {.fault = Fault::stopped, .may_have_happened = false});
    const Hold hold = store_->hold(at, Moment::before);
    auto under_way = std::async(std::launch::async, work);
    ASSERT_TRUE(hold.await());
    stop(what, [&] {
      hold.release();
      EXPECT_NE(under_way.get(), 0);
    });
  }
  // What the journal promises after all that was under way has ended.
  local::LiveEntries promised() {
    EXPECT_TRUE(fs_->sync_all(Sync{}));
    fs_.reset();
    const auto journal = local::open_journal(options_.state_directory / "journal");
    EXPECT_TRUE(journal) << journal.error().context;
    return journal ? (*journal)->live() : local::LiveEntries();
  }
  std::vector<local::KeptDescription> kept_descriptions() {
    std::vector<local::KeptDescription> all;
    for (const auto& file : local::kept_files(options_.state_directory)) {
      EXPECT_TRUE(file.description) << file.path;
      if (file.description) all.push_back(*file.description);
    }
    return all;
  }

  int stops_ = 0;
};

// ---- staged files ----

TEST_F(PowerCutTest, AFileThatWasBeingWrittenIsKeptWithItsKeyAndAttributes) {
  ASSERT_EQ(mkdir("dir"), 0);
  const Handle file = make("dir/new", "bytes of mine");
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.permissions = 0751, .uid = 12}));
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  const local::KeptDescription about = kept_descriptions().front();
  EXPECT_EQ(about.reason, local::KeptReason::name_lost);
  EXPECT_EQ(about.bucket, kBucket);
  EXPECT_EQ(about.key, "dir/new");
  EXPECT_EQ(about.name, "new");
  EXPECT_EQ(about.permissions, 0751u);
  EXPECT_EQ(about.uid, 12u);
  EXPECT_EQ(about.base_etag, "");
  EXPECT_TRUE(about.complete());
  EXPECT_THAT(kept(), ElementsAre("bytes of mine"));
}

TEST_F(PowerCutTest, AChangedFileIsKeptWithTheVersionThatItChanges) {
  store_->put("f", "before");
  ASSERT_EQ(write_to(open("f"), "BE"), 0);
  wait_for_the_journal();
  const std::string etag = store_->info("f")->etag.text;
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "f");
  EXPECT_EQ(kept_descriptions().front().base_etag, etag);
  EXPECT_EQ(read("f"), "before");
}

TEST_F(PowerCutTest, AFileIsKeptUnderTheNameThatItsRenameAndThatOfADirectoryAboveGaveIt) {
  ASSERT_EQ(mkdir("dir"), 0);
  make("dir/old", "mine");
  ASSERT_EQ(rename("dir/old", "dir/new"), 0);
  ASSERT_EQ(rename("dir", "other"), 0);
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "other/new");
}

TEST_F(PowerCutTest, WhatCloseAnsweredForIsInTheBucketAndNotKept) {
  ASSERT_EQ(write("f", "stored"), 0);
  wait_for_the_journal();
  lose_power();
  EXPECT_THAT(kept_descriptions(), IsEmpty());
  EXPECT_EQ(read("f"), "stored");
}

TEST_F(PowerCutTest, AFileThatWasRemovedWhileItWasOpenLeavesNothing) {
  make("written", "of no use");
  store_->put("read", "by an open handle");
  open("read");
  ASSERT_EQ(unlink("written"), 0);
  ASSERT_EQ(unlink("read"), 0);
  wait_for_the_journal();
  lose_power();
  EXPECT_THAT(kept_descriptions(), IsEmpty());
  EXPECT_TRUE(fs::is_empty(options_.state_directory / "staging"));
}

TEST_F(PowerCutTest, WhatTheDiskDidNotHaveYetOfTheJournalCostsTheNameAndNotTheBytes) {
  make("new", "mine");
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "");
  EXPECT_THAT(kept(), ElementsAre("mine"));
}

TEST_F(PowerCutTest, NumbersAreNotUsedAgainAndHandlesOfBeforeAreStale) {
  const Handle file = make("old", "mine");
  const std::uint64_t generation = fs_->getattr(request(), file.number)->generation;
  lose_power();
  const Handle fresh = make("new", "mine");
  EXPECT_GT(fresh.number, file.number);
  EXPECT_NE(fs_->getattr(request(), fresh.number)->generation, generation);
  EXPECT_EQ(errnum_of(fs_->getattr(request(), file.number)), ESTALE);
}

TEST_F(PowerCutTest, ASecondOneFindsWhatTheFirstLeft) {
  make("one", "1");
  wait_for_the_journal();
  lose_power();
  make("two", "22");
  wait_for_the_journal();
  lose_power();
  std::vector<std::string> keys;
  for (const auto& about : kept_descriptions()) keys.push_back(about.key);
  EXPECT_THAT(keys, UnorderedElementsAre("one", "two"));
}

TEST_F(PowerCutTest, AfterAKillTheNamesCorrectWhatTheJournalMissed) {
  make("old", "mine");
  const fs::path log = options_.state_directory / "journal" / "log", earlier = directory_.path() / "earlier";
  fs::copy_file(log, earlier);
  ASSERT_EQ(rename("old", "new"), 0);
  fs_.reset();
  fs::copy_file(earlier, log, fs::copy_options::overwrite_existing);  // as if killed before the record
  resume();
  wait_for_the_journal();
  lose_power();
  ASSERT_THAT(kept_descriptions(), SizeIs(1));
  EXPECT_EQ(kept_descriptions().front().key, "new");
}

// ---- uploads ----

class PowerCutUploadTest : public PowerCutTest {
 protected:
  void upload_until(fake::Match at, Stops what = Stops::machine) {
    const Handle file = make("big", "begins so");
    ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
    stop_during(what, at, [this, file] { return flush(file); });
  }
  void await_abort() {
    for (int i = 0; i < 2000 && store_->count(Operation::abort_upload) == 0; ++i)
      sleep_for(std::chrono::milliseconds(1));
    EXPECT_GT(store_->count(Operation::abort_upload), 0u);
  }
  // By this mount, or one after it: one that ends leaves what it has not aborted yet.
  void expect_all_aborted() {
    for (int mounts = 0; mounts < 20; ++mounts) {
      await_abort();
      if (promised().uploads().empty()) {
        EXPECT_EQ(store_->open_uploads(), 0u);
        return;
      }
      store_->forget_requests();
      start();
    }
    ADD_FAILURE() << "uploads are left";
  }
};

TEST_F(PowerCutUploadTest, NoneIsLeftInTheBucketByAFreshMount) {
  for (const Operation operation : {Operation::upload_part, Operation::complete_upload}) {
    upload_until({.operation = operation});
    EXPECT_EQ(store_->open_uploads(), 1u);
    store_->forget_requests();
    start();
    expect_all_aborted();
    start();
  }
}

TEST_F(PowerCutUploadTest, OneThatIsGoneIsForgotten) {
  upload_until({.operation = Operation::upload_part});
  store_->abort_uploads();
  start();
  expect_all_aborted();
}

TEST_F(PowerCutUploadTest, OneThatCannotBeAbortedIsTriedAgainByTheNextMount) {
  upload_until({.operation = Operation::upload_part});
  store_->fail({.operation = Operation::abort_upload}, {.fault = Fault::denied});
  start();
  await_abort();
  EXPECT_THAT(promised().uploads(), SizeIs(1));
  EXPECT_EQ(store_->open_uploads(), 1u);
  start();
  expect_all_aborted();
}

TEST_F(PowerCutUploadTest, AMountDoesNotWaitForThemToBeAborted) {
  for (const Stops what : {Stops::machine, Stops::process}) {
    upload_until({.operation = Operation::upload_part}, what);
    const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
    auto mounting = std::async(std::launch::async, [this] { start(); });
    EXPECT_TRUE(aborting.await());
    EXPECT_EQ(mounting.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    aborting.release();
    mounting.get();
    expect_all_aborted();
    start();
  }
}

TEST_F(PowerCutUploadTest, OneThatTheNewMountBeginsMeanwhileGoesOn) {
  upload_until({.operation = Operation::upload_part});
  store_->forget_requests();
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  start();
  ASSERT_TRUE(aborting.await());
  const Hold completing = store_->hold({.operation = Operation::complete_upload}, Moment::before);
  auto writing = std::async(std::launch::async, [this] { return write("other", std::string((40_MiB).n, 'x')); });
  ASSERT_TRUE(completing.await());
  EXPECT_EQ(store_->open_uploads(), 2u);
  aborting.release();
  completing.release();
  EXPECT_EQ(writing.get(), 0);
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_EQ(store_->count(Operation::abort_upload), 1u);
}

TEST_F(PowerCutUploadTest, AMountThatEndsDoesNotWaitForThemToBeAborted) {
  upload_until({.operation = Operation::upload_part});
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  start();
  ASSERT_TRUE(aborting.await());
  EXPECT_TRUE(fs_->sync_all());
  fs_.reset();
  aborting.release();
  start();
  expect_all_aborted();
}

// ---- uploads that nobody goes on with ----

class LetGoTest : public PowerCutUploadTest {
 protected:
  void SetUp() override {
    options_.clock = &clock_;
    PowerCutUploadTest::SetUp();
  }
  // A file whose upload has begun and is recorded.
  void leave_upload(std::string_view name) {
    const Handle file = make(name, "begins so");
    ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
    store_->fail({.operation = Operation::upload_part, .times = kAlways}, {.fault = Fault::denied});
    EXPECT_NE(flush(file), 0);
    close(file);
    store_->behave();
  }
  void await_open_uploads(std::size_t wanted) {
    for (int i = 0; i < 2000 && store_->open_uploads() != wanted; ++i) sleep_for(std::chrono::milliseconds(1));
    EXPECT_EQ(store_->open_uploads(), wanted);
  }

  ManualClock clock_;
};

TEST_F(LetGoTest, WhoRemovesAFileDoesNotWaitUntilItsUploadIsAborted) {
  leave_upload("big");
  EXPECT_EQ(store_->open_uploads(), 1u);
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  auto removing = std::async(std::launch::async, [this] { return unlink("big"); });
  EXPECT_TRUE(aborting.await());
  EXPECT_EQ(removing.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  aborting.release();
  EXPECT_EQ(removing.get(), 0);
  await_open_uploads(0);
}

TEST_F(LetGoTest, WhoRenamesOverAFileDoesNotWaitUntilItsUploadIsAborted) {
  leave_upload("big");
  ASSERT_EQ(write("other", "small"), 0);
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  auto renaming = std::async(std::launch::async, [this] { return rename("other", "big"); });
  EXPECT_TRUE(aborting.await());
  EXPECT_EQ(renaming.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  aborting.release();
  EXPECT_EQ(renaming.get(), 0);
  await_open_uploads(0);
}

TEST_F(LetGoTest, WhatIsNotAbortedWhenTheMountEndsIsLeftToTheNext) {
  leave_upload("big");
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  EXPECT_EQ(unlink("big"), 0);
  ASSERT_TRUE(aborting.await());
  EXPECT_THAT(promised().uploads(), SizeIs(1));
  aborting.release();
  start();
  await_open_uploads(0);
}

TEST_F(LetGoTest, WhatIsNotAbortedWhenTheProcessEndsIsLeftToTheNext) {
  leave_upload("big");
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  EXPECT_EQ(unlink("big"), 0);
  ASSERT_TRUE(aborting.await());
  resume();
  aborting.release();
  await_open_uploads(0);
}

TEST_F(LetGoTest, AnotherProcessDoesNotWaitUntilTheyAreAborted) {
  leave_upload("big");
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  const InodeNumber number = look("big");
  ASSERT_NE(number, 0u);
  fs_.reset();
  fs::remove_all(options_.state_directory / "staging");  // the file is put aside: nobody goes on
  auto resuming = std::async(std::launch::async, [this] { resume(); });
  EXPECT_TRUE(aborting.await());
  EXPECT_EQ(resuming.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  aborting.release();
  resuming.get();
  await_open_uploads(0);
}

TEST_F(LetGoTest, AStoreThatDoesNotAnswerIsAskedAgainLater) {
  leave_upload("a");
  leave_upload("b");
  fs_.reset();
  store_->forget_requests();
  store_->fail({.operation = Operation::abort_upload, .times = 2}, {.fault = Fault::lost, .may_have_happened = false});
  start();
  for (const int minutes : {1, 2}) {
    await_abort();
    EXPECT_EQ(store_->open_uploads(), 2u);
    store_->forget_requests();
    EXPECT_EQ(store_->count(Operation::abort_upload), 0u);
    for (int i = 0; i < 2000 && store_->count(Operation::abort_upload) == 0; ++i) {
      clock_.pass(std::chrono::minutes(minutes));
      sleep_for(std::chrono::milliseconds(1));
    }
  }
  await_open_uploads(0);
}

TEST_F(PowerCutUploadTest, ThoseThatWereCompletedAreNotPromisedAnyMore) {
  ASSERT_EQ(write("big", std::string((40_MiB).n, 'x')), 0);
  EXPECT_THAT(promised().uploads(), IsEmpty());
}

// ---- renames of directories ----

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
