#include "pailfs/http/client.h"
#include "pailfs/base/stop.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <future>

#include "base/file.h"
#include "tiny_server.h"

namespace pail::http {
namespace {

using std::chrono::milliseconds;
using test::TinyConnection;
using test::TinyServer;

std::unique_ptr<Client> make_client(ClientOptions options = {}) {
  options.proxy = ProxyUse::none;
  auto client = Client::create(std::move(options));
  EXPECT_TRUE(client);
  return *std::move(client);
}

Request get(std::string url) {
  Request request;
  request.url = std::move(url);
  request.deadlines = {milliseconds(5000), milliseconds(10'000), milliseconds(10'000)};
  return request;
}

Request put(std::string url, std::shared_ptr<BodySource> body) {
  Request request = get(std::move(url));
  request.method = "PUT";
  request.body = std::move(body);
  return request;
}

// Repeats every 251 bytes, so that a piece in the wrong place shows.
std::string ramp(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i % 251);
  return bytes;
}

void serve_forever(TinyConnection& connection, int) {
  while (const auto request = connection.read_request()) connection.reply(200, request->target());
}

// Remembers what it was told; the test waits for the end.
class Recorder : public ResponseHandler {
 public:
  bool on_head(int status, const Headers&) override {
    status_ = status;
    return want_head;
  }
  bool on_data(std::span<const std::byte> bytes) override {
    received_ += bytes.size();
    if (on_bytes) on_bytes();
    return want_data;
  }
  void on_done(Result<Unit> outcome) override {
    ++endings;
    done_.set_value(errnum_of(outcome));
  }
  int errnum() { return done_.get_future().get(); }

  bool want_head = true, want_data = true;
  std::function<void()> on_bytes;
  std::atomic<int> status_ = 0, endings = 0;
  std::atomic<std::size_t> received_ = 0;

 private:
  std::promise<int> done_;
};

TEST(HttpClient, ReusesItsConnection) {
  TinyServer server(serve_forever);
  const auto client = make_client();
  for (const char* path : {"/a", "/b", "/c"}) {
    const auto reply = client->send(get(server.url(path)));
    ASSERT_TRUE(reply) << reply.error().context;
    EXPECT_EQ(reply->status, 200);
    EXPECT_EQ(reply->body, path);
  }
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, KeepsToItsConnectionsAHostAndServesEveryRequest) {
  TinyServer server(serve_forever);
  ClientOptions options;
  options.connections_per_host = 3;
  const auto client = make_client(options);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 40; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    client->start(get(server.url()), recorders.back());
  }
  for (const auto& recorder : recorders) EXPECT_EQ(recorder->errnum(), 0);
  EXPECT_LE(server.most_at_once(), 3);
}

TEST(HttpClient, WhatSomebodyWaitsForIsSentBeforeTwoHundredQueuedRequestsOfTheBackground) {
  std::promise<void> all_queued;
  const std::shared_future<void> go = all_queued.get_future().share();
  Mutex mutex;
  std::vector<std::string> order;
  TinyServer server([&](TinyConnection& connection, int) {
    while (const auto request = connection.read_request()) {
      {
        const MutexLock lock(mutex);
        order.push_back(request->target());
      }
      server.note("request");
      go.wait();
      connection.reply(200, "");
    }
  });
  ClientOptions options;
  options.connections_per_host = 1;
  const auto client = make_client(options);
  std::vector<std::shared_ptr<Recorder>> recorders;
  const auto start = [&](Request request, Lane lane) {
    request.lane = lane;
    recorders.push_back(std::make_shared<Recorder>());
    client->start(std::move(request), recorders.back());
  };
  for (int i = 0; i < 200; ++i) start(get(server.url("/background")), Lane::background);
  ASSERT_TRUE(server.wait_for("request"));
  start(get(server.url("/ahead")), Lane::ahead);
  Request head = get(server.url("/demand"));
  head.method = "HEAD";
  start(head, Lane::demand);
  const auto last = std::make_shared<Recorder>();
  client->start(get("no URL"), last);
  ASSERT_EQ(last->errnum(), EINVAL);  // so all before it stand in the queue
  all_queued.set_value();
  for (const auto& recorder : recorders) EXPECT_EQ(recorder->errnum(), 0);
  ASSERT_EQ(order.size(), recorders.size());
  EXPECT_EQ(order[1], "/demand");
  EXPECT_EQ(order[2], "/ahead");
}

TEST(HttpClient, SpreadsItsRequestsOverThreads) {
  TinyServer server(serve_forever);
  ClientOptions options;
  options.threads = 2;
  const auto client = make_client(options);
  std::vector<std::shared_ptr<Recorder>> recorders;
  for (int i = 0; i < 40; ++i) {
    recorders.push_back(std::make_shared<Recorder>());
    client->start(get(server.url()), recorders.back());
  }
  for (const auto& recorder : recorders) EXPECT_EQ(recorder->errnum(), 0);
}

TEST(HttpClient, ReturnsEveryStatusAsAResponse) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.reply(404, "<Error/>", "X-Clv-Request-Id: 7\r\n");
  });
  const auto reply = make_client()->send(get(server.url()));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 404);
  EXPECT_EQ(reply->body, "<Error/>");
  EXPECT_EQ(reply->headers.find("x-clv-request-id"), "7");
}

TEST(HttpClient, SendsPathAndQueryAsTheyStand) {
  TinyServer server(serve_forever);
  const auto reply = make_client()->send(get(server.url("/b/../%2e//x%2Fy?a=%20&uploads")));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, "/b/../%2e//x%2Fy?a=%20&uploads");
}

TEST(HttpClient, DoesNotFollowRedirects) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.reply(307, "", "Location: /elsewhere\r\n");
  });
  const auto reply = make_client()->send(get(server.url()));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 307);
  EXPECT_EQ(server.connections(), 1);
}

TEST(HttpClient, ReportsATruncatedBodyAsBrokenConnection) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
  });
  EXPECT_EQ(errnum_of(make_client()->send(get(server.url()))), ECONNRESET);
}

TEST(HttpClient, ReportsATruncatedChunkedBodyAsBrokenConnection) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
  });
  EXPECT_EQ(errnum_of(make_client()->send(get(server.url()))), ECONNRESET);
}

TEST(HttpClient, ReportsAResetAsBrokenConnection) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.reset();
  });
  EXPECT_EQ(errnum_of(make_client()->send(get(server.url()))), ECONNRESET);
}

TEST(HttpClient, EndsATransferThatStalls) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this");
    connection.wait_until_closed();
  });
  Request request = get(server.url());
  request.deadlines.stall = milliseconds(200);
  const auto reply = make_client()->send(std::move(request));
  EXPECT_EQ(errnum_of(reply), ETIMEDOUT);
  EXPECT_NE(reply.error().context.find("stalled"), std::string::npos) << reply.error().context;
}

TEST(HttpClient, EndsARequestThatIsNeverAnswered) {
  TinyServer server([](TinyConnection& connection, int) { connection.wait_until_closed(); });
  Request request = put(server.url(), body_from_string("x"));
  request.deadlines.first_byte = milliseconds(200);
  const auto reply = make_client()->send(std::move(request));
  EXPECT_EQ(errnum_of(reply), ETIMEDOUT);
  EXPECT_NE(reply.error().context.find("no answer"), std::string::npos) << reply.error().context;
}

TEST(HttpClient, EndsAnUploadThatNobodyReads) {
  TinyServer server([&](TinyConnection& connection, int) {
    (void)connection.read_head();
    server.wait_for("end");
  });
  Request request = put(server.url(), body_from_string(std::string(64 << 20, 'x')));
  request.deadlines.stall = milliseconds(200);
  EXPECT_EQ(errnum_of(make_client()->send(std::move(request))), ETIMEDOUT);
  server.note("end");
}

TEST(HttpClient, NamesARefusedConnection) {
  const auto reply = make_client()->send(get("http://127.0.0.1:" + std::to_string(test::free_port()) + "/"));
  EXPECT_EQ(errnum_of(reply), ECONNREFUSED);
}

TEST(HttpClient, NamesAHostThatIsNotKnown) {
  const auto reply = make_client()->send(get("http://no-such-host.invalid/k?X-Amz-Signature=hunter2"));
  EXPECT_EQ(errnum_of(reply), EHOSTUNREACH);
  EXPECT_NE(reply.error().context.find("no-such-host.invalid"), std::string::npos);
  EXPECT_EQ(reply.error().context.find("hunter2"), std::string::npos);
}

TEST(HttpClient, RefusesABodyBeyondItsLimit) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.reply(200, ramp(100'000));
  });
  Request request = get(server.url());
  request.max_response_body = {99'999};
  EXPECT_EQ(errnum_of(make_client()->send(request)), EMSGSIZE);
  request.max_response_body = {100'000};
  const auto reply = make_client()->send(request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->body, ramp(100'000));
}

TEST(HttpClient, RefusesEndlessHeaders) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    std::string head = "HTTP/1.1 200 OK\r\n";
    for (int i = 0; i < 5000; ++i) head += "x-amz-meta-" + std::to_string(i) + ": v\r\n";
    connection.send(head + "\r\n");
  });
  EXPECT_EQ(errnum_of(make_client()->send(get(server.url()))), EMSGSIZE);
}

TEST(HttpClient, RefusesWhatIsNotHttp) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("SSH-2.0-OpenSSH_9.2\r\n\r\n");
  });
  EXPECT_EQ(errnum_of(make_client()->send(get(server.url()))), EPROTO);
}

TEST(HttpClient, RefusesHeadersThatWouldSplitTheRequest) {
  Request request = get("http://127.0.0.1:9/");
  request.headers.add("x-amz-meta-a", "1\r\nEvil: 2");
  EXPECT_EQ(errnum_of(make_client()->send(request)), EINVAL);
  request.headers = {{"bad name", "1"}};
  EXPECT_EQ(errnum_of(make_client()->send(request)), EINVAL);
  request.headers = {};
  request.method = "GET / HTTP/1.1\r\nX: ";
  EXPECT_EQ(errnum_of(make_client()->send(request)), EINVAL);
}

TEST(HttpClient, SkipsInterimResponses) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n");
    connection.reply(200, "final");
  });
  const auto reply = make_client()->send(get(server.url()));
  ASSERT_TRUE(reply) << reply.error().context;
  EXPECT_EQ(reply->status, 200);
  EXPECT_FALSE(reply->headers.contains("x-early"));
}

TEST(HttpClient, DoesNotWaitForTheBodyOfHead) {
  TinyServer server([](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nETag: \"e\"\r\n\r\n");
    connection.wait_until_closed();
  });
  Request request = get(server.url());
  request.method = "HEAD";
  const auto reply = make_client()->send(std::move(request));
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->headers.find("content-length"), "1000000");
}

TEST(HttpClient, UploadsAFileExtentWithItsExactLength) {
  const std::string bytes = ramp(3 << 20);
  const std::string path = testing::TempDir() + "http_upload_test";
  ASSERT_TRUE(write_file_atomically(path, "before" + bytes + "after"));
  const auto fd = open_file(path, O_RDONLY);
  ASSERT_TRUE(fd);
  std::promise<test::TinyRequest> seen;
  TinyServer server([&](TinyConnection& connection, int) {
    seen.set_value(*connection.read_request());
    connection.reply(200, "");
  });
  ASSERT_TRUE(make_client()->send(put(server.url(), body_from_file(fd->get(), {{6}, {6 + bytes.size()}}))));
  const test::TinyRequest request = seen.get_future().get();
  EXPECT_EQ(request.body, bytes);
  EXPECT_NE(request.head.find("PUT / HTTP/1.1\r\n"), std::string::npos);
  EXPECT_NE(request.head.find("Content-Length: 3145728\r\n"), std::string::npos) << request.head;
  EXPECT_EQ(request.head.find("Expect"), std::string::npos) << request.head;
  unlink(path.c_str());
}

TEST(HttpClient, SendsALengthOfZeroForAnEmptyPutAndPost) {
  for (const char* method : {"PUT", "POST"}) {
    std::promise<std::string> seen;
    TinyServer server([&](TinyConnection& connection, int) {
      seen.set_value(*connection.read_head());
      connection.reply(200, "");
    });
    Request request = get(server.url());
    request.method = method;
    ASSERT_TRUE(make_client()->send(request));
    const std::string head = seen.get_future().get();
    EXPECT_EQ(head.find(std::string(method) + " / HTTP/1.1\r\n"), 0U) << head;
    EXPECT_NE(head.find("Content-Length: 0\r\n"), std::string::npos) << head;
    EXPECT_EQ(head.find("Transfer-Encoding"), std::string::npos) << head;
  }
}

TEST(HttpClient, SendsNoLengthWithDelete) {
  std::promise<std::string> seen;
  TinyServer server([&](TinyConnection& connection, int) {
    seen.set_value(*connection.read_head());
    connection.reply(204, "");
  });
  Request request = get(server.url());
  request.method = "DELETE";
  request.headers = {{"x-empty", ""}};
  const auto reply = make_client()->send(request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
  const std::string head = seen.get_future().get();
  EXPECT_EQ(head.find("DELETE / HTTP/1.1\r\n"), 0U) << head;
  EXPECT_NE(head.find("x-empty:"), std::string::npos) << head;
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
}

TEST(HttpClient, RepeatsAnUploadWhoseIdleConnectionWasDead) {
  // The second request meets a connection that the server closes without an answer, as after an idle timeout.
  TinyServer server([&](TinyConnection& connection, int number) {
    auto request = connection.read_request();
    if (!request) return;
    connection.reply(200, std::to_string(request->body.size()));
    request = connection.read_request();
    if (number == 1 || !request) return;
    connection.reply(200, "unexpected");
  });
  const auto client = make_client();
  ASSERT_TRUE(client->send(put(server.url(), body_from_string("warm up"))));
  const auto reply = client->send(put(server.url(), body_from_string(ramp(500'000))));
  ASSERT_TRUE(reply) << reply.error().context;
  EXPECT_EQ(reply->body, "500000");
  EXPECT_EQ(server.connections(), 2);
}

TEST(HttpClient, ReturnsARefusalThatComesBeforeTheBodyIsSent) {
  TinyServer server([&](TinyConnection& connection, int) {
    (void)connection.read_head();
    connection.reply(403, "denied", "Connection: close\r\n");
    connection.wait_until_closed();
  });
  const auto reply = make_client()->send(put(server.url(), body_from_string(ramp(32 << 20))));
  ASSERT_TRUE(reply) << reply.error().context;
  EXPECT_EQ(reply->status, 403);
  EXPECT_EQ(reply->body, "denied");
}

class BrokenBody : public BodySource {
 public:
  explicit BrokenBody(Result<std::size_t> answer) : answer_(std::move(answer)) {}
  ByteCount size() const override { return {100}; }
  Result<std::size_t> read_at(ByteOffset, std::span<std::byte>) override { return answer_; }

 private:
  const Result<std::size_t> answer_;
};

TEST(HttpClient, ReturnsTheErrorOfTheBodySource) {
  TinyServer server([](TinyConnection& connection, int) { connection.wait_until_closed(); });
  const auto failing = std::make_shared<BrokenBody>(Error{ENOSPC, "disk"});
  EXPECT_EQ(errnum_of(make_client()->send(put(server.url(), failing))), ENOSPC);
  const auto ending = std::make_shared<BrokenBody>(std::size_t{0});
  EXPECT_EQ(errnum_of(make_client()->send(put(server.url(), ending))), EIO);
}

TEST(HttpClient, HandsOverBytesBeforeTheBodyIsComplete) {
  TinyServer server([&](TinyConnection& connection, int) {
    (void)connection.read_request();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc");
    server.wait_for("seen");
    connection.send("def");
  });
  const auto recorder = std::make_shared<Recorder>();
  recorder->on_bytes = [&] { server.note("seen"); };
  const auto client = make_client();
  client->start(get(server.url()), recorder);
  EXPECT_EQ(recorder->errnum(), 0);
  EXPECT_EQ(recorder->received_, 6U);
}

TEST(HttpClient, EndsWhenTheHandlerHasEnough) {
  TinyServer server(serve_forever);
  const auto client = make_client();
  const auto at_head = std::make_shared<Recorder>(), at_data = std::make_shared<Recorder>();
  at_head->want_head = false;
  at_data->want_data = false;
  client->start(get(server.url()), at_head);
  client->start(get(server.url()), at_data);
  EXPECT_EQ(at_head->errnum(), ECANCELED);
  EXPECT_EQ(at_data->errnum(), ECANCELED);
}

TEST(HttpClient, CancelsAnActiveAWaitingAndANewTransfer) {
  TinyServer server([&](TinyConnection& connection, int) {
    server.note("connected");
    connection.wait_until_closed();
  });
  ClientOptions options;
  options.connections_per_host = 1;
  const auto client = make_client(options);
  StopSource stop;
  const auto active = std::make_shared<Recorder>(), waiting = std::make_shared<Recorder>(),
             late = std::make_shared<Recorder>();
  client->start(get(server.url()), active, stop.token());
  client->start(get(server.url()), waiting, stop.token());
  ASSERT_TRUE(server.wait_for("connected"));
  stop.request_stop();
  client->start(get(server.url()), late, stop.token());
  EXPECT_EQ(active->errnum(), ECANCELED);
  EXPECT_EQ(waiting->errnum(), ECANCELED);
  EXPECT_EQ(late->errnum(), ECANCELED);
  EXPECT_EQ(active->endings, 1);
}

TEST(HttpClient, SendReturnsSoonAfterCancellation) {
  TinyServer server([&](TinyConnection& connection, int) {
    server.note("connected");
    connection.wait_until_closed();
  });
  const auto client = make_client();
  StopSource stop;
  auto reply = std::async(std::launch::async, [&] { return client->send(get(server.url()), stop.token()); });
  ASSERT_TRUE(server.wait_for("connected"));
  stop.request_stop();
  EXPECT_EQ(errnum_of(reply.get()), ECANCELED);
}

TEST(HttpClient, CancelsEverythingWhenItGoes) {
  TinyServer server([&](TinyConnection& connection, int) {
    server.note("connected");
    connection.wait_until_closed();
  });
  ClientOptions options;
  options.connections_per_host = 1;
  auto client = make_client(options);
  const auto active = std::make_shared<Recorder>(), waiting = std::make_shared<Recorder>();
  client->start(get(server.url()), active);
  client->start(get(server.url()), waiting);
  ASSERT_TRUE(server.wait_for("connected"));
  client.reset();
  EXPECT_EQ(active->endings, 1);
  EXPECT_EQ(active->errnum(), ECANCELED);
  EXPECT_EQ(waiting->errnum(), ECANCELED);
}

TEST(HttpClient, RefusesToWaitOnItsNetworkThread) {
  TinyServer server(serve_forever);
  const auto client = make_client();
  const auto recorder = std::make_shared<Recorder>();
  std::atomic<int> inner = 0;
  recorder->on_bytes = [&] { inner = errnum_of(client->send(get(server.url()))); };
  client->start(get(server.url()), recorder);
  EXPECT_EQ(recorder->errnum(), 0);
  EXPECT_EQ(inner, EDEADLK);
}

TEST(HttpClient, RefusesOptionsThatMakeNoSense) {
  ClientOptions options;
  options.threads = 0;
  EXPECT_EQ(errnum_of(Client::create(options)), EINVAL);
  options = {};
  options.ca_bundle = "/nonexistent/ca.pem";
  EXPECT_EQ(errnum_of(Client::create(options)), ENOENT);
}

}  // namespace
}  // namespace pail::http
