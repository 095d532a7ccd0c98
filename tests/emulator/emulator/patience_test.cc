// Clients that send too much, too slowly or nothing, and need no key for it.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <memory>
#include <thread>

#include "child.h"
#include "wire.h"

namespace pail::emulator {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitizerHoldsMemory = true;
#elif defined(__has_feature)
constexpr bool kSanitizerHoldsMemory = __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kSanitizerHoldsMemory = false;
#endif

constexpr std::size_t kMebibyte = 1 << 20;

// A server in a process of its own, whose death is seen.
class Stranger : public ::testing::Test {
 protected:
  Stranger() {
    char name[] = "/tmp/pailfs-stranger-XXXXXX";
    directory_ = mkdtemp(name);
    server_ = std::make_unique<Child>(directory_);
  }
  ~Stranger() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }
  WireAnswer answer_to(const std::string& request) {
    Wire wire(server_->port());
    wire.send(request);
    return wire.receive();
  }
  bool is_alive() { return answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status == 403; }
  // Opens connections that send `start` and then nothing; returns by how much the server grew.
  std::size_t growth_by(std::size_t connections, const std::string& start) {
    const std::size_t before = server_->resident_bytes();
    for (std::size_t i = 0; i < connections; ++i) {
      wires_.push_back(std::make_unique<Wire>(server_->port()));
      wires_.back()->send(start);
    }
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(is_alive());  // what was sent before is read by now
    const std::size_t after = server_->resident_bytes();
    return after > before ? after - before : 0;
  }

  std::filesystem::path directory_;
  std::unique_ptr<Child> server_;
  std::vector<std::unique_ptr<Wire>> wires_;
};

TEST_F(Stranger, WithAHeaderThatIsTooLargeIsRefusedAndTheServerLivesOn) {
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n", end = "\r\n\r\n";
  std::string many = start;
  for (int i = 0; i < 5000; ++i) many += "x-field: y\r\n";
  for (const std::string& request :
       {start + "x-amz-meta-a: " + std::string(300'000, 'x') + end, many + end,
        "GET /" + std::string(40'000, 'k') + " HTTP/1.1" + end, "GET /" + std::string(300'000, 'k') + " HTTP/1.1" + end,
        start + std::string(300'000, 'n') + ": x" + end, start + std::string(2'000'000, 'n')}) {
    EXPECT_EQ(answer_to(request).status, 400);
    ASSERT_TRUE(is_alive());
  }
}

TEST_F(Stranger, WithAFieldOfSixtyFourKibibytesIsAnsweredAndTheServerLivesOn) {
  for (const std::size_t size : {65'530u, 65'535u, 65'536u, 70'000u, 200'000u}) {
    const std::string start = "GET / HTTP/1.1\r\nHost: x\r\n";
    EXPECT_EQ(answer_to(start + "x-large: " + std::string(size, 'x') + "\r\n\r\n").status, 403) << size;
    EXPECT_EQ(answer_to(start + std::string(size, 'n') + ": x\r\n\r\n").status, 403) << size;
    ASSERT_TRUE(is_alive()) << size;
  }
}

TEST_F(Stranger, WithHalfABodyTakesLittleMemory) {
  if (kSanitizerHoldsMemory) GTEST_SKIP() << "the sanitizer holds memory of its own";
  const std::string start =
      "PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + std::string(60'000, 'x');
  EXPECT_LT(growth_by(300, start), 48 * kMebibyte);
}

TEST_F(Stranger, WithHalfAHeaderTakesLittleMemory) {
  if (kSanitizerHoldsMemory) GTEST_SKIP() << "the sanitizer holds memory of its own";
  const std::string start = "GET / HTTP/1.1\r\nHost: x\r\nx-field: " + std::string(240'000, 'x');
  EXPECT_LT(growth_by(300, start), 48 * kMebibyte);
}

TEST_F(Stranger, WithALongFormForATokenIsRefused) {
  EXPECT_EQ(answer_to("POST /identity/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
                      std::string(1'000'000, 'x'))
                .status,
            400);
}

// A server with little patience. The client waits 20 seconds, so a busy machine does not matter.
class Patience : public ::testing::Test {
 protected:
  void be_patient_for(const std::string& what) {
    ASSERT_EQ(server_.ask("POST", "/-/control/patience", "{" + what + "}").status, 200);
  }
  Serving server_;
};

TEST_F(Patience, EndsForASilentClient) {
  be_patient_for(R"("header_ms": 50)");
  Wire wire(server_.emulator().port());
  EXPECT_TRUE(wire.ends());
}

TEST_F(Patience, EndsForHalfAHeaderHoweverItDrips) {
  be_patient_for(R"("header_ms": 200)");
  Wire wire(server_.emulator().port());
  wire.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const auto begin = std::chrono::steady_clock::now();
  while (wire.send("x") && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20))
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST_F(Patience, EndsForAConnectionThatIsIdleAfterARequest) {
  be_patient_for(R"("idle_ms": 50)");
  Wire wire(server_.emulator().port());
  wire.send(server_.text("GET", "/bucket"));
  EXPECT_EQ(wire.receive().status, 200);
  EXPECT_TRUE(wire.ends());
}

TEST_F(Patience, EndsForABodyThatStopsAndSaysSo) {
  be_patient_for(R"("progress_ms": 50)");
  for (const bool chunked : {false, true}) {
    Wire wire(server_.emulator().port());
    std::vector<std::string> headers;
    if (chunked)
      headers = {"Transfer-Encoding: chunked", "Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 9"};
    const std::string request = server_.text("PUT", "/bucket/key", "half", headers);
    wire.send(request.substr(0, request.size() - 2));
    const WireAnswer answer = wire.receive();
    EXPECT_EQ(answer.status, 400);
    EXPECT_EQ(answer.code(), "RequestTimeout");
    EXPECT_TRUE(wire.ends());
  }
  EXPECT_EQ(server_.ask("GET", "/bucket/key").status, 404);
}

TEST_F(Patience, EndsForAClientThatDoesNotReadItsAnswer) {
  server_.ask("PUT", "/bucket/key", std::string(16 * kMebibyte, 'x'));
  be_patient_for(R"("progress_ms": 50)");
  Wire wire(server_.emulator().port());
  wire.send(server_.text("GET", "/bucket/key"));
  EXPECT_TRUE(server_.await_requests("GetObject", 1));  // given up by the server
  EXPECT_FALSE(wire.receive().whole);
}

TEST_F(Patience, DoesNotCountTheServersOwnPauses) {
  server_.ask("PUT", "/bucket/key", std::string(100'000, 'x'));
  be_patient_for(R"("progress_ms": 1000)");  // a busy client may take some of it
  server_.emulator().set_link(std::chrono::milliseconds(1500), ByteCount{1'000'000});
  EXPECT_TRUE(server_.ask("GET", "/bucket/key").whole);
  EXPECT_EQ(server_.ask("PUT", "/bucket/key", std::string(100'000, 'y')).status, 200);
}

}  // namespace
}  // namespace pail::emulator
