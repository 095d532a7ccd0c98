#include <gtest/gtest.h>

#include <cerrno>
#include <future>
#include <thread>
#include <vector>

#include "../../manual_clock.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/base/stop.h"
#include "tiny_server.h"

namespace pail::auth {
namespace {

using std::chrono::seconds;
using test::TinyConnection;
using test::TinyServer;

// Hands out "token-1", "token-2", ... that live for an hour, or fails as it is told.
class TokenService : public testing::Test {
 protected:
  TokenService() : server_([this](TinyConnection& connection, int) { serve(connection); }) {
    http::ClientOptions options;
    options.proxy = http::ProxyUse::none;
    client_ = *http::Client::create(options);
    authorizer_ = make(server_.url());
  }

  std::unique_ptr<Authorizer> make(const std::string& endpoint) {
    return make_authorizer(IamApiKey{Secret("hunter2 &"), "instance", endpoint}, "r", *client_, clock_);
  }

  void serve(TinyConnection& connection) {
    while (const auto request = connection.read_request()) {
      {
        const MutexLock lock(mutex_);
        last_ = *request;
      }
      server_.note("asked");
      if (hold_) server_.wait_for("go");
      if (status_ != 200) {
        connection.reply(
            status_, R"({"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found: hunter2 &"})");
        continue;
      }
      connection.reply(200, R"({"access_token":"token-)" + std::to_string(++issued_) +
                                R"(","token_type":"Bearer","expires_in":3600})");
    }
  }

  // The Authorization header of a request authorized now, or "error N".
  std::string bearer() {
    http::Request request;
    request.url = "https://s3.example/b/k";
    const auto done = authorizer_->authorize(request, PayloadHash::unsigned_payload());
    if (!done) return "error " + std::to_string(done.error().errnum);
    return std::string(request.headers.find("authorization").value_or(""));
  }

  bool refresh_after(const std::string& refused) {
    http::Request request;
    request.headers.set("Authorization", refused);
    return authorizer_->refresh_after_refusal(request);
  }

  // The background renewal ends at some time: this waits for it.
  bool await_bearer(const std::string& wanted) {
    const auto until = std::chrono::steady_clock::now() + seconds(20);
    while (std::chrono::steady_clock::now() < until) {
      if (bearer() == wanted) return true;
      std::this_thread::yield();
    }
    return false;
  }

  ManualClock clock_;
  std::atomic<int> status_ = 200, issued_ = 0;
  std::atomic<bool> hold_ = false;
  Mutex mutex_;
  test::TinyRequest last_ PAIL_GUARDED_BY(mutex_);
  TinyServer server_;
  std::unique_ptr<http::Client> client_;
  std::unique_ptr<Authorizer> authorizer_;
};

TEST_F(TokenService, IsAskedAsIbmDocumentsIt) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  const MutexLock lock(mutex_);
  EXPECT_EQ(last_.target(), "/identity/token");
  EXPECT_EQ(last_.body,
            "grant_type=urn:ibm:params:oauth:grant-type:apikey&response_type=cloud_iam&apikey=hunter2%20%26");
  EXPECT_NE(last_.head.find("Content-Type: application/x-www-form-urlencoded\r\n"), std::string::npos);
}

TEST_F(TokenService, IsAskedOnceForManyRequests) {
  hold_ = true;
  std::vector<std::future<std::string>> requests;
  for (int i = 0; i < 8; ++i) requests.push_back(std::async(std::launch::async, [this] { return bearer(); }));
  ASSERT_TRUE(server_.wait_for("asked"));
  server_.note("go");
  for (auto& request : requests) EXPECT_EQ(request.get(), "Bearer token-1");
  EXPECT_EQ(bearer(), "Bearer token-1");
  EXPECT_EQ(server_.noted("asked"), 1);
}

TEST_F(TokenService, RenewsInTheBackgroundInTheLastQuarterOfALife) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  clock_.pass(seconds(2690));
  EXPECT_EQ(bearer(), "Bearer token-1");
  EXPECT_EQ(server_.noted("asked"), 1);
  clock_.pass(seconds(20));
  hold_ = true;
  EXPECT_EQ(bearer(), "Bearer token-1");
  ASSERT_TRUE(server_.wait_for("asked", 2));
  EXPECT_EQ(bearer(), "Bearer token-1");
  server_.note("go");
  EXPECT_TRUE(await_bearer("Bearer token-2"));
  EXPECT_EQ(server_.noted("asked"), 2);
}

TEST_F(TokenService, IsWaitedForInTheLastSixthOfALife) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  clock_.pass(seconds(3100));
  EXPECT_EQ(bearer(), "Bearer token-2");
}

TEST_F(TokenService, LeavesAValidTokenInUseWhileItFails) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  status_ = 500;
  clock_.pass(seconds(3100));
  EXPECT_EQ(bearer(), "Bearer token-1");
  clock_.pass(seconds(400));
  EXPECT_EQ(bearer(), "Bearer token-1");
  status_ = 200;
  clock_.pass(seconds(60));
  EXPECT_EQ(bearer(), "Bearer token-2");
}

TEST_F(TokenService, IsAskedAgainAfterAPassingFailure) {
  status_ = 503;
  auto request = std::async(std::launch::async, [this] { return bearer(); });
  ASSERT_TRUE(server_.wait_for("asked"));
  status_ = 200;
  while (request.wait_for(std::chrono::milliseconds(1)) != std::future_status::ready) clock_.pass(seconds(1));
  EXPECT_EQ(request.get(), "Bearer token-1");
}

TEST_F(TokenService, RefusalOfTheKeyIsExplainedWithoutTheKey) {
  status_ = 400;
  http::Request request;
  request.url = "https://s3.example/";
  const auto done = authorizer_->authorize(request, PayloadHash::unsigned_payload());
  ASSERT_EQ(errnum_of(done), EACCES);
  EXPECT_NE(done.error().context.find("API key could not be found"), std::string::npos) << done.error().context;
  EXPECT_NE(done.error().context.find("BXNIM0415E"), std::string::npos);
  EXPECT_EQ(done.error().context.find("hunter2"), std::string::npos) << done.error().context;
  EXPECT_EQ(bearer(), "error 13");
  EXPECT_EQ(server_.noted("asked"), 1) << "a refused key is not asked about in a loop";
}

TEST_F(TokenService, GivesANewTokenAfterARefusalOnceAMinute) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  EXPECT_TRUE(refresh_after("Bearer token-1"));
  EXPECT_TRUE(refresh_after("Bearer token-1")) << "another request was refused with the old token";
  EXPECT_EQ(bearer(), "Bearer token-2");
  EXPECT_FALSE(refresh_after("Bearer token-2"));
  EXPECT_EQ(server_.noted("asked"), 2);
  clock_.pass(seconds(61));
  EXPECT_TRUE(refresh_after("Bearer token-2"));
}

TEST_F(TokenService, WaitEndsWhenTheRequestIsCancelled) {
  hold_ = true;
  StopSource stop;
  auto done = std::async(std::launch::async, [&] {
    http::Request request;
    request.url = "https://s3.example/";
    return errnum_of(authorizer_->authorize(request, PayloadHash::unsigned_payload(), stop.token()));
  });
  ASSERT_TRUE(server_.wait_for("asked"));
  stop.request_stop();
  EXPECT_EQ(done.get(), ECANCELED);
  server_.note("go");
}

TEST_F(TokenService, MayOutliveItsAuthorizer) {
  hold_ = true;
  StopSource stop;
  auto done = std::async(std::launch::async, [&] {
    http::Request request;
    request.url = "https://s3.example/";
    return errnum_of(authorizer_->authorize(request, PayloadHash::unsigned_payload(), stop.token()));
  });
  ASSERT_TRUE(server_.wait_for("asked"));
  stop.request_stop();
  EXPECT_EQ(done.get(), ECANCELED);
  authorizer_.reset();
  client_.reset();
  server_.note("go");
}

// ---- without waiting ----

// What came later, and how often.
struct Later {
  std::promise<Authorization> first;
  std::atomic<int> times = 0;
  std::function<void(Authorization)> take() {
    return [this](Authorization answer) {
      if (++times == 1) first.set_value(std::move(answer));
    };
  }
};

http::Request request_for(const char* url) {
  http::Request request;
  request.url = url;
  return request;
}

TEST_F(TokenService, AnswersAtOnceWithATokenAtHand) {
  EXPECT_EQ(bearer(), "Bearer token-1");
  Later later;
  const auto now =
      authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), {}, later.take());
  ASSERT_TRUE(now);
  EXPECT_EQ(std::get<http::Request>(*now).headers.find("authorization").value_or(""), "Bearer token-1");
  EXPECT_EQ(later.times, 0);
}

TEST_F(TokenService, AnswersLaterAndOnceWhenTheTokenHasCome) {
  hold_ = true;
  Later later;
  const StopSource stop;
  EXPECT_FALSE(
      authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), stop.token(), later.take()));
  ASSERT_TRUE(server_.wait_for("asked"));
  EXPECT_EQ(later.times, 0);
  server_.note("go");
  const Authorization answer = later.first.get_future().get();
  EXPECT_EQ(std::get<http::Request>(answer).headers.find("authorization").value_or(""), "Bearer token-1");
  stop.request_stop();
  EXPECT_EQ(later.times, 1);
}

TEST_F(TokenService, AStopIsAnsweredOnceAlthoughTheTokenComes) {
  hold_ = true;
  Later later;
  const StopSource stop;
  EXPECT_FALSE(
      authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), stop.token(), later.take()));
  ASSERT_TRUE(server_.wait_for("asked"));
  stop.request_stop();
  EXPECT_EQ(std::get<Unauthorized>(later.first.get_future().get()).why.errnum, ECANCELED);
  server_.note("go");
  EXPECT_TRUE(await_bearer("Bearer token-1"));
  EXPECT_EQ(later.times, 1);
}

TEST_F(TokenService, SaysWhenToAskAgainAfterAPassingFailureAndIsNotAskedBefore) {
  status_ = 503;
  Later later;
  EXPECT_FALSE(authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), {}, later.take()));
  const Authorization answer = later.first.get_future().get();
  const auto& failure = std::get<Unauthorized>(answer);
  ASSERT_TRUE(failure.try_again);
  EXPECT_LE(*failure.try_again, std::chrono::milliseconds(30'000));
  const int asked = server_.noted("asked");
  if (failure.try_again->count() > 0) {
    EXPECT_TRUE(authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), {}, {}));
    EXPECT_EQ(server_.noted("asked"), asked);
  }
}

TEST_F(TokenService, TheEndOfTheAuthorizerAnswersWhoWaits) {
  hold_ = true;
  Later later;
  EXPECT_FALSE(authorizer_->authorize(request_for("https://s3.example/b/k"), PayloadHash::empty(), {}, later.take()));
  ASSERT_TRUE(server_.wait_for("asked"));
  authorizer_.reset();
  EXPECT_EQ(std::get<Unauthorized>(later.first.get_future().get()).why.errnum, ECANCELED);
  server_.note("go");
}

TEST_F(TokenService, NeverGetsTheKeyInClearText) {
  authorizer_ = make("http://iam.example/identity/token");
  EXPECT_EQ(bearer(), "error " + std::to_string(EPROTO));
}

TEST_F(TokenService, TokensAreNeverSentInClearText) {
  http::Request request;
  request.url = "http://s3.example/b";
  EXPECT_EQ(errnum_of(authorizer_->authorize(request, PayloadHash::unsigned_payload())), EPROTO);
  request.url = server_.url();
  EXPECT_TRUE(authorizer_->authorize(request, PayloadHash::unsigned_payload()));
}

TEST_F(TokenService, KeyIsNotInTheDescription) {
  EXPECT_EQ(authorizer_->describe().find("hunter2"), std::string::npos);
  EXPECT_EQ(authorizer_->service_instance_id(), "instance");
}

}  // namespace
}  // namespace pail::auth
