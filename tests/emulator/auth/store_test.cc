// What we sign and fetch, judged by a server that shares no code with us.
#include <gtest/gtest.h>

#include <filesystem>

#include "emulator/emulator.h"
#include "pailfs/auth/authorizer.h"

namespace pail::auth {
namespace {

namespace fs = std::filesystem;

class Store : public testing::Test {
 protected:
  Store() {
    std::string pattern = testing::TempDir() + "pailfs-store-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    emulator::Options options;
    options.directory = folder_;
    options.buckets = {"demo"};
    auto started = emulator::Emulator::start(options);
    EXPECT_TRUE(started) << (started ? "" : started.error().context);
    server_ = *std::move(started);
    http::ClientOptions client;
    client.proxy = http::ProxyUse::none;
    client_ = *http::Client::create(client);
  }
  ~Store() override {
    client_.reset();
    server_.reset();
    fs::remove_all(folder_);
  }

  HmacKeys hmac() const {
    return {server_->credentials().access_key_id, server_->credentials().secret_access_key, Secret()};
  }
  std::unique_ptr<Authorizer> with(Credentials credentials) {
    return make_authorizer(std::move(credentials), "us-south", *client_);
  }

  int status(Authorizer& authorizer, http::Request request, const PayloadHash& payload) {
    if (!authorizer.authorize(request, payload)) return -1;
    const auto reply = client_->send(std::move(request));
    return reply ? reply->status : -errnum_of(reply);
  }
  http::Request request(std::string method, std::string_view path, std::string body = {}) {
    http::Request made;
    made.method = std::move(method);
    made.url = server_->url() + std::string(path);
    if (!body.empty()) made.body = http::body_from_string(std::move(body));
    return made;
  }

  fs::path folder_;
  std::unique_ptr<emulator::Emulator> server_;
  std::unique_ptr<http::Client> client_;
};

TEST_F(Store, AcceptsSignaturesOfOddKeysAndQueries) {
  const auto authorizer = with(hmac());
  for (const char* path : {"/demo/plain", "/demo/a%20b%2Bc~d", "/demo/%C3%A9/%25/..%2F/x", "/demo//double//slash",
                           "/demo/dot/./../dot", "/demo/%21%27%28%29%2A%3B%3D%40%2C%3F%23", "/demo/line%0Abreak"}) {
    EXPECT_EQ(status(*authorizer, request("PUT", path, "content"), PayloadHash::of("content")), 200) << path;
    EXPECT_EQ(status(*authorizer, request("GET", path), PayloadHash::empty()), 200) << path;
  }
  EXPECT_EQ(status(*authorizer, request("GET", "/?extended"), PayloadHash::empty()), 200);
  EXPECT_EQ(status(*authorizer, request("GET", "/demo?prefix=a%20b%2Bc&delimiter=%2F&max-keys=5&encoding-type=url"),
                   PayloadHash::empty()),
            200);
  EXPECT_EQ(status(*authorizer, request("GET", "/demo?uploads"), PayloadHash::empty()), 200);
}

TEST_F(Store, AcceptsSignedHeaders) {
  auto put = request("PUT", "/demo/k", "x");
  put.headers = {{"x-amz-meta-note", "  two   words "}, {"Content-Type", "text/plain"}, {"x-amz-meta-empty", ""}};
  EXPECT_EQ(status(*with(hmac()), put, PayloadHash::unsigned_payload()), 200);
}

TEST_F(Store, AcceptsPresignedUrls) {
  const auto authorizer = with(hmac());
  EXPECT_EQ(status(*authorizer, request("PUT", "/demo/a%20b", "content"), PayloadHash::unsigned_payload()), 200);
  auto url = presign(hmac(), "us-south", "GET", server_->url() + "/demo/a%20b?response-content-type=text%2Fx",
                     std::chrono::seconds(60), system_clock().wall());
  ASSERT_TRUE(url);
  http::Request get;
  get.url = *url;
  const auto reply = client_->send(get);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 200) << reply->body;
  EXPECT_EQ(reply->body, "content");
  EXPECT_EQ(reply->headers.find("content-type"), "text/x");
}

TEST_F(Store, RefusesAWrongSecretAndNoSignature) {
  HmacKeys wrong = hmac();
  wrong.secret_access_key = Secret("wrong");
  EXPECT_EQ(status(*with(wrong), request("GET", "/demo"), PayloadHash::empty()), 403);
  EXPECT_EQ(status(*with(Anonymous{}), request("GET", "/demo"), PayloadHash::empty()), 403);
}

TEST_F(Store, AcceptsTokensOfItsIdentityService) {
  const auto authorizer =
      with(IamApiKey{server_->credentials().api_key, server_->credentials().resource_instance_id, server_->iam_url()});
  EXPECT_EQ(status(*authorizer, request("GET", "/demo"), PayloadHash::unsigned_payload()), 200);
}

TEST_F(Store, AcceptsWhatItsOwnCredentialFileHolds) {
  Sources sources;
  sources.credentials_file = server_->credentials().file;
  auto resolved = resolve_credentials(sources);
  ASSERT_TRUE(resolved) << resolved.error().context;
  EXPECT_EQ(status(*with(resolved->credentials), request("GET", "/demo"), PayloadHash::empty()), 200);
}

}  // namespace
}  // namespace pail::auth
