// What the store answers where the client's own tests do not look.
#include "simulation/world/face.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "requests.h"

namespace pail::simulation {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

class Face : public testing::Test {
 protected:
  HttpAnswer ask(const HttpRequest& request) { return answer(bucket_, request, WallTime(1'000'000'000s), ++number_); }

  fake::Bucket bucket_{1};
  std::uint64_t number_ = 0;
};

TEST_F(Face, RefusalsAreDocumentsWithCodeAndRequestId) {
  const HttpAnswer missing = ask(get("a"));
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr("<Code>NoSuchKey</Code>"));
  EXPECT_THAT(missing.body, HasSubstr("<RequestId>0000000000000001</RequestId>"));
  EXPECT_EQ(field(missing.headers, "x-amz-request-id"), "0000000000000001");
  EXPECT_EQ(field(missing.headers, "Date"), "Sun, 09 Sep 2001 01:46:40 GMT");
}

TEST_F(Face, HeadHasNoBodyAndTheLengthOfTheObject) {
  EXPECT_EQ(ask(request("HEAD", "/bucket/a")).body, "");
  EXPECT_EQ(ask(request("HEAD", "/bucket/a")).status, 404);
  ask(put("a", "hello"));
  const HttpAnswer there = ask(request("HEAD", "/bucket/a"));
  EXPECT_EQ(there.status, 200);
  EXPECT_EQ(there.body, "");
  EXPECT_EQ(field(there.headers, "Content-Length"), "5");
  EXPECT_EQ(field(there.headers, "ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  EXPECT_EQ(field(there.headers, "Last-Modified"), "Sun, 09 Sep 2001 01:46:40 GMT");
}

TEST_F(Face, AStoreThatEncryptsSaysSoAndItsETagsAreNoDigests) {
  bucket_.rules.encrypts = true;
  const HttpAnswer stored = ask(put("a", "hello"));
  EXPECT_EQ(field(stored.headers, "x-amz-server-side-encryption"), "aws:kms");
  EXPECT_NE(field(stored.headers, "ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
}

TEST_F(Face, WithoutAnAuthorizationNothingIsCarriedOut) {
  HttpRequest unsigned_put = put("a", "hello");
  unsigned_put.headers.remove("Authorization");
  EXPECT_EQ(ask(unsigned_put).status, 403);
  EXPECT_FALSE(bucket_.look("a"));
}

TEST_F(Face, WhatItDoesNotKnowIsNotImplemented) {
  for (const auto* path : {"/bucket/a?acl", "/bucket?uploads", "/bucket?versions", "/", "/bucket/a?uploadId=1"})
    EXPECT_EQ(ask(request("GET", path)).status, 501) << path;
  EXPECT_EQ(ask(request("PATCH", "/bucket/a")).status, 501);
  EXPECT_EQ(ask(request("GET", "/bucket/%zz")).status, 501);
}

TEST_F(Face, ThereIsOneBucket) {
  EXPECT_EQ(ask(request("HEAD", "/bucket")).status, 200);
  EXPECT_EQ(ask(request("GET", "/bucket?location")).status, 200);
  EXPECT_EQ(ask(request("HEAD", "/other")).status, 404);
  EXPECT_THAT(ask(request("GET", "/other/a")).body, HasSubstr("NoSuchBucket"));
  bucket_.rules.bucket_exists = false;
  EXPECT_THAT(ask(get("a")).body, HasSubstr("NoSuchBucket"));
  EXPECT_EQ(ask(request("HEAD", "/bucket")).status, 404);
}

TEST_F(Face, TheBucketMayStandInTheHost) {
  ask(put("d/a", "hello"));
  HttpRequest moved = get("");
  moved.url = "http://bucket.store.sim/d/a";
  EXPECT_EQ(ask(moved).body, "hello");
}

TEST_F(Face, RangesAreOfTheThreeForms) {
  ask(put("a", "hello"));
  const auto part = [&](const std::string& range) { return ask(request("GET", "/bucket/a", "Range", range)); };
  EXPECT_EQ(part("bytes=1-2").body, "el");
  EXPECT_EQ(part("bytes=3-").body, "lo");
  EXPECT_EQ(part("bytes=-2").body, "lo");
  EXPECT_EQ(part("bytes=1-2").status, 206);
  EXPECT_EQ(field(part("bytes=1-9").headers, "Content-Range"), "bytes 1-4/5");
  EXPECT_EQ(part("bytes=5-").status, 416);
  EXPECT_EQ(part("lines=1-2").status, 200);
}

TEST_F(Face, AReadHasItsConditions) {
  ask(put("a", "hello"));
  const std::string etag = bucket_.look("a")->info.etag.text;
  EXPECT_EQ(ask(request("GET", "/bucket/a", "If-Match", etag)).status, 200);
  EXPECT_EQ(ask(request("GET", "/bucket/a", "If-Match", "\"00\"")).status, 412);
  EXPECT_EQ(ask(request("HEAD", "/bucket/a", "If-None-Match", etag)).status, 304);
}

TEST_F(Face, ADigestIsCheckedBeforeAnythingIsStored) {
  HttpRequest damaged = put("a", "hello");
  damaged.headers.add("Content-MD5", md5_field("hallo"));
  EXPECT_THAT(ask(damaged).body, HasSubstr("BadDigest"));
  damaged.headers.set("Content-MD5", "none");
  EXPECT_THAT(ask(damaged).body, HasSubstr("InvalidDigest"));
  EXPECT_FALSE(bucket_.look("a"));
}

TEST_F(Face, ManyAreDeletedWithADigestOnly) {
  for (const auto* key : {"a", "b", "c"}) ask(put(key, "x"));
  const std::string body = "<Delete><Object><Key>a</Key></Object><Object><Key>c</Key></Object></Delete>";
  HttpRequest many = request("POST", "/bucket?delete", body);
  EXPECT_EQ(ask(many).status, 400);
  many.headers.add("Content-MD5", md5_field(body));
  EXPECT_EQ(ask(many).status, 200);
  EXPECT_THAT(bucket_.keys(), testing::ElementsAre("b"));
}

TEST_F(Face, AnUploadThatIsOverIsToldWhenItIsAborted) {
  const HttpAnswer begun = ask(request("POST", "/bucket/a?uploads"));
  const auto begin = begun.body.find("<UploadId>") + 10;
  const std::string id = begun.body.substr(begin, begun.body.find('<', begin) - begin);
  EXPECT_EQ(ask(request("DELETE", "/bucket/a?uploadId=" + id)).status, 204);
  EXPECT_EQ(ask(request("DELETE", "/bucket/a?uploadId=" + id)).status, 404);
  EXPECT_EQ(bucket_.uploads(), 0u);
}

TEST_F(Face, NamesInAListingAreEncodedWhereThatIsAsked) {
  ask(put("a%20%2B%3C", "x"));
  EXPECT_THAT(ask(request("GET", "/bucket?list-type=2")).body, HasSubstr("<Key>a +&lt;</Key>"));
  EXPECT_THAT(ask(request("GET", "/bucket?list-type=2&encoding-type=url")).body, HasSubstr("<Key>a%20%2B%3C</Key>"));
  EXPECT_EQ(ask(request("GET", "/bucket?list-type=3")).status, 400);
}

TEST_F(Face, AListingOfVersionOneGoesOnBehindACommonPrefix) {
  for (const auto* key : {"a/1", "a/2", "b"}) ask(put(key, "x"));
  const HttpAnswer first = ask(request("GET", "/bucket?delimiter=%2F&max-keys=1"));
  EXPECT_THAT(first.body, HasSubstr("<NextMarker>a/</NextMarker>"));
  const HttpAnswer second = ask(request("GET", "/bucket?delimiter=%2F&max-keys=1&marker=a%2F"));
  EXPECT_THAT(second.body, HasSubstr("<Key>b</Key>"));
  EXPECT_THAT(second.body, Not(HasSubstr("CommonPrefixes")));
}

}  // namespace
}  // namespace pail::simulation
