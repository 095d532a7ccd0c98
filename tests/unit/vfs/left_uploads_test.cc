// Uploads that nobody goes on with: after a power cut, after a kill, and while the mount goes on.
#include <gmock/gmock.h>

#include <cerrno>
#include <future>
#include <optional>

#include "manual_clock.h"
#include "power_cut_fixture.h"

namespace pail::vfs {
namespace {

namespace fs = std::filesystem;
using fake::Hold;
using fake::kAlways;
using fake::Moment;
using fake::Operation;
using testing::IsEmpty;
using testing::SizeIs;

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
  // `work` is answered while the abort of the upload that it lets go is held up, and that is carried out after it.
  void expect_not_waiting(const std::function<int()>& work) {
    const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
    auto working = std::async(std::launch::async, work);
    EXPECT_TRUE(aborting.await());
    EXPECT_EQ(working.wait_for(std::chrono::seconds(10)), std::future_status::ready);
    aborting.release();
    EXPECT_EQ(working.get(), 0);
    await_open_uploads(0);
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
  expect_not_waiting([this] { return unlink("big"); });
}

TEST_F(LetGoTest, WhoRenamesOverAFileDoesNotWaitUntilItsUploadIsAborted) {
  leave_upload("big");
  ASSERT_EQ(write("other", "small"), 0);
  expect_not_waiting([this] { return rename("other", "big"); });
}

TEST_F(LetGoTest, WhoWritesOrSetsAttributesDoesNotWaitUntilItIsAborted) {
  leave_upload("f");
  const Handle file = open("f");
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  clock_.pass(std::chrono::seconds(5));
  EXPECT_EQ(write_to(file, "anew"), 0);
  EXPECT_TRUE(fs_->setattr(request(), file.number, {.permissions = 0600}));
  EXPECT_EQ(flush(file), 0);
  aborting.release();
  await_open_uploads(0);
  const Attributes here = attributes("f");
  close(file);
  start_cold();
  const Attributes there = attributes("f");
  EXPECT_EQ(there.permissions, 0600u);
  EXPECT_EQ(there.modified, here.modified);
}

TEST_F(LetGoTest, OneOfWhatHasBecomeSmallDoesNotStayInTheBucket) {
  leave_upload("f");
  const Handle file = open("f", O_WRONLY | O_TRUNC);
  EXPECT_EQ(write_to(file, "small"), 0);
  EXPECT_EQ(flush(file), 0);
  await_open_uploads(0);
  EXPECT_EQ(store_->bytes("f"), "small");
}

// A disk may have written although it said that it had not: then the time is another one for the next process.
TEST_F(LetGoTest, OneThatWasBegunWithAnotherTimeBeginsAnew) {
  leave_upload("f");
  stop(Stops::process);
  for (const auto& file : fs::directory_iterator(options_.state_directory / "staging")) {
    if (file.path().extension() == ".times") fs::remove(file.path());
  }
  resume();
  const Handle file = open("f");
  EXPECT_EQ(flush(file), 0);
  await_open_uploads(0);
  const Attributes here = attributes("f");
  start_cold();
  EXPECT_EQ(attributes("f").modified, here.modified);
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

TEST_F(LetGoTest, OneOfWhatAnEarlierOneHadStoredDoesNotStayInTheBucket) {
  const Handle file = make("big", "begins so");
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
  store_->fail({.operation = Operation::complete_upload}, {.fault = Fault::lost, .at = Moment::after});
  EXPECT_NE(flush(file), 0);
  store_->fail({.operation = Operation::head_object}, {.fault = Fault::denied});  // what became of it is not seen
  EXPECT_NE(flush(file), 0);
  store_->fail({.operation = Operation::upload_part}, {.fault = Fault::denied});
  EXPECT_NE(flush(file), 0);
  EXPECT_EQ(store_->open_uploads(), 1u);
  EXPECT_EQ(flush(file), 0);
  await_open_uploads(0);
}

// The caller of close() leaves while the store has begun the upload and its answer is on the way.
class GivenUpBeginTest : public LetGoTest {
 protected:
  void SetUp() override {
    LetGoTest::SetUp();
    const Handle file = make("big", "begins so");
    ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
    begun_ = store_->hold({.operation = Operation::create_upload}, Moment::after);
    aborting_ = store_->hold({.operation = Operation::abort_upload}, Moment::before);
    StopSource caller;
    auto closing = flush_beside(file, caller.token());
    ASSERT_TRUE(begun_->await());
    caller.request_stop();
    EXPECT_EQ(closing.get(), EINTR);
    EXPECT_EQ(store_->open_uploads(), 1u);
  }

  std::optional<Hold> begun_, aborting_;
};

TEST_F(LetGoTest, NothingIsBegunForACallerWhoHasLeft) {
  const Handle file = make("big", "begins so");
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
  StopSource caller;
  caller.request_stop();
  EXPECT_EQ(flush(file, caller.token()), EINTR);
  EXPECT_EQ(store_->count(Operation::create_upload), 0u);
}

TEST_F(GivenUpBeginTest, IsNotedBeforeItsUploadIsAborted) {
  begun_->release();
  ASSERT_TRUE(aborting_->await());
  EXPECT_THAT(promised().uploads(), SizeIs(1));
}

TEST_F(GivenUpBeginTest, LeavesNoUploadInTheBucket) {
  begun_->release();
  aborting_->release();
  await_open_uploads(0);
}

TEST_F(GivenUpBeginTest, LeavesNoUploadInTheBucketWhereTheProcessDiesBeforeTheAbort) {
  begun_->release();
  ASSERT_TRUE(aborting_->await());
  stop(Stops::process, [this] { aborting_->release(); });
  store_->behave();
  start();
  await_open_uploads(0);
}

TEST_F(LetGoTest, OneWhoseAnswerCameWhileAnotherIsAbortedIsLeftToTheNextMount) {
  leave_upload("a");
  fs_.reset();
  const Hold aborting = store_->hold({.operation = Operation::abort_upload}, Moment::before);
  start();
  ASSERT_TRUE(aborting.await());
  const Handle file = make("big", "begins so");
  ASSERT_TRUE(fs_->setattr(request(), file.number, {.handle = file.handle, .size = 40_MiB}));
  const Hold begun = store_->hold({.operation = Operation::create_upload}, Moment::after);
  StopSource caller;
  auto closing = flush_beside(file, caller.token());
  ASSERT_TRUE(begun.await());
  caller.request_stop();
  EXPECT_EQ(closing.get(), EINTR);
  begun.release();
  fs_.reset();
  EXPECT_EQ(store_->open_uploads(), 2u);
  aborting.release();
  store_->behave();
  start();
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

}  // namespace
}  // namespace pail::vfs
