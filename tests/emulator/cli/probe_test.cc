#include "cli/probe.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>

#include "../http/tiny_server.h"
#include "base/file.h"
#include "cli/connect.h"
#include "emulator/emulator.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/url.h"

namespace pail::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

bool begins_with_tls(int fd) {
  constexpr char kHandshake = 0x16;
  char first = 0;
  return ::recv(fd, &first, 1, MSG_PEEK) == 1 && first == kHandshake;
}

UniqueFd connect_to_loopback(std::uint16_t port) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << errno;
  return fd;
}

// Passes on what either end sends, until one of them closes.
void join(int one, int other) {
  std::array<pollfd, 2> ends{{{one, POLLIN, 0}, {other, POLLIN, 0}}};
  while (::poll(ends.data(), ends.size(), -1) > 0)
    for (std::size_t i = 0; i < ends.size(); ++i) {
      char bytes[4096];
      if (ends.at(i).revents == 0) continue;
      const ssize_t got = ::recv(ends.at(i).fd, bytes, sizeof bytes, 0);
      if (got <= 0) return;
      test::TinyConnection(ends.at(1 - i).fd).send({bytes, static_cast<std::size_t>(got)});
    }
}

// What a person who mounts is told. Each test asks an emulator of its own.
class Probe : public ::testing::Test {
 protected:
  Probe() {
    std::string pattern = (std::filesystem::temp_directory_path() / "pailfs-XXXXXX").string();
    directory_ = ::mkdtemp(pattern.data());
    start(emulator::Tls::off);
  }
  ~Probe() override {
    server_.reset();
    std::filesystem::remove_all(directory_);
  }

  void start(emulator::Tls tls) {
    server_.reset();
    emulator::Options options;
    options.directory = directory_ / "store";
    options.buckets = {"demo"};
    options.location = "eu-de-standard";
    options.tls = tls;
    auto started = emulator::Emulator::start(options);
    ASSERT_TRUE(started) << started.error().context;
    server_ = *std::move(started);
    options_.url = server_->url();
    options_.credentials = server_->credentials().file;
  }

  void use_keys(const std::string& id, std::string_view secret) {
    options_.credentials.clear();
    options_.passwd_file = directory_ / "keys";
    ASSERT_TRUE(write_file_atomically(options_.passwd_file, id + ":" + std::string(secret) + "\n", 0600));
  }

  // The listing is refused like this, whichever version of it is asked.
  void refuse_listing(int status, const std::string& code) {
    emulator::FaultRule rule;
    rule.operations = {"ListObjects", "ListObjectsV2"};
    rule.status = status;
    rule.code = code;
    server_->add_fault(rule);
  }

  // Passes TLS on to the emulator, and answers plain HTTP as servers of TLS do that tell the two apart.
  test::TinyServer::Script front(int status) {
    const auto behind = http::parse_url(server_->url());
    return [status, port = behind->port](test::TinyConnection& client, int) {
      if (!begins_with_tls(client.fd())) return client.read_head(), client.reply(status, "");
      const UniqueFd server = connect_to_loopback(port);
      join(client.fd(), server.get());
    };
  }

  Result<Unit> probe(const std::string& bucket = "demo", const std::string& prefix = "") {
    const auth::Sources sources = credential_sources(options_, {}, bucket);
    PAIL_TRY(const auth::Resolved resolved, auth::resolve_credentials(sources));
    // Not probe_in_child(): a process that has threads must not go on after fork() under ThreadSanitizer.
    PAIL_TRY(const Connection connection, connect(options_, sources, resolved, Patience::probing));
    return probe_bucket(*connection.store, connection.endpoint.url, Source{bucket, prefix});
  }

  Result<Unit> exchange_key(const std::string& endpoint, const Secret& secret, StopToken stop) {
    const auth::IamApiKey key{secret, "crn:v1:x", endpoint};
    PAIL_TRY(const Connection connection, connect(options_, {}, {.credentials = key}, Patience::probing));
    return probe_token(*connection.authorizer, key, std::move(stop));
  }

  void expect_refusal(const Result<Unit>& outcome, int errnum, const std::string& text) {
    ASSERT_EQ(errnum_of(outcome), errnum) << (outcome ? "it worked" : outcome.error().context);
    EXPECT_THAT(outcome.error().context, HasSubstr(text));
  }

  std::filesystem::path directory_;
  std::unique_ptr<emulator::Emulator> server_;
  MountOptions options_;
};

TEST_F(Probe, PassesABucketThatCanBeListed) {
  EXPECT_TRUE(probe());
}
TEST_F(Probe, PassesAPrefixThatHoldsNothing) {
  EXPECT_TRUE(probe("demo", "nothing/here/"));
}
TEST_F(Probe, SaysThatTheBucketIsMissingAndWhichIsNear) {
  expect_refusal(probe("demp"), ENODEV, "no such bucket: demp");
  EXPECT_THAT(probe("demp").error().context, HasSubstr("did you mean \"demo\"?"));
}
TEST_F(Probe, SaysThatTheBucketIsInAnotherRegion) {
  refuse_listing(404, "NoSuchBucket");
  expect_refusal(probe(), ENODEV, "mount it with -o region=eu-de");
}
TEST_F(Probe, SaysThatTheAccessKeyIsUnknown) {
  use_keys("nobody", server_->credentials().secret_access_key.reveal());
  expect_refusal(probe(), EACCES, "does not know this access key id");
}
TEST_F(Probe, SaysThatTheSecretIsWrong) {
  use_keys(server_->credentials().access_key_id, "guess");
  expect_refusal(probe(), EACCES, "the secret access key does not belong to this access key id");
  EXPECT_THAT(probe().error().context, ::testing::Not(HasSubstr("guess")));
}
TEST_F(Probe, SaysThatTheApiKeyIsWrong) {
  options_.credentials = directory_ / "iam.json";
  ASSERT_TRUE(
      write_file_atomically(options_.credentials, R"({"apikey": "guess", "resource_instance_id": "crn:v1:x"})", 0600));
  options_.iam_endpoint = server_->iam_url();
  expect_refusal(probe(), EACCES, "wrong key");
  EXPECT_THAT(probe().error().context, ::testing::Not(HasSubstr("guess")));
}
TEST_F(Probe, ExchangesAnApiKeyForAToken) {
  EXPECT_TRUE(exchange_key(server_->iam_url(), server_->credentials().api_key, {}));
}
TEST_F(Probe, NamesTheIamEndpointThatGivesNoToken) {
  StopSource late;
  late.request_stop();
  const auto outcome = exchange_key("http://127.0.0.1:1/identity/token", Secret("guess"), late.token());
  expect_refusal(outcome, ECANCELED, "the IAM endpoint http://127.0.0.1:1/identity/token gave no token");
  EXPECT_THAT(outcome.error().context, HasSubstr("-o iam_endpoint=URL"));
}
TEST_F(Probe, SaysThatTheKeyOfATokenIsWrong) {
  expect_refusal(exchange_key(server_->iam_url(), Secret("guess"), {}), EACCES, "wrong key");
}
TEST_F(Probe, SaysThatTheClockIsWrong) {
  refuse_listing(403, "RequestTimeTooSkewed");
  expect_refusal(probe(), EACCES, "the clock of this machine is wrong");
}
TEST_F(Probe, SaysThatTheTokenHasExpired) {
  refuse_listing(400, "ExpiredToken");
  expect_refusal(probe(), EACCES, "its token has expired");
}
TEST_F(Probe, SaysThatTheBucketIsSomebodyElses) {
  emulator::FaultRule rule;
  rule.status = 403;
  rule.code = "AccessDenied";
  server_->add_fault(rule);
  expect_refusal(probe(), EACCES, "access denied: these credentials give no right to list bucket demo");
}
TEST_F(Probe, SaysThatThereIsNoRightToList) {
  refuse_listing(403, "AccessDenied");
  expect_refusal(probe(), EACCES, "no right to list");
}
TEST_F(Probe, SaysThatNothingListens) {
  server_.reset();
  expect_refusal(probe(), ECONNREFUSED, "nothing listens at");
}
TEST_F(Probe, SaysThatTheHostIsUnknown) {
  options_.url = "http://no-such-host.invalid";
  expect_refusal(probe(), EHOSTUNREACH, "unreachable");
}
TEST_F(Probe, SaysThatTheCertificateIsNotTrusted) {
  start(emulator::Tls::generated);
  expect_refusal(probe(), EPROTO, "ca_bundle=FILE");
}
TEST_F(Probe, NeverTellsToLeaveTlsWhereOnlyTheCertificateIsNotTrusted) {
  start(emulator::Tls::generated);
  for (const int status : {200, 301, 400, 403}) {
    test::TinyServer server(front(status));
    options_.url = fmt::format("https://127.0.0.1:{}", server.port());
    const auto outcome = probe();
    ASSERT_EQ(errnum_of(outcome), EPROTO);
    EXPECT_THAT(outcome.error().context, AllOf(HasSubstr("ca_bundle=FILE"), Not(HasSubstr("http://")))) << status;
  }
}
TEST_F(Probe, NeverTellsToLeaveTlsWherePlainHttpIsRefusedOrRedirected) {
  for (const int status : {301, 308, 400}) {
    test::TinyServer server([status](test::TinyConnection& client, int) {
      if (begins_with_tls(client.fd())) return client.send("HTTP/1.1 400 not such TLS\r\n\r\n");
      client.read_head();
      client.reply(status, "");
    });
    options_.url = fmt::format("https://127.0.0.1:{}", server.port());
    const auto outcome = probe();
    ASSERT_FALSE(outcome);
    EXPECT_THAT(outcome.error().context, Not(HasSubstr("http://"))) << status;
  }
}
TEST_F(Probe, AsksForTheOtherProtocolOfTheSamePortOnly) {
  EXPECT_EQ(other_protocol_of("https://store:9000"), "http://store:9000");
  EXPECT_EQ(other_protocol_of("http://store:443"), "https://store:443");
  EXPECT_EQ(other_protocol_of("http://[::1]:9000"), "https://[::1]:9000");
  for (const char* url : {"https://store", "http://store", "https://[::1]"})
    EXPECT_EQ(other_protocol_of(url), std::nullopt) << url;
}
TEST_F(Probe, SaysThatThePortSpeaksPlainHttp) {
  const std::string plain = options_.url;
  options_.url.replace(0, 4, "https");
  expect_refusal(probe(), EPROTO, "this port speaks plain HTTP, not TLS; use -o url=" + plain);
}
TEST_F(Probe, SaysThatThePortSpeaksTls) {
  start(emulator::Tls::generated);
  options_.url.replace(0, 5, "http");
  const auto outcome = probe();
  ASSERT_FALSE(outcome);
  EXPECT_THAT(outcome.error().context, HasSubstr("this port speaks TLS, not plain HTTP; use -o url=" + server_->url()));
}
TEST_F(Probe, PassesACertificateOfTheGivenAuthority) {
  start(emulator::Tls::generated);
  options_.ca_bundle = server_->certificate_file();
  EXPECT_TRUE(probe());
}
TEST_F(Probe, EndsWhenTheStoreNeverAnswers) {
  emulator::FaultRule rule;
  rule.kind = emulator::FaultKind::stall;
  server_->add_fault(rule);
  expect_refusal(probe(), ETIMEDOUT, "unreachable");
}

}  // namespace
}  // namespace pail::cli
