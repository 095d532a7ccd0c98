// Requests that need a token which is not there yet, or no longer good.
#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>

#include "cos/bucket_store.h"
#include "cos/service.h"
#include "emulator_fixture.h"
#include "tiny_server.h"

namespace pail::cos {
namespace {

using namespace std::chrono_literals;
using test::TinyConnection;
using test::TinyRequest;
using test::TinyServer;

// A store with its token service: hands out "token-1", "token-2", ... and takes the newest alone.
class TokensTest : public ::testing::Test {
 protected:
  TokensTest() {
    auth::IamApiKey key{.key = Secret("key"), .instance_id = "instance"};
    key.token_endpoint = service_.url();
    network_ = *http::Client::create({.proxy = http::ProxyUse::none});
    authorizer_ = auth::make_authorizer(std::move(key), "r", *network_);
    connect(10s);
  }
  void connect(std::chrono::milliseconds deadline) {
    client_ = *Client::create(network_, authorizer_, {.url = store_.url(), .deadline = deadline});
    bucket_ = open_bucket(*client_, "bucket");
  }

  void hand_out(TinyConnection& connection) {
    while (connection.read_request()) {
      service_.note("asked");
      if (hold_) service_.wait_for("go");
      if (refuses_) {
        connection.reply(400, R"({"errorCode":"BXNIM0415E","errorMessage":"no such key"})");
      } else if (failures_ > 0) {
        --failures_;
        connection.reply(503, "busy");
      } else {
        connection.reply(200, R"({"access_token":"token-)" + std::to_string(++issued_) +
                                  R"(","token_type":"Bearer","expires_in":3600})");
      }
    }
  }
  void serve(TinyConnection& connection) {
    while (const auto request = connection.read_request()) {
      store_.note("asked");
      const bool good = request->head.find("Bearer token-" + std::to_string(issued_) + "\r\n") != std::string::npos;
      if (good && !denies_)
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nETag: \"1\"\r\n\r\n" +
                        std::string(request->head.starts_with("HEAD ") ? "" : "x"));
      else
        connection.send("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
    }
  }

  std::future<Result<ObjectInfo>> start_head(const StopToken& stop = {}) {
    const auto answer = std::make_shared<std::promise<Result<ObjectInfo>>>();
    bucket_->head_object("a", stop, [answer](Result<ObjectInfo> info) { answer->set_value(std::move(info)); });
    return answer->get_future();
  }

  std::atomic<bool> hold_{false}, refuses_{false}, denies_{false};
  std::atomic<int> failures_{0}, issued_{0};
  TinyServer service_{[this](TinyConnection& connection, int) { hand_out(connection); }};
  TinyServer store_{[this](TinyConnection& connection, int) { serve(connection); }};
  std::shared_ptr<http::Client> network_;
  std::shared_ptr<auth::Authorizer> authorizer_;
  std::unique_ptr<Client> client_;
  std::shared_ptr<ObjectStore> bucket_;
};

TEST_F(TokensTest, ManyOperationsWaitForOneTokenWithoutAThread) {
  hold_ = true;
  std::vector<std::future<Result<ObjectInfo>>> heads;
  for (int i = 0; i < 100; ++i) heads.push_back(start_head());
  ASSERT_TRUE(service_.wait_for("asked"));
  EXPECT_EQ(store_.noted("asked"), 0);
  service_.note("go");
  for (auto& head : heads) EXPECT_TRUE(head.get());
  EXPECT_EQ(service_.noted("asked"), 1);
}

TEST_F(TokensTest, AServiceThatFailsForTheMomentIsWaitedFor) {
  failures_ = 2;
  const auto info = client_->head_object("bucket", "a");
  EXPECT_TRUE(info) << info.error().context;
  EXPECT_EQ(service_.noted("asked"), 3);
}

TEST_F(TokensTest, AServiceThatKeepsFailingEndsTheOperationWithItsReasonInTime) {
  connect(1500ms);
  failures_ = 1000;
  const auto began = std::chrono::steady_clock::now();
  const auto info = client_->head_object("bucket", "a");
  EXPECT_EQ(errnum_of(info), EIO);
  EXPECT_NE(info.error().context.find("status 503"), std::string::npos) << info.error().context;
  EXPECT_FALSE(info.error().may_have_happened);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 15s);
  EXPECT_EQ(store_.noted("asked"), 0);
}

TEST_F(TokensTest, ATokenThatComesTooLateIsNotBlamedOnTheStore) {
  connect(300ms);
  hold_ = true;
  auto head = start_head();
  ASSERT_TRUE(service_.wait_for("asked"));
  std::this_thread::sleep_for(400ms);
  service_.note("go");
  const auto info = head.get();
  EXPECT_EQ(errnum_of(info), ETIMEDOUT);
  EXPECT_NE(info.error().context.find("token service"), std::string::npos) << info.error().context;
  EXPECT_FALSE(info.error().may_have_happened);
  EXPECT_EQ(store_.noted("asked"), 0);
  EXPECT_FALSE(client_->service()->health().down());
}

TEST_F(TokensTest, ARefusedKeyIsToldAtOnce) {
  refuses_ = true;
  EXPECT_EQ(errnum_of(client_->head_object("bucket", "a")), EACCES);
  EXPECT_EQ(service_.noted("asked"), 1);
}

TEST_F(TokensTest, AStopEndsTheWaitForAToken) {
  hold_ = true;
  const StopSource stop;
  auto head = start_head(stop.token());
  ASSERT_TRUE(service_.wait_for("asked"));
  stop.request_stop();
  EXPECT_EQ(errnum_of(head.get()), EINTR);
  service_.note("go");
}

TEST_F(TokensTest, TheEndOfTheClientEndsTheWaitForAToken) {
  hold_ = true;
  auto collector = std::make_shared<Collector>();
  client_->get_object_async({.bucket = "bucket", .key = "a", .range = {ByteOffset{0}, ByteOffset{1}}}, collector);
  ASSERT_TRUE(service_.wait_for("asked"));
  bucket_.reset();
  client_.reset();
  EXPECT_EQ(errnum_of(collector->wait()), EINTR);
  service_.note("go");
}

TEST_F(TokensTest, ATokenThatIsRefusedIsReplacedOnceForAllWhoWereRefused) {
  ASSERT_TRUE(client_->head_object("bucket", "a"));
  issued_ = 7;  // the store takes token-7 now, which nobody has
  std::vector<std::future<Result<ObjectInfo>>> heads;
  for (int i = 0; i < 20; ++i) heads.push_back(start_head());
  for (auto& head : heads) EXPECT_TRUE(head.get());
  EXPECT_EQ(service_.noted("asked"), 2);
}

TEST_F(TokensTest, ARefusalThatANewTokenDoesNotLiftIsToldAfterOneMoreAttempt) {
  ASSERT_TRUE(client_->head_object("bucket", "a"));
  denies_ = true;
  const int before = store_.noted("asked");
  EXPECT_EQ(fault_of(client_->get_object("bucket", "a", 1_KiB)), Fault::denied);
  EXPECT_EQ(store_.noted("asked"), before + 2);
}

}  // namespace
}  // namespace pail::cos
