// Faults as a client meets them.
#include <gtest/gtest.h>

#include "wire.h"

namespace pail::emulator {
namespace {

class FaultTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_.ask("PUT", "/bucket/key", body_);
    server_.emulator().reset_counters();
  }
  void add(const FaultRule& rule) { server_.emulator().add_fault(rule); }

  Serving server_;
  const std::string body_ = std::string(200'000, 'a');
};

TEST_F(FaultTest, AStatusComesWithItsCodeAndRetryAfter) {
  add({.operations = {"PutObject"}, .times = 1, .status = 503, .code = "SlowDown", .retry_after_seconds = 7});
  const WireAnswer answer = server_.ask("PUT", "/bucket/new", "x");
  EXPECT_EQ(answer.status, 503);
  EXPECT_EQ(answer.headers.at("retry-after"), "7");
  EXPECT_NE(answer.body.find("<Code>SlowDown</Code>"), std::string::npos);
  EXPECT_EQ(server_.ask("GET", "/bucket/new").status, 404);
  EXPECT_EQ(server_.emulator().counters().at("PutObject").by_status.at(503), 1u);
}

TEST_F(FaultTest, AnOperationMayBeCarriedOutAndItsAnswerLost) {
  add({.operations = {"PutObject"}, .kind = FaultKind::reset, .time = FaultTime::after, .times = 1});
  EXPECT_EQ(server_.ask("PUT", "/bucket/new", "x").status, 0);
  EXPECT_EQ(server_.ask("GET", "/bucket/new").body, "x");
}

TEST_F(FaultTest, AResetCutsTheBodyOfAnAnswer) {
  add({.operations = {"GetObject"}, .kind = FaultKind::reset, .at_byte = 100'000});
  Wire wire(server_.emulator().port());
  wire.send(server_.text("GET", "/bucket/key"));
  const WireAnswer answer = wire.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_FALSE(answer.whole);
  EXPECT_TRUE(wire.ends_with_reset());
}

TEST_F(FaultTest, AResetCutsTheBodyOfARequestAndStoresNothing) {
  add({.operations = {"PutObject"}, .kind = FaultKind::reset, .at_byte = 10});
  EXPECT_EQ(server_.ask("PUT", "/bucket/new", body_).status, 0);
  EXPECT_EQ(server_.ask("GET", "/bucket/new").status, 404);
}

TEST_F(FaultTest, ATruncatedAnswerIsShorterThanItSays) {
  for (const std::uint64_t at : {0u, 1u, 150'000u}) {
    server_.emulator().clear_faults();
    add({.operations = {"GetObject"}, .kind = FaultKind::truncate, .at_byte = at});
    const WireAnswer answer = server_.ask("GET", "/bucket/key");
    EXPECT_EQ(answer.headers.at("content-length"), "200000");
    EXPECT_EQ(answer.body.size(), at);
    EXPECT_FALSE(answer.whole);
  }
}

TEST_F(FaultTest, ACorruptedAnswerDiffersInOneByte) {
  add({.operations = {"GetObject"}, .kind = FaultKind::corrupt, .at_byte = 123'456});
  std::string expected = body_;
  expected[123'456] = 'a' ^ 1;
  EXPECT_TRUE(server_.ask("GET", "/bucket/key").body == expected);
}

TEST_F(FaultTest, ACorruptedRequestFailsAgainstItsDigest) {
  add({.operations = {"PutObject"}, .kind = FaultKind::corrupt, .at_byte = 3});
  const WireAnswer answer = server_.ask("PUT", "/bucket/new", "hello world", {"x-amz-checksum-crc32: DUoRhQ=="});
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("<Code>BadDigest</Code>"), std::string::npos);
}

TEST_F(FaultTest, AStallEndsAfterItsTime) {
  for (const std::uint64_t at : {0u, 100'000u}) {
    server_.emulator().clear_faults();
    add({.operations = {"GetObject"},
         .kind = FaultKind::stall,
         .at_byte = at,
         .stall_time = std::chrono::milliseconds(5)});
    EXPECT_TRUE(server_.ask("GET", "/bucket/key").body == body_);
  }
}

TEST_F(FaultTest, AStallWithoutEndLastsUntilTheClientGivesUp) {
  add({.operations = {"GetObject"}, .kind = FaultKind::stall, .times = 1});
  {
    Wire wire(server_.emulator().port());
    wire.send(server_.text("GET", "/bucket/key"));
  }
  EXPECT_TRUE(server_.await_requests("GetObject", 1));  // else the next one might be the first, and stall
  EXPECT_TRUE(server_.ask("GET", "/bucket/key").whole);
}

TEST_F(FaultTest, AProxyAnswersInPlaceOfTheStoreAndShowsNoSignOfIt) {
  add({.operations = {"GetObject", "HeadObject"}, .kind = FaultKind::proxy, .status = 404});
  for (const auto* method : {"GET", "HEAD"}) {
    const WireAnswer answer = server_.ask(method, "/bucket/key");
    EXPECT_EQ(answer.status, 404);
    EXPECT_EQ(answer.body.find("<Code>"), std::string::npos);
    EXPECT_FALSE(answer.headers.contains("x-amz-request-id"));
  }
}

TEST_F(FaultTest, ACopyMayFailBehindA200) {
  add({.operations = {"CopyObject"}, .kind = FaultKind::error_in_ok, .code = "InternalError"});
  const WireAnswer answer = server_.ask("PUT", "/bucket/copy", "", {"x-amz-copy-source: /bucket/key"});
  EXPECT_EQ(answer.status, 200);
  EXPECT_NE(answer.body.find("<Code>InternalError</Code>"), std::string::npos);
  EXPECT_EQ(server_.ask("GET", "/bucket/copy").status, 404);
}

}  // namespace
}  // namespace pail::emulator
