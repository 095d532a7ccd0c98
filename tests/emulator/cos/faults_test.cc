// Blocking operations through trouble: repeated where that is safe, settled where an answer was lost.
#include <future>
#include <thread>

#include "cos/service.h"
#include "emulator_fixture.h"
#include "pailfs/base/stop.h"

namespace pail::cos {
namespace {

using emulator::FaultKind;
using emulator::FaultTime;
using std::chrono::milliseconds;

class Faults : public EmulatorTest {};

TEST_F(Faults, ABusyServerIsAskedAgain) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::status, .times = 2, .status = 503});
  EXPECT_EQ(why(put("a", "x")), "");
  EXPECT_EQ(server_.requests("PutObject", 3), 3u);
  EXPECT_EQ(get("a"), "x");
}

TEST_F(Faults, ARefusalIsNotRepeated) {
  server_->add_fault({.operations = {"PutObject"}, .status = 403, .code = "AccessDenied"});
  const auto refused = put("a", "x");
  EXPECT_EQ(errnum_of(refused), EACCES);
  EXPECT_EQ(refused.error().context.rfind("PUT bucket/a: 403 AccessDenied (", 0), 0u) << refused.error().context;
  EXPECT_EQ(server_.requests("PutObject", 1), 1u);
}

TEST_F(Faults, ARefusalLeavesDoubtWhereItIsNotTheStores) {
  server_->add_fault({.operations = {"PutObject"}, .times = 1, .status = 403, .code = "AccessDenied"});
  EXPECT_FALSE(put("a", "x").error().may_have_happened);
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::proxy, .time = FaultTime::after, .status = 403});
  EXPECT_TRUE(put("a", "x").error().may_have_happened);
}

TEST_F(Faults, TheBudgetEndsTheAttemptsAndTheErrorCountsThem) {
  connection_ = connect(server_.where(), {.deadline = milliseconds(300)});
  server_->add_fault({.operations = {"HeadObject"}, .status = 503});
  const auto failed = store().head_object("bucket", "a");
  EXPECT_EQ(errnum_of(failed), EIO);
  EXPECT_NE(failed.error().context.find(" attempts"), std::string::npos) << failed.error().context;
}

TEST_F(Faults, AStopWhileWaitingForARetryIsEintr) {
  server_->add_fault({.operations = {"PutObject"}, .retry_after_seconds = 30});
  StopSource stop;
  std::jthread stopper([&] {
    while (server_.requests("PutObject") == 0) std::this_thread::yield();
    stop.request_stop();
  });
  PutRequest request;
  request.key = "a";
  EXPECT_EQ(errnum_of(store().put_object("bucket", request, stop.token())), EINTR);
}

TEST_F(Faults, BytesDamagedOnTheirWayAreSentAgain) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::corrupt, .times = 1, .at_byte = 100});
  EXPECT_EQ(why(put("a", ramp(1000))), "");
  EXPECT_EQ(server_.requests("PutObject", 2), 2u);
  EXPECT_EQ(get("a"), ramp(1000));
}

TEST_F(Faults, APutWhoseAnswerWasLostIsRecognisedAsOurs) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  EXPECT_EQ(why(put("a", "mine", {.if_absent = true})), "");
  EXPECT_EQ(server_.requests("PutObject", 2), 2u);
  EXPECT_EQ(get("a"), "mine");
}

TEST_F(Faults, APutWhoseAnswerWasLostMayHaveHappenedWhereTheLookAfterItFails) {
  server_->add_fault({.operations = {"PutObject"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  server_->add_fault({.operations = {"HeadObject"}, .status = 403, .code = "AccessDenied"});
  const auto lost = put("a", "mine", {.if_absent = true});
  EXPECT_EQ(fault_of(lost), Fault::denied);
  EXPECT_TRUE(lost.error().may_have_happened);
}

TEST_F(Faults, APutThatLostAgainstAnotherWriterIsEstaleAlsoAfterTrouble) {
  ASSERT_EQ(why(put("a", "theirs")), "");
  server_->add_fault({.operations = {"PutObject"}, .times = 1, .status = 500, .code = "InternalError"});
  EXPECT_EQ(errnum_of(put("a", "mine", {.if_absent = true})), ESTALE);
  EXPECT_EQ(get("a"), "theirs");
}

TEST_F(Faults, ACallThatIsTriedOnceAndNotAnsweredDoesNotMakeTheStoreDown) {
  server_->add_fault({.operations = {"HeadObject"}, .kind = FaultKind::stall, .time = FaultTime::before, .times = 1});
  CallContext context({}, Effort::once);
  context.budget = std::make_shared<http::Budget>(std::chrono::milliseconds(300));
  EXPECT_EQ(fault_of(store().head_object("bucket", "a", context)), Fault::lost);
  EXPECT_FALSE(store().service()->health().down());
}

class Uploads : public EmulatorTest {
 protected:
  void begin() {
    auto id = store().create_upload("bucket", "big", {}, {});
    ASSERT_EQ(why(id), "");
    id_ = *id;
    auto part = store().upload_part("bucket", "big", id_, 1, http::body_from_string("content"), "");
    ASSERT_EQ(why(part), "");
    parts_ = {*part};
  }

  UploadId id_;
  std::vector<CompletedPart> parts_;
};

TEST_F(Uploads, ACompletionWhoseAnswerWasLostIsRecognisedByItsETag) {
  begin();
  server_->add_fault(
      {.operations = {"CompleteMultipartUpload"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  const auto completed = store().complete_upload("bucket", "big", id_, parts_, {});
  ASSERT_EQ(why(completed), "");
  EXPECT_EQ(completed->etag, store().head_object("bucket", "big")->etag);
  EXPECT_EQ(server_.requests("CompleteMultipartUpload", 2), 2u);
}

TEST_F(Uploads, ACompletionThatIsTriedOnceAndLostIsNotFoundInAnEqualObject) {
  begin();
  ASSERT_EQ(why(store().complete_upload("bucket", "big", id_, parts_, {})), "");
  begin();
  server_->add_fault(
      {.operations = {"CompleteMultipartUpload"}, .kind = FaultKind::reset, .time = FaultTime::before, .times = 1});
  const auto lost = store().complete_upload("bucket", "big", id_, parts_, {}, {{}, Effort::once});
  EXPECT_EQ(fault_of(lost), Fault::lost);
  EXPECT_TRUE(lost.error().may_have_happened);
}

TEST_F(Uploads, ACompletionThatIsInDoubtAndOverwrittenIsAnError) {
  begin();
  ASSERT_EQ(why(store().abort_upload("bucket", "big", id_)), "");
  ASSERT_EQ(why(put("big", "theirs")), "");
  server_->add_fault({.operations = {"CompleteMultipartUpload"}, .times = 1, .status = 500});
  EXPECT_EQ(errnum_of(store().complete_upload("bucket", "big", id_, parts_, {})), EIO);
}

TEST_F(Uploads, AClientThatEndsDoesNotWaitForABeginThatNobodyWaitsFor) {
  server_->add_fault({.operations = {"CreateMultipartUpload"}, .kind = FaultKind::stall, .time = FaultTime::after});
  StopSource stop;
  auto beginning = std::async(std::launch::async,
                              [&] { return errnum_of(store().create_upload("bucket", "big", {}, {}, stop.token())); });
  const auto is_open = [&] { return store().list_uploads("bucket", "", "", "")->uploads.size() == 1; };
  while (!is_open()) std::this_thread::yield();
  stop.request_stop();
  EXPECT_EQ(beginning.get(), EINTR);
  EXPECT_EQ(server_.requests("CreateMultipartUpload"), 0u);  // counted when its connection has ended
  connection_.store.reset();
  EXPECT_EQ(server_.requests("CreateMultipartUpload", 1), 1u);
}

TEST_F(Uploads, AnErrorInsideAnAnswer200IsAnError) {
  begin();
  server_->add_fault(
      {.operations = {"CompleteMultipartUpload"}, .kind = FaultKind::error_in_ok, .times = 1, .code = "InternalError"});
  EXPECT_EQ(why(store().complete_upload("bucket", "big", id_, parts_, {})), "");
  EXPECT_EQ(server_.requests("CompleteMultipartUpload", 2), 2u);
  EXPECT_EQ(get("big"), "content");
}

TEST_F(Uploads, ACompletionForAnAbsentKeyKeepsWhatAppearedMeanwhile) {
  begin();
  ASSERT_EQ(why(put("big", "theirs")), "");
  EXPECT_EQ(errnum_of(store().complete_upload("bucket", "big", id_, parts_, {.if_absent = true})), ESTALE);
  EXPECT_EQ(get("big"), "theirs");
}

TEST_F(Faults, ACopyThatFailsInsideAnAnswer200IsMadeAgain) {
  ASSERT_EQ(why(put("a", "x")), "");
  server_->add_fault(
      {.operations = {"CopyObject"}, .kind = FaultKind::error_in_ok, .times = 1, .code = "InternalError"});
  EXPECT_EQ(why(store().copy_object("bucket", {.source_key = "a", .key = "b"})), "");
  EXPECT_EQ(get("b"), "x");
}

TEST_F(Faults, ABucketWhoseCreationWasNotConfirmedIsThere) {
  server_->add_fault({.operations = {"CreateBucket"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  EXPECT_EQ(why(store().create_bucket("another", "")), "");
  server_->add_fault({.operations = {"DeleteBucket"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  EXPECT_EQ(why(store().delete_bucket("another")), "");
}

TEST_F(Faults, AStoreWithoutV2IsListedByV1AndRemembered) {
  for (const auto* key : {"a", "b", "c"}) ASSERT_EQ(why(put(key, "x")), "");
  server_->add_fault({.operations = {"ListObjectsV2"}, .status = 501, .code = "NotImplemented"});
  auto page = store().list_objects("bucket", {.max_keys = 2});
  ASSERT_EQ(why(page), "");
  EXPECT_EQ(page->objects.size(), 2u);
  page = store().list_objects("bucket", {.continuation = page->continuation, .max_keys = 2});
  ASSERT_EQ(why(page), "");
  ASSERT_EQ(page->objects.size(), 1u);
  EXPECT_EQ(page->objects[0].key, "c");
  ASSERT_EQ(why(store().list_objects("bucket", {})), "");
  EXPECT_EQ(server_.requests("ListObjectsV2", 1), 1u);
}

TEST_F(Faults, AWrongLocalClockIsCorrectedOnce) {
  server_->advance_clock(std::chrono::hours(3));
  EXPECT_EQ(why(put("a", "x")), "");
  EXPECT_EQ(server_.requests("PutObject", 2), 2u);
  EXPECT_EQ(get("a"), "x");
  EXPECT_EQ(server_.requests("GetObject", 1), 1u);
}

TEST_F(Faults, AReadCorrectsAWrongLocalClockToo) {
  ASSERT_EQ(why(put("a", "x")), "");
  server_->advance_clock(std::chrono::hours(3));
  const auto read = read_range(store(), "bucket", "a", 0, 1);
  ASSERT_EQ(why(read), "");
  EXPECT_EQ(*read, "x");
}

TEST_F(Faults, VirtualHostAddressingReachesTheSameObjects) {
  StoreUnderTest where = server_.where();
  where.url = "http://localhost:" + std::to_string(server_->port());
  connection_ = connect(where, {.addressing = Addressing::virtual_host});
  ASSERT_EQ(why(put("dir/a b", "x")), "");
  EXPECT_EQ(get("dir/a b"), "x");
  EXPECT_EQ(why(store().list_objects("bucket", {})), "");
  connection_ = connect(server_.where());
  EXPECT_EQ(get("dir/a b"), "x");
}

TEST_F(Faults, TheLocationOfABucketIsFoundAmongAll) {
  ASSERT_EQ(why(store().create_bucket("in-germany", "eu-de-smart")), "");
  const auto found = find_bucket_location(store(), "in-germany");
  ASSERT_EQ(why(found), "");
  EXPECT_EQ(*found, "eu-de-smart");
  const auto missing = find_bucket_location(store(), "nowhere");
  ASSERT_EQ(why(missing), "");
  EXPECT_EQ(*missing, std::nullopt);
}

// ---- bearer tokens, which travel over TLS alone ----

class Tokens : public ::testing::Test {
 protected:
  void SetUp() override {
    http::ClientOptions options;
    options.ca_bundle = server_->certificate_file().string();
    connection_.network = *http::Client::create(options);
    auth::IamApiKey key{.key = server_->credentials().api_key,
                        .instance_id = server_->credentials().resource_instance_id};
    key.token_endpoint = server_->iam_url();
    connection_.authorizer = auth::make_authorizer(std::move(key), "us-south", *connection_.network);
    connection_.store = *Client::create(connection_.network, connection_.authorizer, {.url = server_->url()});
  }

  Client& store() { return *connection_.store; }

  TestServer server_{{.tls = emulator::Tls::generated}};
  Connection connection_;
};

TEST_F(Tokens, OpenTheStore) {
  EXPECT_TRUE(store().list_objects("bucket", {}));
  const auto buckets = store().list_buckets();
  ASSERT_TRUE(buckets) << buckets.error().context;
  EXPECT_EQ(buckets->buckets.size(), 1u);
}

TEST_F(Tokens, ThatWereRevokedAreReplacedOnceWithoutTheCallerNoticing) {
  ASSERT_TRUE(store().list_objects("bucket", {}));
  server_->revoke_tokens();
  const auto listed = store().list_objects("bucket", {});
  EXPECT_TRUE(listed) << listed.error().context;
}

TEST_F(Tokens, ThatWereRevokedAreReplacedForReadsToo) {
  PutRequest request;
  request.key = "a";
  request.body = http::body_from_string("x");
  ASSERT_TRUE(store().put_object("bucket", request));
  server_->revoke_tokens();
  const auto read = read_range(store(), "bucket", "a", 0, 1);
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(*read, "x");
}

}  // namespace
}  // namespace pail::cos
