// Who is let in, and for what.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "base/encoding.h"
#include "emulator/verifier.h"
#include "signer.h"
#include "wire.h"

namespace pail::emulator {
namespace {

constexpr const char* kHmacOnly =
    R"({"cos_hmac_keys": {"access_key_id": "id", "secret_access_key": "secret"}, "resource_instance_id": "crn"})";
constexpr const char* kApiKeyOnly = R"({"apikey": "key", "resource_instance_id": "crn"})";

std::int64_t seconds_of(WallTime now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

std::string amz_date(WallTime now) {
  std::string out = iso_date(seconds_of(now) * 1'000'000'000).substr(0, 19) + "Z";
  std::erase_if(out, [](char c) { return c == '-' || c == ':'; });
  return out;
}

// A bearer token as the server makes them, which whoever knows the key can make.
std::string token_signed_with(const std::string& key, WallTime now) {
  const auto base64_url = [](std::string_view text) {
    std::string out = to_base64(bytes_of(text));
    std::replace(out.begin(), out.end(), '+', '-');
    std::replace(out.begin(), out.end(), '/', '_');
    std::erase(out, '=');
    return out;
  };
  const std::string expires = std::to_string(seconds_of(now) + 3600);
  const std::string text = base64_url(R"({"alg":"HS256","typ":"JWT"})") + "." +
                           base64_url(R"({"kind":"access","exp":)" + expires + R"(,"generation":0})");
  return text + "." + base64_url(hmac_sha256(key, text));
}

// A server with the credential that a test writes.
class CredentialFile : public ::testing::Test {
 protected:
  ~CredentialFile() override { std::filesystem::remove(path_); }
  Serving& serve(const std::string& credential) {
    char name[] = "/tmp/pailfs-credential-XXXXXX";
    close(mkstemp(name));  // mode 0600
    path_ = name;
    std::ofstream(path_) << credential;
    Options options;
    options.credentials = path_;
    server_ = std::make_unique<Serving>(options);
    return *server_;
  }
  int status_of(const std::string& request) {
    Wire wire(server_->emulator().port());
    wire.send(request);
    return wire.receive().status;
  }
  Signer signer(const std::string& key, const std::string& secret) {
    return {key, secret, amz_date(server_->emulator().now())};
  }

  std::filesystem::path path_;
  std::unique_ptr<Serving> server_;
};

TEST_F(CredentialFile, WithHmacKeysOnlyGivesNoTokens) {
  Serving& server = serve(kHmacOnly);
  const std::string form = "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=";
  EXPECT_EQ(server.ask("POST", "/identity/token", form).status, 400);
  EXPECT_EQ(server.fetch_token(), "");
  // A token that anybody can make, as the key it is signed with is empty.
  const std::string forged = token_signed_with("", server.emulator().now());
  EXPECT_EQ(server.ask("GET", "/bucket", "", {"Authorization: Bearer " + forged}).status, 403);
  EXPECT_EQ(status_of(signer("id", "secret").request("GET", "/bucket")), 200);
}

TEST_F(CredentialFile, WithAnApiKeyOnlyAcceptsNoSignature) {
  Serving& server = serve(kApiKeyOnly);
  EXPECT_EQ(status_of(signer("", "").request("GET", "/bucket")), 403);
  EXPECT_EQ(status_of("GET " + signer("", "").presigned("GET", "/bucket") + " HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"),
            403);
  EXPECT_EQ(server.ask("GET", "/bucket").status, 200);
}

TEST_F(CredentialFile, WithHalfOfAnHmacKeyAcceptsNoSignature) {
  serve(R"({"apikey": "key", "cos_hmac_keys": {"access_key_id": "id"}})");
  EXPECT_EQ(status_of(signer("id", "").request("GET", "/bucket")), 403);
}

class SignedAccess : public ::testing::Test {
 protected:
  SignedAccess() {
    const ServiceCredentials& keys = server_.emulator().credentials();
    signer_ = std::make_unique<Signer>(keys.access_key_id, std::string(keys.secret_access_key.reveal()),
                                       amz_date(server_.emulator().now()));
    server_.ask("PUT", "/bucket/secret", "secret");
  }
  WireAnswer send(const std::string& request) {
    Wire wire(server_.emulator().port());
    wire.send(request);
    return wire.receive();
  }
  WireAnswer presigned(const std::string& method, const std::string& target, const std::string& headers = {}) {
    return send(method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n" + headers + "Content-Length: 0\r\n\r\n");
  }

  Serving server_;
  std::unique_ptr<Signer> signer_;
};

TEST_F(SignedAccess, ByUrlTakesNoHeaderThatWasNotSigned) {
  const std::string url = signer_->presigned("PUT", "/bucket/key");
  const WireAnswer copied = presigned("PUT", url, "x-amz-copy-source: /bucket/secret\r\n");
  EXPECT_EQ(copied.status, 403);
  EXPECT_EQ(copied.code(), "AccessDenied");
  EXPECT_EQ(presigned("PUT", url, "x-amz-meta-owner: somebody\r\n").status, 403);
  EXPECT_EQ(server_.ask("GET", "/bucket/key").status, 404);
  EXPECT_EQ(presigned("PUT", url, "Content-Type: text/plain\r\n").status, 200);
}

TEST_F(SignedAccess, ByUrlTakesHeadersThatWereSigned) {
  const std::string url = signer_->presigned("PUT", "/bucket/key", {{"x-amz-copy-source", "/bucket/secret"}});
  EXPECT_EQ(presigned("PUT", url, "x-amz-copy-source: /bucket/secret\r\n").status, 200);
  EXPECT_EQ(server_.ask("GET", "/bucket/key").body, "secret");
}

TEST_F(SignedAccess, ByUrlTakesHeadersThatMovedIntoTheQuery) {
  const std::string url = signer_->presigned("PUT", "/bucket/key", {}, {{"x-amz-meta-color", "red"}});
  EXPECT_EQ(presigned("PUT", url).status, 200);
  EXPECT_EQ(server_.ask("HEAD", "/bucket/key").headers["x-amz-meta-color"], "red");
  const std::string tagged = signer_->presigned("PUT", "/bucket/other", {}, {{"x-amz-tagging", "a=b"}});
  EXPECT_EQ(presigned("PUT", tagged).status, 501);
  const std::string copy = signer_->presigned("PUT", "/bucket/other", {}, {{"x-amz-copy-source", "/bucket/secret"}});
  EXPECT_EQ(presigned("PUT", copy).status, 501);
  EXPECT_EQ(server_.ask("GET", "/bucket/other").status, 404);
}

TEST_F(SignedAccess, ByDateTakesEachSpellingOfGreenwich) {
  const std::int64_t seconds = seconds_of(server_.emulator().now());
  const std::string date = http_date(seconds);
  const std::string without_zone = date.substr(0, date.size() - 3);
  for (const char* zone : {"GMT", "-0000", "+0000", "UTC"})
    EXPECT_EQ(send(signer_->request("GET", "/bucket", {}, without_zone + zone)).status, 200) << zone;
  const std::string an_hour_ahead = http_date(seconds + 3600);
  EXPECT_EQ(send(signer_->request("GET", "/bucket", {}, an_hour_ahead.substr(0, date.size() - 3) + "+0100")).status,
            200);
  EXPECT_EQ(send(signer_->request("GET", "/bucket", {}, an_hour_ahead.substr(0, date.size() - 3) + "-0000")).status,
            403);
}

}  // namespace
}  // namespace pail::emulator
