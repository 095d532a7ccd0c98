// Answers that are not the store's: proxies, web servers, redirects. None of them shows that anything is missing.
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "emulator_fixture.h"
#include "pailfs/base/stop.h"
#include "tiny_server.h"

namespace pail::cos {
namespace {

using std::chrono::milliseconds;
using test::TinyConnection;
using test::TinyRequest;
using test::TinyServer;

constexpr std::string_view kPage = "<html><body>404 Not Found</body></html>";
constexpr std::string_view kStoreHeader = "x-amz-request-id: 1\r\n";

std::string error_document(std::string_view code) {
  return "<Error><Code>" + std::string(code) + "</Code><Message>Said the store.</Message></Error>";
}

bool is_head(const TinyRequest& request) {
  return request.head.starts_with("HEAD ");
}

std::string host_of(const TinyRequest& request) {
  const auto begin = request.head.find("Host: ") + 6;
  return request.head.substr(begin, request.head.find('\r', begin) - begin);
}

// Answers every request by `answer`, as often as one comes.
TinyServer::Script always(std::function<void(TinyConnection&, const TinyRequest&)> answer) {
  return [answer](TinyConnection& connection, int) {
    while (const auto request = connection.read_request()) answer(connection, *request);
  };
}

// The answer to a HEAD has no body, whatever its length says.
void reply(TinyConnection& connection, const TinyRequest& request, int status, std::string_view body,
           std::string_view fields = "") {
  if (!is_head(request)) return connection.reply(status, body, fields);
  connection.send("HTTP/1.1 " + std::to_string(status) + " Text\r\nContent-Length: " + std::to_string(body.size()) +
                  "\r\n" + std::string(fields) + "\r\n");
}

// Until the client or the server ends the connection.
void hold_without_reading(TinyConnection& connection) {
  pollfd waiting{.fd = connection.fd(), .events = POLLRDHUP, .revents = 0};
  ::poll(&waiting, 1, -1);
}

std::string signature_of(const TinyRequest& request) {
  const auto begin = request.head.find("Signature=");
  return request.head.substr(begin, request.head.find('\r', begin) - begin);
}

Connection connect_to(const TinyServer& server, ClientOptions options = {}, std::string_view host = "127.0.0.1") {
  return connect({"http://" + std::string(host) + ":" + std::to_string(server.port()), "access", "secret", ""},
                 options);
}

TEST(Strangers, A404OfAProxyIsNoMissingKey) {
  TinyServer server(always([](auto& c, const auto& request) { reply(c, request, 404, kPage); }));
  const Connection connection = connect_to(server);
  const auto head = connection.store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::not_a_store);
  EXPECT_EQ(errnum_of(head), EIO);
  EXPECT_EQ(errnum_of(connection.store->get_object("bucket", "a", 1_KiB)), EIO);
  EXPECT_EQ(errnum_of(read_range(*connection.store, "bucket", "a", 0, 1)), EIO);
  EXPECT_EQ(errnum_of(connection.store->list_objects("bucket", {})), EIO);
  EXPECT_EQ(errnum_of(connection.store->head_bucket("bucket")), EIO);
  EXPECT_EQ(errnum_of(connection.store->delete_object("bucket", "a")), EIO);
}

TEST(Strangers, A404OfAProxyThatPassesIsAskedAgain) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    server.note("asked");
    if (server.noted("asked") < 3) return reply(c, request, 404, kPage);
    reply(c, request, 200, "x", "ETag: \"1\"\r\n");
  }));
  const Connection connection = connect_to(server);
  const auto content = connection.store->get_object("bucket", "a", 1_KiB);
  ASSERT_TRUE(content) << content.error().context;
  EXPECT_EQ(*content, "x");
}

TEST(Strangers, AMissingKeyIsProvenByTheStoresOwnWordsAlsoWhereItsHeadHasNoSign) {
  TinyServer server(always([](auto& c, const auto& request) { reply(c, request, 404, error_document("NoSuchKey")); }));
  const Connection connection = connect_to(server);
  const auto head = connection.store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::no_key);
  EXPECT_EQ(errnum_of(head), ENOENT);
  EXPECT_EQ(fault_of(read_range(*connection.store, "bucket", "a", 0, 1)), Fault::no_key);
}

TEST(Strangers, A403OfAProxyToAHeadDoesNotSayThatTheStoreRefusesAccess) {
  TinyServer server(always([](auto& c, const auto& request) { reply(c, request, 403, kPage); }));
  const auto head = connect_to(server).store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::not_a_store);
  EXPECT_EQ(errnum_of(head), EIO);
}

TEST(Strangers, AHeadThatTheStoreRefusesIsProvenByItsOwnWordsAlsoWhereTheHeadHasNoSign) {
  TinyServer server(
      always([](auto& c, const auto& request) { reply(c, request, 403, error_document("AccessDenied")); }));
  const auto head = connect_to(server).store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::denied);
  EXPECT_EQ(errnum_of(head), EACCES);
}

TEST(Strangers, AHeadThatTheStoreRefusesWithASignCostsNoGet) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    if (!is_head(request)) server.note("get");
    reply(c, request, 403, "", kStoreHeader);
  }));
  EXPECT_EQ(fault_of(connect_to(server).store->head_object("bucket", "a")), Fault::denied);
  EXPECT_EQ(server.noted("get"), 0);
}

TEST(Strangers, A403OfAProxyThatPassesIsAskedAgain) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    server.note("asked");
    if (server.noted("asked") == 1) return reply(c, request, 403, "");
    reply(c, request, is_head(request) ? 200 : 206, "x", "ETag: \"1\"\r\nContent-Range: bytes 0-0/1\r\n");
  }));
  const auto head = connect_to(server).store->head_object("bucket", "a");
  ASSERT_TRUE(head) << head.error().context;
  EXPECT_EQ(head->size, ByteCount{1});
}

TEST(Strangers, AMissingBucketIsNoMissingKey) {
  TinyServer server(always(
      [](auto& c, const auto& request) { reply(c, request, 404, error_document("NoSuchBucket"), kStoreHeader); }));
  const Connection connection = connect_to(server);
  const auto head = connection.store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::no_bucket);
  EXPECT_EQ(errnum_of(head), ENODEV);
  EXPECT_NE(head.error().context.find("bucket"), std::string::npos);
  EXPECT_EQ(errnum_of(connection.store->head_bucket("bucket")), ENODEV);
  EXPECT_EQ(errnum_of(read_range(*connection.store, "bucket", "a", 0, 1)), ENODEV);
}

TEST(Strangers, AHeadThatContradictsTheGetIsNoMissingKey) {
  TinyServer server(always([](auto& c, const auto& request) {
    if (is_head(request)) return reply(c, request, 404, "");
    reply(c, request, 206, "x", "ETag: \"1\"\r\nContent-Range: bytes 0-0/9\r\n");
  }));
  const auto head = connect_to(server).store->head_object("bucket", "a");
  EXPECT_EQ(fault_of(head), Fault::not_a_store);
  EXPECT_EQ(errnum_of(head), EIO);
}

TEST(Strangers, AnObjectThatComesBetweenHeadAndGetIsFound) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    if (is_head(request)) server.note("head");
    if (is_head(request) && server.noted("head") == 1) return reply(c, request, 404, "", kStoreHeader);
    reply(c, request, is_head(request) ? 200 : 206, "x", "ETag: \"1\"\r\nContent-Range: bytes 0-0/1\r\n");
  }));
  const auto head = connect_to(server).store->head_object("bucket", "a");
  ASSERT_TRUE(head) << head.error().context;
  EXPECT_EQ(head->size, ByteCount{1});
}

TEST(Strangers, AWebPageInPlaceOfAnObjectIsNoObject) {
  TinyServer server(always([](auto& c, const auto& request) { reply(c, request, 200, kPage); }));
  EXPECT_EQ(fault_of(connect_to(server).store->head_object("bucket", "a")), Fault::not_a_store);
}

// ---- redirects ----

TEST(Redirects, AreNeverAMissingKeyAndTheErrorNamesTheTarget) {
  for (const int status : {301, 302, 303, 307, 308}) {
    TinyServer server(always([status](auto& c, const auto& request) {
      reply(c, request, status, "", "Location: https://elsewhere.example/login?token=abc\r\n");
    }));
    const Connection connection = connect_to(server);
    const auto head = connection.store->head_object("bucket", "a");
    EXPECT_EQ(fault_of(head), Fault::redirect) << status;
    EXPECT_EQ(errnum_of(head), EIO) << status;
    EXPECT_NE(head.error().context.find("https://elsewhere.example/login"), std::string::npos) << head.error().context;
    EXPECT_NE(head.error().context.find("url="), std::string::npos) << head.error().context;
    EXPECT_EQ(head.error().context.find("abc"), std::string::npos) << head.error().context;
    EXPECT_EQ(errnum_of(read_range(*connection.store, "bucket", "a", 0, 1)), EIO) << status;
    EXPECT_EQ(errnum_of(connection.store->list_objects("bucket", {})), EIO) << status;
  }
}

TEST(Redirects, ToTheBucketsOwnHostAreFollowedWithASignatureForIt) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    const std::string host = host_of(request);
    const std::string own_host = "bucket.localhost:" + std::to_string(server.port());
    if (host != own_host) {
      server.note(signature_of(request));
      return reply(c, request, 307, "", "Location: http://" + own_host + "/a\r\n");
    }
    const bool same_signature = server.noted(signature_of(request)) > 0;
    reply(c, request, same_signature || request.target() != "/a" ? 403 : 200, "x", "ETag: \"1\"\r\n");
  }));
  const Connection connection = connect_to(server, {}, "localhost");
  const auto content = connection.store->get_object("bucket", "a", 1_KiB);
  ASSERT_TRUE(content) << content.error().context;
  EXPECT_EQ(*content, "x");
  const auto read = read_range(*connection.store, "bucket", "a", 0, 1);
  ASSERT_TRUE(read) << read.error().context;
  EXPECT_EQ(*read, "x");
}

TEST(Redirects, ThatGoOnAndOnAreGivenUp) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    server.note("asked");
    const bool plain = host_of(request).starts_with("localhost");
    const std::string port = ":" + std::to_string(server.port());
    reply(c, request, 307, "",
          "Location: http://" + (plain ? "bucket.localhost" + port + "/a" : "localhost" + port + "/bucket/a") + "\r\n");
  }));
  const auto content = connect_to(server, {}, "localhost").store->get_object("bucket", "a", 1_KiB);
  EXPECT_EQ(fault_of(content), Fault::redirect);
  EXPECT_EQ(server.noted("asked"), 4);
}

// ---- time ----

class Deadlines : public ::testing::Test {
 protected:
  static constexpr milliseconds kDeadline{1000};
  static std::shared_ptr<http::BodySource> large_body() { return http::body_from_string(std::string(64 << 20, 'x')); }
  static PutRequest large_put() {
    PutRequest request;
    request.key = "a";
    request.body = large_body();
    return request;
  }
};

TEST_F(Deadlines, EndAnUploadWhoseBodyDoesNotMove) {
  TinyServer server([](TinyConnection& connection, int) {
    connection.read_head();
    hold_without_reading(connection);
  });
  const auto began = std::chrono::steady_clock::now();
  const auto put = connect_to(server, {.deadline = kDeadline}).store->put_object("bucket", large_put());
  EXPECT_EQ(errnum_of(put), ETIMEDOUT);
  EXPECT_EQ(fault_of(put), Fault::lost);
  EXPECT_TRUE(put.error().may_have_happened);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 15 * kDeadline);
}

TEST_F(Deadlines, LeaveAnUploadAloneWhoseBodyMoves) {
  constexpr std::size_t kSize = 6 << 20, kStep = 256 << 10;
  TinyServer server([](TinyConnection& connection, int) {
    const int small = 64 << 10;  // what lies in a buffer here has been confirmed to the client
    ::setsockopt(connection.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    std::string head;
    for (char byte = 0; !head.ends_with("\r\n\r\n") && ::recv(connection.fd(), &byte, 1, 0) == 1;) head += byte;
    std::vector<char> piece(kStep);
    for (std::size_t left = kSize; left > 0; left -= kStep) {
      if (::recv(connection.fd(), piece.data(), kStep, MSG_WAITALL) != static_cast<ssize_t>(kStep)) return;
      std::this_thread::sleep_for(milliseconds(250));  // a slow link
    }
    connection.reply(200, "", "ETag: \"1\"\r\n");
  });
  PutRequest request;
  request.key = "a";
  request.body = http::body_from_string(std::string(kSize, 'x'));
  const auto put = connect_to(server, {.deadline = milliseconds(3000)}).store->put_object("bucket", request);
  EXPECT_TRUE(put) << put.error().context;
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(Deadlines, EndACopyThatIsNeverAnswered) {
  TinyServer server([](TinyConnection& connection, int) {
    connection.read_head();
    connection.wait_until_closed();
  });
  const auto began = std::chrono::steady_clock::now();
  const auto copy =
      connect_to(server, {.deadline = kDeadline / 2}).store->copy_object("bucket", {.source_key = "a", .key = "b"});
  EXPECT_EQ(errnum_of(copy), ETIMEDOUT);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 10 * kDeadline);
}

TEST_F(Deadlines, AreSharedByTheLookAfterALostAnswer) {
  TinyServer server([](TinyConnection& connection, int number) {
    const auto request = connection.read_request();
    if (!request) return;
    if (number == 1) return connection.reset();  // carried out, and not told
    if (!is_head(*request)) return connection.reply(412, error_document("PreconditionFailed"), "Connection: close\r\n");
    connection.wait_until_closed();
  });
  PutRequest request;
  request.key = "a";
  request.conditions.if_absent = true;
  const auto began = std::chrono::steady_clock::now();
  const auto put = connect_to(server, {.deadline = kDeadline}).store->put_object("bucket", request);
  EXPECT_EQ(errnum_of(put), ETIMEDOUT);
  EXPECT_TRUE(put.error().may_have_happened);
  EXPECT_LT(std::chrono::steady_clock::now() - began, 15 * kDeadline);
}

TEST_F(Deadlines, RetriesAreCounted) {
  TinyServer server(always([&server](auto& c, const auto& request) {
    server.note("asked");
    reply(c, request, 503, error_document("SlowDown"));
  }));
  const Connection connection = connect_to(server, {.retries = 2});
  EXPECT_EQ(errnum_of(connection.store->get_object("bucket", "a", 1_KiB)), EIO);
  EXPECT_EQ(server.noted("asked"), 3);
  EXPECT_EQ(errnum_of(read_range(*connection.store, "bucket", "a", 0, 1)), EIO);
  EXPECT_EQ(server.noted("asked"), 6);
}

// A store that is silent until it is told to speak.
class DownTest : public ::testing::Test {
 protected:
  DownTest() { use_up_the_bound(); }
  void use_up_the_bound() { EXPECT_EQ(errnum_of(store().head_object("bucket", "a")), ETIMEDOUT); }
  Client& store() { return *connection_.store; }

  std::atomic<bool> speaks_{false};
  std::atomic<bool> busy_{false};
  TinyServer server_{[this](TinyConnection& connection, int) {
    while (const auto request = connection.read_request()) {
      server_.note("asked");
      if (busy_)
        reply(connection, *request, 503, error_document("SlowDown"));
      else if (speaks_)
        reply(connection, *request, 200, "x", "ETag: \"1\"\r\n");
      else
        return connection.wait_until_closed();
    }
  }};
  Connection connection_ = connect_to(server_, {.deadline = milliseconds(2000), .retries = 4});
};

TEST_F(DownTest, TheNextCallFailsAfterOneAttempt) {
  busy_ = true;
  const int before = server_.noted("asked");
  EXPECT_EQ(fault_of(store().get_object("bucket", "a", 1_KiB)), Fault::busy);
  EXPECT_EQ(server_.noted("asked"), before + 1);
  EXPECT_EQ(fault_of(read_range(store(), "bucket", "a", 0, 1)), Fault::busy);
  EXPECT_EQ(server_.noted("asked"), before + 2);
}

TEST_F(DownTest, ACallThatAsksForItGetsAllAttempts) {
  busy_ = true;
  const int before = server_.noted("asked");
  const auto put = store().put_object("bucket", {.key = "a"}, {StopToken(), Effort::full});
  EXPECT_EQ(fault_of(put), Fault::busy);
  EXPECT_GT(server_.noted("asked"), before + 1);
}

TEST_F(DownTest, TheFirstAnswerEndsIt) {
  speaks_ = true;
  ASSERT_TRUE(store().head_object("bucket", "a"));
  busy_ = true;
  const int before = server_.noted("asked");
  EXPECT_EQ(fault_of(store().get_object("bucket", "a", 1_KiB)), Fault::busy);
  EXPECT_GT(server_.noted("asked"), before + 1);
}

}  // namespace
}  // namespace pail::cos
