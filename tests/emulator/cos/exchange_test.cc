// One call through answers that break off, contradict themselves or lead elsewhere.
#include "cos/exchange.h"

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <string>
#include <vector>

#include "cos/service.h"
#include "emulator_fixture.h"
#include "tiny_server.h"

namespace pail::cos {
namespace {

using namespace std::chrono_literals;
using test::TinyConnection;
using test::TinyRequest;
using test::TinyServer;

class ExchangeTest : public ::testing::Test {
 protected:
  using Reply = std::function<void(TinyConnection&, const TinyRequest&, int number)>;

  // Requests are numbered from 1. `host` is what they are sent to.
  void serve(Reply reply, ClientOptions options = {}, std::string_view host = "127.0.0.1") {
    server_ = std::make_unique<TinyServer>([this, reply = std::move(reply)](TinyConnection& connection, int) {
      while (const auto request = connection.read_request()) {
        const int number = ++asked_;
        {
          const std::lock_guard lock(mutex_);
          heads_.push_back(request->head);
        }
        reply(connection, *request, number);
      }
    });
    connection_ = connect(
        {"http://" + std::string(host) + ":" + std::to_string(server_->port()), "access", "secret", ""}, options);
  }

  std::future<Answer> start(Call call, const StopToken& stop = {}) {
    const auto answer = std::make_shared<std::promise<Answer>>();
    exchange(*connection_.store->service(), std::move(call), stop,
             [answer](Answer ended) { answer->set_value(std::move(ended)); });
    return answer->get_future();
  }
  std::string head(std::size_t number) {
    const std::lock_guard lock(mutex_);
    return heads_.at(number - 1);
  }

  std::atomic<int> asked_{0};
  std::mutex mutex_;
  std::vector<std::string> heads_;
  std::unique_ptr<TinyServer> server_;
  Connection connection_;
};

TEST_F(ExchangeTest, ASuccessIsGivenWithItsHeadAndBody) {
  serve([](auto& c, const auto&, int) { c.reply(200, "content", "ETag: \"1\"\r\n"); });
  const Answer answer = start(object_call("GET", "bucket", "a/b c", {{"versionId", "7"}})).get();
  ASSERT_FALSE(answer.failure);
  EXPECT_TRUE(std::holds_alternative<Complete>(answer.verdict));
  EXPECT_EQ(answer.response.body, "content");
  EXPECT_EQ(answer.response.headers.find("ETag").value_or(""), "\"1\"");
  EXPECT_TRUE(head(1).starts_with("GET /bucket/a/b%20c?versionId=7 ")) << head(1);
}

TEST_F(ExchangeTest, ARefusalWhoseDocumentBreaksOffIsJudgedByItsHead) {
  serve([](auto& c, const auto&,
           int) { c.send("HTTP/1.1 409 Conflict\r\nx-amz-request-id: 1\r\nContent-Length: 1000\r\n\r\n<Error><Co"); },
        {.first_byte = 300ms});
  const Answer answer = start(object_call("DELETE", "bucket", "a")).get();
  ASSERT_NE(answer.refusal(), nullptr);
  EXPECT_EQ(answer.refusal()->status, 409);
  EXPECT_FALSE(answer.failure->may_have_happened);
}

TEST_F(ExchangeTest, AnAnswerAboveTheLimitIsSaidToBeThatAndNotRepeated) {
  serve([](auto& c, const auto&, int) { c.reply(200, std::string(100, 'x')); });
  Call call = object_call("GET", "bucket", "a");
  call.largest_answer = ByteCount{99};
  const Answer answer = start(std::move(call)).get();
  EXPECT_TRUE(std::holds_alternative<TooLarge>(answer.verdict));
  EXPECT_EQ(answer.failure->fault, Fault::not_a_store);
  EXPECT_EQ(asked_, 1);
}

TEST_F(ExchangeTest, TheTargetOfARedirectIsAskedAgainWhenItIsBusy) {
  serve(
      [this](auto& c, const auto&, int number) {
        const std::string own = "bucket.localhost:" + std::to_string(server_->port());
        if (number == 1) return c.reply(307, "", "Location: http://" + own + "/a\r\n");
        c.reply(number == 2 ? 503 : 200, "x");
      },
      {}, "localhost");
  EXPECT_FALSE(start(object_call("GET", "bucket", "a")).get().failure);
  EXPECT_NE(head(1).find("Host: localhost"), std::string::npos);
  EXPECT_NE(head(2).find("Host: bucket.localhost"), std::string::npos);
  EXPECT_NE(head(3).find("Host: bucket.localhost"), std::string::npos);
}

TEST_F(ExchangeTest, EachAttemptIsSignedAnew) {
  serve([](auto& c, const auto&, int number) {
    if (number == 1) return c.reply(503, "", "Retry-After: 1\r\n");  // dates of signatures have whole seconds
    c.reply(200, "x");
  });
  EXPECT_FALSE(start(object_call("GET", "bucket", "a")).get().failure);
  const auto signature = [this](std::size_t number) {
    return head(number).substr(head(number).find("Signature="), 74);
  };
  EXPECT_NE(signature(1), signature(2));
}

TEST_F(ExchangeTest, AWriteThatIsStoppedOnItsWayMayHaveHappened) {
  serve([this](auto& c, const auto&, int) {
    server_->note("arrived");
    c.wait_until_closed();
  });
  const StopSource stop;
  auto answer = start(object_call("PUT", "bucket", "a"), stop.token());
  ASSERT_TRUE(server_->wait_for("arrived"));
  stop.request_stop();
  const Answer ended = answer.get();
  EXPECT_TRUE(std::holds_alternative<Stopped>(ended.verdict));
  EXPECT_EQ(ended.failure->errnum, EINTR);
  EXPECT_TRUE(ended.failure->may_have_happened);
}

TEST_F(ExchangeTest, AWriteThatWasRefusedAfterTroubleMayHaveHappened) {
  serve([](auto& c, const auto&, int number) { c.reply(number == 1 ? 500 : 412, ""); });
  const Answer ended = start(object_call("PUT", "bucket", "a")).get();
  EXPECT_EQ(ended.failure->fault, Fault::precondition);
  EXPECT_TRUE(ended.failure->may_have_happened);
}

TEST_F(ExchangeTest, AWriteThatNobodyReceivedHasNotHappened) {
  serve([](auto& c, const auto&, int) { c.reply(200, ""); }, {.retries = 1});
  server_.reset();
  const Answer ended = start(object_call("PUT", "bucket", "a")).get();
  EXPECT_EQ(ended.failure->fault, Fault::lost);
  EXPECT_FALSE(ended.failure->may_have_happened);
}

TEST_F(ExchangeTest, ARangeThatIsAnsweredByNonsenseIsAskedForThreeTimes) {
  serve([](auto& c, const auto&, int) { c.reply(206, "x", "ETag: \"1\"\r\n"); });
  EXPECT_EQ(fault_of(read_range(*connection_.store, "bucket", "a", 0, 1)), Fault::not_a_store);
  EXPECT_EQ(asked_, 3);
}

TEST_F(ExchangeTest, AWholeObjectThatIsCutShortIsAskedForAgain) {
  serve(
      [](auto& c, const auto&, int number) {
        if (number > 1) return c.reply(200, "content");
        c.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\ncon");
      },
      {.first_byte = 300ms});
  const auto content = connection_.store->get_object("bucket", "a", 1_KiB);
  ASSERT_TRUE(content) << content.error().context;
  EXPECT_EQ(*content, "content");
}

TEST_F(ExchangeTest, StopsFromManyThreadsEndEachOnce) {
  serve([](auto& c, const auto&, int) { c.reply(503, "", "Retry-After: 20\r\n"); });
  std::vector<std::future<Answer>> answers;
  std::vector<StopSource> stops(50);
  for (const StopSource& stop : stops) answers.push_back(start(object_call("GET", "bucket", "a"), stop.token()));
  std::vector<std::jthread> stoppers;
  for (int i = 0; i < 4; ++i)
    stoppers.emplace_back([&] {
      for (const StopSource& stop : stops) stop.request_stop();
    });
  for (auto& answer : answers) EXPECT_EQ(answer.get().failure->errnum, EINTR);
}

TEST_F(ExchangeTest, TheEndOfTheServiceEndsHundredsWhereverTheyAre) {
  for (int round = 0; round < 5; ++round) {
    serve([](auto& c, const auto&, int number) {
      if (number % 3 == 0) return c.reply(503, "", "Retry-After: 20\r\n");
      if (number % 3 == 1) return c.reply(200, "x");
      c.wait_until_closed();
    });
    std::vector<std::future<Answer>> answers;
    for (int i = 0; i < 200; ++i) answers.push_back(start(object_call("GET", "bucket", "a")));
    connection_.store.reset();
    for (auto& answer : answers) {
      const Answer ended = answer.get();
      EXPECT_TRUE(!ended.failure || ended.failure->errnum == EINTR) << ended.failure->context;
    }
    connection_ = {};
    server_.reset();
  }
}

}  // namespace
}  // namespace pail::cos
