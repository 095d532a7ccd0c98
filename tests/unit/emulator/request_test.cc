#include "emulator/request.h"

#include <gtest/gtest.h>

#include <random>

#include "base/encoding.h"
#include "emulator/checksums.h"
#include "emulator/conditions.h"
#include "emulator/fault_rule.h"
#include "emulator/iam.h"
#include "emulator/operations.h"
#include "emulator/xml.h"

namespace pail::emulator {
namespace {

Request target(std::string_view text, std::string_view host = "127.0.0.1:9000") {
  Request request;
  EXPECT_TRUE(set_target(request, text, host, {"localhost"}));
  return request;
}

TEST(Target, PathStyleNamesBucketAndKey) {
  const Request request = target("/bucket/a/b%20c+d?x=1%2B2&y=a+b&uploads");
  EXPECT_EQ(request.bucket, "bucket");
  EXPECT_EQ(request.key, "a/b c+d");
  EXPECT_EQ(request.parameter("x"), "1+2");
  EXPECT_EQ(request.parameter("y"), "a b");
  EXPECT_EQ(request.parameter("uploads"), "");
}

TEST(Target, VirtualHostStyleTakesTheBucketFromTheHost) {
  const Request request = target("/a/b", "my.bucket.localhost:9000");
  EXPECT_EQ(request.bucket, "my.bucket");
  EXPECT_EQ(request.key, "a/b");
  EXPECT_EQ(target("/bucket/key", "localhost:9000").bucket, "bucket");
}

TEST(Target, KeysMayHoldEmptySegments) {
  EXPECT_EQ(target("/bucket//a//").key, "/a//");
  EXPECT_EQ(target("/bucket/").key, "");
  EXPECT_EQ(target("/").bucket, "");
}

TEST(Target, BrokenEscapesAreRefused) {
  Request request;
  EXPECT_FALSE(set_target(request, "/bucket/%zz", "", {}));
  EXPECT_FALSE(set_target(request, "no-slash", "", {}));
}

TEST(BucketName, FollowsTheRules) {
  for (const char* name : {"abc", "a-b.c", "123", "a1234567890123456789012345678901234567890123456789012345678901z"})
    EXPECT_TRUE(valid_bucket_name(name)) << name;
  for (const char* name : {"ab", "Abc", "-abc", "abc-", "a..b", "a--b", "192.168.1.1", "cosv1-x", "account-x", "a_b",
                           "a12345678901234567890123456789012345678901234567890123456789012z"})
    EXPECT_FALSE(valid_bucket_name(name)) << name;
}

TEST(Range, FollowsHttp) {
  const auto range = [](const char* text, std::uint64_t size) -> std::string {
    const auto parsed = parse_range(std::string(text), size);
    if (!parsed) return std::string(parsed.error().code);
    return *parsed ? std::to_string((*parsed)->first) + "-" + std::to_string((*parsed)->last) : "ignored";
  };
  EXPECT_EQ(range("bytes=0-9", 100), "0-9");
  EXPECT_EQ(range("bytes=90-200", 100), "90-99");
  EXPECT_EQ(range("bytes=90-", 100), "90-99");
  EXPECT_EQ(range("bytes=-200", 100), "0-99");
  EXPECT_EQ(range("bytes=100-", 100), "InvalidRange");
  EXPECT_EQ(range("bytes=-0", 100), "InvalidRange");
  EXPECT_EQ(range("bytes=0-", 0), "InvalidRange");
  EXPECT_EQ(range("bytes=9-0", 100), "ignored");
  EXPECT_EQ(range("bytes=0-1,5-6", 100), "ignored");
  EXPECT_EQ(range("lines=0-1", 100), "ignored");
}

TEST(ConditionTable, AnswersAsTheServiceSays) {
  ObjectHead object;
  object.etag = "abc";
  object.modified = 1'000'500'000'000;  // half a second after second 1,000
  constexpr auto k304 = UnmodifiedSinceFailure::not_modified_304;
  constexpr auto k412 = UnmodifiedSinceFailure::precondition_failed_412;
  EXPECT_EQ(check_read({.if_match = "\"abc\""}, object, k304), Verdict::proceed);
  EXPECT_EQ(check_read({.if_match = "\"x\", \"abc\""}, object, k304), Verdict::proceed);
  EXPECT_EQ(check_read({.if_match = "\"x\""}, object, k304), Verdict::failed);
  EXPECT_EQ(check_read({.if_none_match = "\"abc\""}, object, k304), Verdict::not_modified);
  EXPECT_EQ(check_read({.if_modified_since = 1000}, object, k304), Verdict::not_modified);
  EXPECT_EQ(check_read({.if_modified_since = 999}, object, k304), Verdict::proceed);
  EXPECT_EQ(check_read({.if_unmodified_since = 999}, object, k304), Verdict::not_modified);
  EXPECT_EQ(check_read({.if_unmodified_since = 999}, object, k412), Verdict::failed);
  EXPECT_EQ(check_write({.if_none_match = "*"}, object), Verdict::failed);
  EXPECT_EQ(check_write({.if_none_match = "*"}, std::nullopt), Verdict::proceed);
  EXPECT_EQ(check_write({.if_unmodified_since = 999}, object), Verdict::failed);
}

TEST(Fault, StrikesTheOperationsKeysAndTimesItNames) {
  FaultPlan plan;
  plan.add({.operations = {"GetObject"}, .key_prefix = "a/", .after = 1, .times = 2});
  EXPECT_FALSE(plan.strike("PutObject", "b", "a/x"));
  EXPECT_FALSE(plan.strike("GetObject", "b", "x"));
  EXPECT_FALSE(plan.strike("GetObject", "b", "a/x"));  // the one that passes
  EXPECT_TRUE(plan.strike("GetObject", "b", "a/x"));
  EXPECT_TRUE(plan.strike("GetObject", "b", "a/y"));
  EXPECT_FALSE(plan.strike("GetObject", "b", "a/x"));
}

TEST(Fault, StrikesWithTheSameDiceForTheSameSeed) {
  const auto strikes = [](std::uint32_t seed) {
    FaultPlan plan;
    plan.add({.probability = 0.3, .seed = seed});
    std::string out;
    for (int i = 0; i < 200; ++i) out += plan.strike("GetObject", "", "") ? 'x' : '.';
    return out;
  };
  EXPECT_EQ(strikes(5), strikes(5));
  EXPECT_NE(strikes(5), strikes(6));
  const std::string dice = strikes(5);
  EXPECT_NEAR(static_cast<double>(std::count(dice.begin(), dice.end(), 'x')), 60, 30);
}

TEST(CombinedCrc, IsThatOfTheWhole) {
  const std::string a(1000, 'a'), b = "123456789";
  const std::uint64_t whole = crc64nvme(0, bytes_of(a + b));
  EXPECT_EQ(combine_crc("crc64nvme", crc64nvme(0, bytes_of(a)), crc64nvme(0, bytes_of(b)), b.size()), whole);
  EXPECT_EQ(combine_crc("crc32", crc32(0, bytes_of(a)), crc32(0, bytes_of(b)), b.size()), crc32(0, bytes_of(a + b)));
  EXPECT_EQ(combine_crc("crc32c", crc32c(0, bytes_of(a)), crc32c(0, bytes_of(b)), b.size()),
            crc32c(0, bytes_of(a + b)));
}

TEST(Iam, TokensEndWithTheirLifetimeAndWhenRevoked) {
  Iam iam(Secret("key"), std::chrono::seconds(60));
  const WallTime now{std::chrono::seconds(1'000'000)};
  const Response answer =
      iam.token("grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=key", now, "id");
  ASSERT_EQ(answer.status, 200);
  const std::size_t at = answer.body.find("access_token\":\"") + 15;
  const std::string token = answer.body.substr(at, answer.body.find('"', at) - at);
  EXPECT_TRUE(iam.accepts(token, now + std::chrono::seconds(59)));
  EXPECT_FALSE(iam.accepts(token, now + std::chrono::seconds(61)));
  EXPECT_FALSE(iam.accepts(token + "x", now));
  EXPECT_FALSE(Iam(Secret("other"), std::chrono::seconds(60)).accepts(token, now));
  iam.revoke_all();
  EXPECT_FALSE(iam.accepts(token, now));
}

TEST(Iam, RefusesAnUnknownKeyWithTheWordsClientsLookFor) {
  const Iam iam(Secret("key"), std::chrono::seconds(60));
  const Response answer = iam.token("grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=no", WallTime{}, "id");
  EXPECT_EQ(answer.status, 400);
  EXPECT_NE(answer.body.find("Provided API key could not be found"), std::string::npos);
}

TEST(DeleteDocument, KeepsSpacesAndReferencesInKeys) {
  const auto parsed = parse_delete(
      "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
      "<Object><Key> a&amp;b&#13;</Key></Object></Delete>");
  ASSERT_TRUE(parsed);
  EXPECT_TRUE(parsed->quiet);
  ASSERT_EQ(parsed->items.size(), 1u);
  EXPECT_EQ(parsed->items[0].key, " a&b\r");
}

TEST(Documents, ThatAreMalformedAreRefused) {
  EXPECT_EQ(parse_delete("<Delete>").error().code, "MalformedXML");
  EXPECT_EQ(parse_delete("<Delete></Delete>").error().code, "MalformedXML");
  EXPECT_EQ(parse_complete("<CompleteMultipartUpload/>").error().code, "MalformedXML");
  EXPECT_EQ(parse_complete("<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>x</ETag></Part>"
                           "</CompleteMultipartUpload>")
                .error()
                .code,
            "MalformedXML");
}

TEST(Record, SurvivesTruncationAnywhere) {
  ObjectRecord record;
  record.etag = "abc";
  record.headers = {{"content-type", "x"}};
  record.metadata = {{"a", "b"}};
  record.pieces = {{1, 2, 3}};
  record.small = "data";
  const std::string bytes = encode(record);
  for (std::size_t i = 0; i < bytes.size(); ++i) decode_object(bytes.substr(0, i));
  EXPECT_EQ(decode_object(bytes).small, "data");
}

}  // namespace
}  // namespace pail::emulator
