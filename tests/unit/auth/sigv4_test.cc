#include "auth/sigv4.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "pailfs/http/retry.h"

namespace pail::auth {
namespace {

using std::chrono::seconds;

HmacKeys example_keys() {
  return {"AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"), Secret()};
}
const WallTime kMay2013 = *http::parse_http_date("Fri, 24 May 2013 00:00:00 GMT");
const WallTime kJanuary2026 = *http::parse_http_date("Thu, 01 Jan 2026 00:00:00 GMT");

std::string authorization(Signer& signer, http::Request& request, const PayloadHash& payload, WallTime now) {
  const auto done = signer.sign(request, payload, now);
  return done ? std::string(request.headers.find("Authorization").value_or("")) : done.error().context;
}

http::Request get(std::string url, http::Headers headers = {}) {
  http::Request request;
  request.url = std::move(url);
  request.headers = std::move(headers);
  return request;
}

TEST(Signer, SignsTheDocumentedGet) {
  Signer signer(example_keys(), "us-east-1");
  auto request = get("https://examplebucket.s3.amazonaws.com/test.txt", {{"Range", "bytes=0-9"}});
  EXPECT_EQ(authorization(signer, request, PayloadHash::empty(), kMay2013),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(Signer, SignsAnExtendedBucketListOfIbm) {
  Signer signer(example_keys(), "us-south");
  auto request = get("https://s3.us-south.cloud-object-storage.appdomain.cloud/?extended");
  EXPECT_NE(authorization(signer, request, PayloadHash::empty(), kJanuary2026)
                .find("d30c3e360c9e503fef11fd12b3ff5a396044eb7020117e06978f05a5e8c78887"),
            std::string::npos);
}

TEST(Signer, PresignsTheDocumentedGet) {
  const auto url = presign(example_keys(), "us-east-1", "GET", "https://examplebucket.s3.amazonaws.com/test.txt",
                           seconds(86400), kMay2013);
  ASSERT_TRUE(url);
  EXPECT_NE(url->find("X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"),
            std::string::npos)
      << *url;
  EXPECT_NE(url->find("X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request"),
            std::string::npos);
}

TEST(Signer, KeepsTheParametersOfAPresignedUrl) {
  const auto url = presign(example_keys(), "us-east-1", "GET", "http://h/b/k?response-content-type=text%2Fplain",
                           seconds(60), kMay2013);
  ASSERT_TRUE(url);
  EXPECT_NE(url->find("response-content-type=text%2Fplain"), std::string::npos);
}

TEST(Signer, RefusesAPresignedUrlWithoutLifetime) {
  EXPECT_EQ(errnum_of(presign(example_keys(), "r", "GET", "http://h/", seconds(0), kMay2013)), EINVAL);
}

TEST(Signer, GivesTheSameSignatureAgainAfterAnotherDay) {
  Signer signer(example_keys(), "us-east-1");
  auto request = get("https://examplebucket.s3.amazonaws.com/test.txt", {{"Range", "bytes=0-9"}});
  const std::string first = authorization(signer, request, PayloadHash::empty(), kMay2013);
  EXPECT_NE(authorization(signer, request, PayloadHash::empty(), kJanuary2026), first);
  EXPECT_EQ(authorization(signer, request, PayloadHash::empty(), kMay2013), first);
}

TEST(Signer, SendsASessionToken) {
  HmacKeys keys = example_keys();
  keys.session_token = Secret("session");
  Signer signer(keys, "us-east-1");
  auto request = get("https://h/");
  EXPECT_NE(authorization(signer, request, PayloadHash::unsigned_payload(), kMay2013).find("x-amz-security-token"),
            std::string::npos);
  EXPECT_EQ(request.headers.find("x-amz-security-token"), "session");
  EXPECT_EQ(request.headers.find("x-amz-content-sha256"), "UNSIGNED-PAYLOAD");
}

TEST(CanonicalPath, EncodesEachByteOnceAndCollapsesNothing) {
  EXPECT_EQ(*canonical_path("/b/a%20b%2Bc+d/~x"), "/b/a%20b%2Bc%2Bd/~x");
  EXPECT_EQ(*canonical_path("/b//../%2e%2E/."), "/b//../../.");
  EXPECT_EQ(*canonical_path("/b/%c3%a9%0A%25"), "/b/%C3%A9%0A%25");
  EXPECT_EQ(*canonical_path(""), "/");
  EXPECT_EQ(errnum_of(canonical_path("/%zz")), EINVAL);
}

TEST(CanonicalQuery, SortsByEncodedNameAndGivesEachAnEqualsSign) {
  EXPECT_EQ(*canonical_query("uploads"), "uploads=");
  EXPECT_EQ(*canonical_query("b=2&a=%2F&a=%20&A=x&a-=1"), "A=x&a=%20&a=%2F&a-=1&b=2");
  EXPECT_EQ(*canonical_query("prefix=a/b&&x=1=2"), "prefix=a%2Fb&x=1%3D2");
  EXPECT_EQ(*canonical_query(""), "");
}

TEST(CanonicalHeaders, AreSortedSqueezedAndJoined) {
  const auto fields = canonical_headers(
      {{"X-Amz-Meta-B", "  two   words "}, {"User-Agent", "x"}, {"x-amz-meta-a", "1"}, {"X-AMZ-META-A", "2"}}, "h:80");
  EXPECT_EQ(fields.block, "host:h:80\nx-amz-meta-a:1,2\nx-amz-meta-b:two words\n");
  EXPECT_EQ(fields.signed_names, "host;x-amz-meta-a;x-amz-meta-b");
}

TEST(Timestamp, IsUtcToTheSecond) {
  EXPECT_EQ(timestamp(*http::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")), "19941106T084937Z");
}

TEST(PayloadHash, OfNothingIsTheKnownDigest) {
  EXPECT_EQ(PayloadHash::of("").text(), PayloadHash::empty().text());
}

}  // namespace
}  // namespace pail::auth
