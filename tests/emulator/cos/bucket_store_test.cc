// A bucket whose operations need no thread: started, answered elsewhere, ended with their owner.
#include "cos/bucket_store.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "cos/service.h"
#include "emulator_fixture.h"

namespace pail::cos {
namespace {

using namespace std::chrono_literals;
using emulator::FaultKind;
using emulator::FaultTime;

std::size_t threads_of_process() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), std::filesystem::directory_iterator()));
}

class BucketStoreTest : public EmulatorTest {
 protected:
  std::shared_ptr<ObjectStore> store_ = open_bucket(*connection_.store, "bucket");

  static PutRequest put_request(std::string key, std::string content) {
    PutRequest request;
    request.key = std::move(key);
    request.body = http::body_from_string(std::move(content));
    return request;
  }
};

TEST_F(BucketStoreTest, WritesReadsListsCopiesAndDeletes) {
  const auto stored = store_->put_object(put_request("a", "content"));
  ASSERT_EQ(why(stored), "");
  EXPECT_EQ(get("a"), "content");
  EXPECT_EQ(store_->head_object("a")->etag, stored->etag);
  EXPECT_EQ(*store_->get_object("a", 1_KiB), "content");
  EXPECT_EQ(errnum_of(store_->get_object("a", ByteCount{3})), EFBIG);
  ASSERT_EQ(why(store_->copy_object({.source_key = "a", .key = "b"})), "");
  EXPECT_EQ(get("b"), "content");
  EXPECT_EQ(store_->list_objects({})->objects.size(), 2u);
  ASSERT_EQ(why(store_->delete_object("a")), "");
  EXPECT_EQ(fault_of(store_->head_object("a")), Fault::no_key);
}

TEST_F(BucketStoreTest, LearnsByOneRequestThatConditionsCount) {
  PutRequest request = put_request("a", "content");
  request.conditions.if_absent = true;
  ASSERT_EQ(why(store_->put_object(request)), "");
  EXPECT_EQ(server_.requests("PutObject", 2), 2u);
  EXPECT_EQ(connection_.store->service()->dialect()->known(Ability::put_if_absent), Known::there);
}

TEST_F(BucketStoreTest, AProofWhoseAnswerIsLostIsNotRepeatedAndProvesNothing) {
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = FaultKind::reset, .time = FaultTime::after, .after = 1, .times = 1});
  PutRequest request = put_request("a", "content");
  request.conditions.if_absent = true;
  ASSERT_EQ(why(store_->put_object(request)), "");
  EXPECT_EQ(server_.requests("PutObject", 2), 2u);
  EXPECT_EQ(connection_.store->service()->dialect()->known(Ability::put_if_absent), Known::unknown);
  EXPECT_EQ(get("a"), "content");
}

TEST_F(BucketStoreTest, ListsByVersionOneOnceTheStoreRefusedVersionTwo) {
  const auto dialect = connection_.store->service()->dialect();
  ASSERT_EQ(why(store_->list_objects({})), "");
  EXPECT_EQ(dialect->known(Ability::list_v2), Known::there);
  server_->add_fault(
      {.operations = {"ListObjectsV2"}, .kind = FaultKind::status, .status = 501, .code = "NotImplemented"});
  ASSERT_EQ(why(store_->list_objects({})), "");
  EXPECT_EQ(dialect->known(Ability::list_v2), Known::missing);
  ASSERT_EQ(why(store_->list_objects({})), "");
  EXPECT_EQ(server_.requests("ListObjects", 2), 2u);
  EXPECT_EQ(server_.requests("ListObjectsV2"), 2u);
}

TEST_F(BucketStoreTest, WhatItLearntIsKnownToTheNextClientThatIsGivenTheFile) {
  const auto file = std::filesystem::path(testing::TempDir()) / "dialect";
  std::filesystem::remove(file);
  for (const std::uint64_t requests : {2u, 3u}) {
    store_.reset();
    connection_ = {};  // its end writes the file
    connection_ = connect(server_.where(), {.dialect_file = file});
    store_ = open_bucket(*connection_.store, "bucket");
    PutRequest request = put_request(fmt::format("a{}", requests), "content");
    request.conditions.if_absent = true;
    ASSERT_EQ(why(store_->put_object(request)), "");
    EXPECT_EQ(server_.requests("PutObject", requests), requests);
  }
  std::filesystem::remove(file);
}

TEST_F(BucketStoreTest, ReadsARange) {
  ASSERT_EQ(why(put("a", "content")), "");
  const auto collector = std::make_shared<Collector>();
  store_->get_object_range({.key = "a", .range = {ByteOffset{1}, ByteOffset{4}}}, collector, {});
  ASSERT_EQ(why(collector->wait()), "");
  EXPECT_EQ(collector->bytes(), "ont");
}

TEST_F(BucketStoreTest, UploadsInPartsThatAreSentOrCopied) {
  const std::string large = ramp(kMinPartSize.n);
  ASSERT_EQ(why(put("source", large)), "");
  const auto id = store_->create_upload("big", {}, {});
  ASSERT_EQ(why(id), "");
  const auto first =
      store_->upload_part_copy({"big", *id, 1, {.source_key = "source"}, {ByteOffset{0}, ByteOffset{large.size()}}});
  ASSERT_EQ(why(first), "");
  const auto second = store_->upload_part({"big", *id, 2, http::body_from_string("end"), ""});
  ASSERT_EQ(why(second), "");
  ASSERT_EQ(why(store_->complete_upload({"big", *id, {*first, *second}, {}})), "");
  EXPECT_TRUE(get("big") == large + "end");
}

TEST_F(BucketStoreTest, AnAbortedUploadIsGone) {
  const auto id = store_->create_upload("big", {}, {});
  ASSERT_EQ(why(id), "");
  EXPECT_EQ(store().list_uploads("bucket", "", "", "")->uploads.size(), 1u);
  ASSERT_EQ(why(store_->abort_upload("big", *id)), "");
  EXPECT_EQ(store().list_uploads("bucket", "", "", "")->uploads.size(), 0u);
}

TEST_F(BucketStoreTest, DeletesManyAndThoseThatXmlWouldDamageOneByOne) {
  for (const auto* key : {"a", "b\x01", "c\n"}) ASSERT_EQ(why(put(key, "x")), "");
  server_->reset_counters();
  const auto refused = store_->delete_objects({"a", "b\x01", "c\n", "absent"});
  ASSERT_EQ(why(refused), "");
  EXPECT_TRUE(refused->empty());
  EXPECT_TRUE(store_->list_objects({})->objects.empty());
  EXPECT_EQ(server_.requests("DeleteObject", 2), 2u);
  EXPECT_EQ(server_.requests("DeleteObjects", 1), 1u);
  EXPECT_TRUE(store_->delete_objects({}));
}

TEST_F(BucketStoreTest, AKeyThatCannotBeDeletedIsNamed) {
  for (const auto* key : {"a\x01", "b\x01"}) ASSERT_EQ(why(put(key, "x")), "");
  server_->add_fault({.operations = {"DeleteObject"}, .times = 1, .status = 403, .code = "AccessDenied"});
  const auto refused = store_->delete_objects({"a\x01", "b\x01"});
  ASSERT_EQ(why(refused), "");
  ASSERT_EQ(refused->size(), 1u);
  EXPECT_EQ(refused->front().key, "a\x01");
}

TEST_F(BucketStoreTest, AnswersOnAThreadOfTheStoreAlsoWhereNothingIsSent) {
  ASSERT_EQ(why(put("a", "content")), "");
  const auto caller = std::this_thread::get_id();
  for (const auto* key : {"a", ""}) {
    std::promise<std::pair<std::thread::id, int>> answer;
    store_->head_object(key, {}, [&](Result<ObjectInfo> info) {
      answer.set_value({std::this_thread::get_id(), errnum_of(info)});
    });
    const auto [thread, errnum] = answer.get_future().get();
    EXPECT_NE(thread, caller);
    EXPECT_EQ(errnum, *key == '\0' ? EINVAL : 0);
  }
}

TEST_F(BucketStoreTest, AStopBeforeTheStartIsToldElsewhereToo) {
  const StopSource stop;
  stop.request_stop();
  std::promise<std::pair<std::thread::id, int>> answer;
  store_->head_object("a", stop.token(), [&](Result<ObjectInfo> info) {
    answer.set_value({std::this_thread::get_id(), errnum_of(info)});
  });
  const auto [thread, errnum] = answer.get_future().get();
  EXPECT_NE(thread, std::this_thread::get_id());
  EXPECT_EQ(errnum, EINTR);
}

TEST_F(BucketStoreTest, HundredsOnTheirWayNeedNoThread) {
  server_->add_fault({.operations = {"HeadObject"}, .kind = FaultKind::stall});
  ASSERT_EQ(why(put("a", "content")), "");
  const std::size_t before = threads_of_process();
  const StopSource end;
  std::atomic<int> ended{0};
  for (int i = 0; i < 300; ++i)
    store_->head_object("a", end.token(), [&](Result<ObjectInfo> info) {
      EXPECT_EQ(errnum_of(info), EINTR);
      ++ended;
    });
  EXPECT_LE(threads_of_process(), before + 64) << "the emulator has one for each connection";
  EXPECT_EQ(ended, 0);
  end.request_stop();
  while (ended < 300) std::this_thread::sleep_for(1ms);
}

TEST_F(BucketStoreTest, AHeadIsAnsweredWhileManyPutsAreStuckStartedOrWaitedFor) {
  ASSERT_EQ(why(put("a", "content")), "");
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::stall});
  const StopSource end;
  std::atomic<int> ended{0};
  for (int i = 0; i < 32; ++i)
    store_->put_object({.key = "slow"}, end.token(), [&](Result<PutResult> result) {
      EXPECT_EQ(errnum_of(result), EINTR);
      ++ended;
    });
  std::promise<Result<ObjectInfo>> head;
  store_->head_object("a", {}, [&](Result<ObjectInfo> info) { head.set_value(std::move(info)); });
  EXPECT_EQ(why(head.get_future().get()), "");
  EXPECT_EQ(why(store_->head_object("a")), "");
  EXPECT_EQ(ended, 0);
  end.request_stop();
  while (ended < 32) std::this_thread::sleep_for(1ms);
}

TEST_F(BucketStoreTest, AnUrgentOperationDoesNotStandBehindTheBackgroundInTheQueueForConnections) {
  constexpr int kInBackground = 400;
  ASSERT_EQ(why(put("a", "content")), "");
  server_->add_fault({.operations = {"HeadObject"}, .kind = FaultKind::stall, .stall_time = 200ms});
  std::atomic<int> ended{0};
  for (int i = 0; i < kInBackground; ++i)
    store_->head_object("a", {StopToken(), Lane::background}, [&](Result<ObjectInfo>) { ++ended; });
  const int before = ended;
  EXPECT_EQ(why(store_->head_object("a")), "");
  EXPECT_LT(ended - before, kInBackground / 2);
  while (ended < kInBackground) std::this_thread::sleep_for(1ms);
}

TEST_F(BucketStoreTest, AnAnswerMayStartTheNextOperation) {
  std::promise<Result<ObjectInfo>> last;
  store_->put_object(put_request("a", "content"), {}, [&](Result<PutResult> stored) {
    EXPECT_TRUE(stored);
    store_->copy_object({.source_key = "a", .key = "b"}, {}, [&](Result<CopyResult> copied) {
      EXPECT_TRUE(copied);
      store_->head_object("b", {}, [&](Result<ObjectInfo> info) { last.set_value(std::move(info)); });
    });
  });
  EXPECT_EQ(why(last.get_future().get()), "");
}

TEST_F(BucketStoreTest, AWaitingCallOfTheClientInsideOfAnAnswerIsRefusedAndNotADeadlock) {
  std::promise<int> inside;
  store_->head_object("absent", {}, [&](Result<ObjectInfo>) { inside.set_value(errnum_of(store().list_buckets())); });
  EXPECT_EQ(inside.get_future().get(), EDEADLK);
}

TEST_F(BucketStoreTest, ItsEndWaitsForWhatWasStarted) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::stall, .times = 1, .stall_time = 200ms});
  std::optional<Fault> put;
  store_->put_object({.key = "a"}, {}, [&](Result<PutResult> result) { put = fault_of(result); });
  store_.reset();
  EXPECT_EQ(put, Fault::none);
}

TEST_F(BucketStoreTest, MayOutliveItsClient) {
  ASSERT_EQ(why(put("a", "content")), "");
  connection_.store.reset();
  EXPECT_EQ(why(store_->head_object("a")), "");
}

TEST_F(BucketStoreTest, TheEndOfClientAndStoreEndsAPauseOfHalfAMinute) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::status, .retry_after_seconds = 30});
  const auto collector = std::make_shared<Collector>();
  store_->get_object_range({.key = "a", .range = {ByteOffset{0}, ByteOffset{1}}}, collector, {});
  ASSERT_EQ(server_.requests("GetObject", 1), 1u);
  const auto began = std::chrono::steady_clock::now();
  store_.reset();
  connection_.store.reset();
  EXPECT_EQ(errnum_of(collector->wait()), EINTR);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10s);
}

TEST_F(BucketStoreTest, AnUploadWhoseCallerLeftIsAbortedWhenItsAnswerComes) {
  server_->add_fault({.operations = {"CreateMultipartUpload"},
                      .kind = FaultKind::stall,
                      .time = FaultTime::after,
                      .times = 1,
                      .stall_time = 500ms});
  const StopSource stop;
  std::promise<int> left;
  store_->create_upload("big", {}, {}, stop.token(), [&](Result<UploadId> id) { left.set_value(errnum_of(id)); });
  const auto open = [&] { return store().list_uploads("bucket", "", "", "")->uploads.size(); };
  while (open() == 0) std::this_thread::yield();
  stop.request_stop();
  EXPECT_EQ(left.get_future().get(), EINTR);
  EXPECT_EQ(server_.requests("AbortMultipartUpload", 1), 1u);
  EXPECT_EQ(open(), 0u);
}

TEST_F(BucketStoreTest, AnUploadWhoseCallerLeftIsNotBegunAgain) {
  server_->add_fault({.operations = {"CreateMultipartUpload"}, .status = 503, .retry_after_seconds = 1});
  const StopSource stop;
  std::promise<int> left;
  store_->create_upload("big", {}, {}, stop.token(), [&](Result<UploadId> id) { left.set_value(errnum_of(id)); });
  ASSERT_EQ(server_.requests("CreateMultipartUpload", 1), 1u);
  stop.request_stop();
  EXPECT_EQ(left.get_future().get(), EINTR);
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(server_.requests("CreateMultipartUpload"), 1u);
}

}  // namespace
}  // namespace pail::cos
