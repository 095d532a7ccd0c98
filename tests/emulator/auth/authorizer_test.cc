#include "pailfs/auth/authorizer.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <thread>

#include "../../manual_clock.h"
#include "base/file.h"
#include "pailfs/http/retry.h"

namespace pail::auth {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

class AuthorizerTest : public testing::Test {
 protected:
  AuthorizerTest() : client_(*http::Client::create({})) {
    std::string pattern = testing::TempDir() + "pailfs-authorizer-XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~AuthorizerTest() override { fs::remove_all(folder_); }

  static std::string header_of(Authorizer& authorizer, const char* name) {
    http::Request request;
    request.url = "https://s3.example/b/k";
    if (!authorizer.authorize(request, PayloadHash::unsigned_payload())) return "error";
    return std::string(request.headers.find(name).value_or("absent"));
  }

  std::unique_ptr<Authorizer> from_file(std::string_view keys) {
    Sources sources;
    sources.passwd_file = folder_ / "passwd";
    EXPECT_TRUE(write_file_atomically(sources.passwd_file, keys));
    auto resolved = resolve_credentials(sources);
    EXPECT_TRUE(resolved);
    return make_reloading_authorizer(sources, *std::move(resolved), "r", *client_, clock_);
  }

  ManualClock clock_{WallTime(seconds(1'767'225'600))};  // 2026-01-01
  std::unique_ptr<http::Client> client_;
  fs::path folder_;
};

HmacKeys keys() {
  return {"AK", Secret("SK"), Secret()};
}

TEST_F(AuthorizerTest, AnonymousSendsNoAuthorization) {
  const auto authorizer = make_authorizer(Anonymous{}, "r", *client_, clock_);
  EXPECT_EQ(header_of(*authorizer, "authorization"), "absent");
  EXPECT_EQ(authorizer->describe(), "anonymous");
}

TEST_F(AuthorizerTest, CorrectsSignaturesForAWrongLocalClock) {
  const auto authorizer = make_authorizer(keys(), "r", *client_, clock_);
  EXPECT_EQ(header_of(*authorizer, "x-amz-date"), "20260101T000000Z");
  EXPECT_FALSE(authorizer->note_server_date(clock_.wall() + seconds(20)));
  EXPECT_TRUE(authorizer->note_server_date(clock_.wall() - seconds(3600)));
  EXPECT_EQ(header_of(*authorizer, "x-amz-date"), "20251231T230000Z");
  EXPECT_FALSE(authorizer->note_server_date(clock_.wall() - seconds(3590)));
  EXPECT_TRUE(authorizer->note_server_date(clock_.wall() + seconds(1)));
  EXPECT_EQ(header_of(*authorizer, "x-amz-date"), "20260101T000000Z");
}

TEST_F(AuthorizerTest, SignsFromManyThreads) {
  const auto authorizer = make_authorizer(keys(), "r", *client_, clock_);
  const std::string expected = header_of(*authorizer, "authorization");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) EXPECT_EQ(header_of(*authorizer, "authorization"), expected);
    });
  for (std::thread& thread : threads) thread.join();
}

TEST_F(AuthorizerTest, TakesChangedKeysFromTheFileWithinASecond) {
  const auto authorizer = from_file("OLD:secret");
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=OLD/"), std::string::npos);
  ASSERT_TRUE(write_file_atomically(folder_ / "passwd", "NEW:secret"));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=OLD/"), std::string::npos) << "looked too often";
  clock_.pass(seconds(1));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=NEW/"), std::string::npos);
}

TEST_F(AuthorizerTest, ARefusalIsWorthRepeatingWhenTheFileHasChanged) {
  const auto authorizer = from_file("OLD:secret");
  clock_.pass(seconds(1));
  EXPECT_FALSE(authorizer->refresh_after_refusal({}));
  ASSERT_TRUE(write_file_atomically(folder_ / "passwd", "NEW:secret"));
  clock_.pass(seconds(1));
  EXPECT_TRUE(authorizer->refresh_after_refusal({}));
}

TEST_F(AuthorizerTest, KeepsTheOldKeysWhileTheFileIsUnusable) {
  const auto authorizer = from_file("OLD:secret");
  ASSERT_TRUE(write_file_atomically(folder_ / "passwd", "half a li"));
  clock_.pass(seconds(1));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=OLD/"), std::string::npos);
  fs::remove(folder_ / "passwd");
  clock_.pass(seconds(1));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=OLD/"), std::string::npos);
  ASSERT_TRUE(write_file_atomically(folder_ / "passwd", "NEW:secret", 0644));
  clock_.pass(seconds(1));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=OLD/"), std::string::npos);
  ASSERT_EQ(chmod((folder_ / "passwd").c_str(), 0600), 0);
  clock_.pass(seconds(1));
  EXPECT_NE(header_of(*authorizer, "authorization").find("Credential=NEW/"), std::string::npos);
}

}  // namespace
}  // namespace pail::auth
