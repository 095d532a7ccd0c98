// Ranged reads through trouble: what arrives is right, or it is an error.
#include <thread>

#include "emulator_fixture.h"
#include "pailfs/base/stop.h"

namespace pail::cos {
namespace {

using emulator::FaultKind;
using emulator::FaultRule;
using std::chrono::milliseconds;

constexpr std::size_t kSize = 1 << 20;

class Reads : public EmulatorTest {
 protected:
  void SetUp() override {
    content_ = ramp(kSize);
    auto stored = put("big", content_);
    ASSERT_EQ(why(stored), "");
    etag_ = stored->etag;
    server_->reset_counters();
  }

  std::uint64_t bytes_sent() { return server_->counters()["GetObject"].bytes_out; }

  std::string content_;
  ETag etag_;
};

TEST_F(Reads, AResetInMidBodyIsResumedFromTheByteReached) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::reset, .times = 1, .at_byte = kSize / 2});
  const auto read = read_range(store(), "bucket", "big", 0, kSize, etag_);
  ASSERT_EQ(why(read), "");
  EXPECT_TRUE(*read == content_);
  EXPECT_EQ(server_.requests("GetObject", 2), 2u);
}

TEST_F(Reads, ATruncatedBodyIsResumedFromTheByteReached) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::truncate, .times = 3, .at_byte = kSize / 8});
  const auto read = read_range(store(), "bucket", "big", 1000, kSize, etag_);
  ASSERT_EQ(why(read), "");
  EXPECT_TRUE(*read == content_.substr(1000));
  EXPECT_EQ(server_.requests("GetObject", 4), 4u);
  EXPECT_LT(bytes_sent(), 2 * kSize);
}

TEST_F(Reads, AResumptionWithoutIfMatchIsPinnedToTheFirstVersion) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::truncate, .times = 1, .at_byte = kSize / 8});
  const auto read = read_range(store(), "bucket", "big", 0, kSize);
  ASSERT_EQ(why(read), "");
  EXPECT_TRUE(*read == content_);
}

TEST_F(Reads, ATransferThatMovesGetsAllAttemptsAnewEachTime) {
  connection_ = connect(server_.where(), {.retries = 1});
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::truncate, .times = 5, .at_byte = 20'000});
  const auto read = read_range(store(), "bucket", "big", 0, 200'000, etag_);
  ASSERT_EQ(why(read), "");
  EXPECT_TRUE(*read == content_.substr(0, 200'000));
}

TEST_F(Reads, AServerThatSendsLittleAnAnswerDoesNotKeepAReaderForEver) {
  connection_ = connect(server_.where(), {.retries = 2});
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::truncate, .at_byte = 100});
  EXPECT_EQ(fault_of(read_range(store(), "bucket", "big", 0, 200'000, etag_)), Fault::lost);
  EXPECT_EQ(server_.requests("GetObject", 3), 3u);
}

TEST_F(Reads, AStalledBodyIsCutAndResumed) {
  connection_ = connect(server_.where(), {.first_byte = milliseconds(300)});
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::stall, .times = 1, .at_byte = kSize / 2});
  const auto read = read_range(store(), "bucket", "big", 0, kSize, etag_);
  ASSERT_EQ(why(read), "");
  EXPECT_TRUE(*read == content_);
  EXPECT_EQ(server_.requests("GetObject", 2), 2u);
}

TEST_F(Reads, AnObjectThatChangesUnderAReaderIsEstaleAndNeverAMixture) {
  connection_ = connect(server_.where(), {.first_byte = milliseconds(300)});
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::stall, .times = 1, .at_byte = kSize / 2});
  const auto collector = std::make_shared<Collector>();
  store().get_object_async({.bucket = "bucket", .key = "big", .range = {ByteOffset{0}, ByteOffset{kSize}}}, collector);
  collector->wait_for_data();
  ASSERT_EQ(why(put("big", std::string(kSize, 'n'))), "");
  EXPECT_EQ(errnum_of(collector->wait()), ESTALE);
  EXPECT_TRUE(content_.starts_with(collector->bytes()));
}

TEST_F(Reads, TheBodyOfAnErrorIsNeverData) {
  connection_ = connect(server_.where(), {.deadline = milliseconds(200)});
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::status, .status = 500, .code = "InternalError"});
  const auto collector = std::make_shared<Collector>();
  store().get_object_async({.bucket = "bucket", .key = "big", .range = {ByteOffset{0}, ByteOffset{kSize}}}, collector);
  const auto outcome = collector->wait();
  EXPECT_EQ(errnum_of(outcome), EIO);
  EXPECT_NE(outcome.error().context.find("GET bucket/big: 500 InternalError"), std::string::npos)
      << outcome.error().context;
  EXPECT_EQ(collector->bytes(), "");
}

TEST_F(Reads, AnErrorDocumentOfStatus200IsNotDataEither) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::error_in_ok, .code = "InternalError"});
  const auto collector = std::make_shared<Collector>();
  store().get_object_async(
      {.bucket = "bucket", .key = "big", .range = {ByteOffset{0}, ByteOffset{100}}, .if_match = etag_}, collector);
  EXPECT_NE(errnum_of(collector->wait()), 0);
  EXPECT_EQ(collector->bytes(), "");
}

TEST_F(Reads, AServerThatIsBusyIsAskedAgain) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::status, .times = 2, .status = 503});
  const auto read = read_range(store(), "bucket", "big", 5, 10, etag_);
  ASSERT_EQ(why(read), "");
  EXPECT_EQ(*read, content_.substr(5, 5));
  EXPECT_EQ(server_.requests("GetObject", 3), 3u);
}

TEST_F(Reads, AStopWhileWaitingForARetryEndsTheRead) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::status, .retry_after_seconds = 30});
  StopSource stop;
  const auto collector = std::make_shared<Collector>();
  store().get_object_async({.bucket = "bucket", .key = "big", .range = {ByteOffset{0}, ByteOffset{kSize}}}, collector,
                           stop.token());
  while (server_.requests("GetObject") == 0) std::this_thread::yield();
  stop.request_stop();
  EXPECT_EQ(errnum_of(collector->wait()), EINTR);
}

TEST_F(Reads, TheEndOfTheClientEndsItsReads) {
  server_->add_fault({.operations = {"GetObject"}, .kind = FaultKind::stall, .at_byte = kSize / 2});
  const auto collector = std::make_shared<Collector>();
  store().get_object_async({.bucket = "bucket", .key = "big", .range = {ByteOffset{0}, ByteOffset{kSize}}}, collector);
  collector->wait_for_data();
  connection_.store.reset();
  EXPECT_EQ(errnum_of(collector->wait()), EINTR);
}

TEST_F(Reads, ManyAtOnceThroughTroubleAllComeOutRight) {
  server_->add_fault(
      {.operations = {"GetObject"}, .kind = FaultKind::truncate, .probability = 0.3, .seed = 7, .at_byte = 10'000});
  std::vector<std::shared_ptr<Collector>> collectors;
  for (std::size_t i = 0; i < 64; ++i) {
    collectors.push_back(std::make_shared<Collector>());
    store().get_object_async({.bucket = "bucket",
                              .key = "big",
                              .range = {ByteOffset{i * 16'384}, ByteOffset{(i + 1) * 16'384}},
                              .if_match = etag_},
                             collectors.back());
  }
  for (std::size_t i = 0; i < 64; ++i) {
    ASSERT_EQ(why(collectors[i]->wait()), "");
    EXPECT_TRUE(collectors[i]->bytes() == content_.substr(i * 16'384, 16'384)) << i;
  }
}

}  // namespace
}  // namespace pail::cos
