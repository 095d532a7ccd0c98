#include "cos/wire.h"

#include <gtest/gtest.h>

namespace pail::cos {
namespace {

Addresses at(std::string_view url, Addressing addressing) {
  return {*http::parse_url(url), addressing};
}

TEST(Addresses, PutTheBucketIntoThePathOrTheHost) {
  const auto path = at("https://s3.example", Addressing::path);
  const auto host = at("https://s3.example", Addressing::virtual_host);
  EXPECT_EQ(path.object("bucket", "key", {}), "https://s3.example/bucket/key");
  EXPECT_EQ(host.object("bucket", "key", {}), "https://bucket.s3.example/key");
  EXPECT_EQ(path.bucket("bucket", {{"uploads", ""}}), "https://s3.example/bucket?uploads");
  EXPECT_EQ(host.bucket("bucket", {{"uploads", ""}}), "https://bucket.s3.example/?uploads");
  EXPECT_EQ(path.service({}), "https://s3.example/");
}

TEST(Addresses, KeepThePort) {
  EXPECT_EQ(at("http://127.0.0.1:9000", Addressing::path).bucket("b", {}), "http://127.0.0.1:9000/b");
}

TEST(Addresses, ReachDottedBucketsByPathOverTls) {
  EXPECT_EQ(at("https://s3.example", Addressing::virtual_host).object("a.b", "k", {}), "https://s3.example/a.b/k");
  EXPECT_EQ(at("http://s3.example", Addressing::virtual_host).object("a.b", "k", {}), "http://a.b.s3.example/k");
}

TEST(Addresses, EncodeEachByteOfAKeyButSlashes) {
  const auto path = at("http://h", Addressing::path);
  EXPECT_EQ(path.object("b", "a b+c%d?e#f", {}), "http://h/b/a%20b%2Bc%25d%3Fe%23f");
  EXPECT_EQ(path.object("b", "\xC3\xA4\n\x01", {}), "http://h/b/%C3%A4%0A%01");
  EXPECT_EQ(path.object("b", "/x//../y/.", {}), "http://h/b//x//../y/.");
  EXPECT_EQ(path.object("b", "~-_.!*'()", {}), "http://h/b/~-_.%21%2A%27%28%29");
}

TEST(Addresses, EncodeQueryValues) {
  EXPECT_EQ(at("http://h", Addressing::path).bucket("b", {{"prefix", "a/b c&d=e+"}, {"max-keys", "7"}}),
            "http://h/b?prefix=a%2Fb%20c%26d%3De%2B&max-keys=7");
}

TEST(CheckBucket, RefusesNamesThatWouldChangeTheAddress) {
  EXPECT_TRUE(check_bucket("my-bucket.v1"));
  for (const std::string_view name : {"", "a/b", "a?b", "..", ".", "a b", "a@evil", "a:80", "a\nb"})
    EXPECT_EQ(errnum_of(check_bucket(name)), EINVAL) << name;
}

TEST(CheckKey, AllowsUpTo1024Bytes) {
  EXPECT_TRUE(check_key(std::string(1024, 'k')));
  EXPECT_EQ(errnum_of(check_key(std::string(1025, 'k'))), ENAMETOOLONG);
  EXPECT_EQ(errnum_of(check_key("")), EINVAL);
}

TEST(ContentRange, IsReadOrRefused) {
  const auto range = parse_content_range("bytes 10-19/100");
  ASSERT_TRUE(range);
  EXPECT_EQ(range->extent, (Extent{ByteOffset{10}, ByteOffset{20}}));
  EXPECT_EQ(range->total, ByteCount{100});
  EXPECT_TRUE(parse_content_range("bytes */100")->extent.empty());
  EXPECT_FALSE(parse_content_range("bytes 0-9/*")->knows_total());
  for (const std::string_view text : {"", "bytes", "bytes 5-4/10", "bytes 0-10/10", "bytes 0-9", "items 0-9/10",
                                      "bytes -1-9/10", "bytes 0-9/x", "bytes 18446744073709551615-0/1"})
    EXPECT_FALSE(parse_content_range(text)) << text;
}

TEST(ObjectInfo, TakesMetadataFromHeaders) {
  const ObjectInfo info = object_info({{"ETag", "\"abc\""},
                                       {"Last-Modified", "Thu, 25 Aug 2016 17:38:38 GMT"},
                                       {"Content-Type", "text/plain"},
                                       {"X-Amz-Meta-Mode", "33188"},
                                       {"x-amz-storage-class", "\"GLACIER\""},
                                       {"x-amz-restore", "ongoing-request=\"true\""}});
  EXPECT_EQ(info.etag.text, "\"abc\"");
  EXPECT_EQ(info.storage_class, "GLACIER");
  EXPECT_EQ(info.restore, "ongoing-request=\"true\"");
  ASSERT_EQ(info.headers.metadata.size(), 1u);
  EXPECT_EQ(info.headers.metadata[0].name, "mode");
  EXPECT_EQ(info.headers.metadata[0].value, "33188");
  ASSERT_EQ(info.headers.standard.size(), 1u);
  EXPECT_EQ(info.headers.standard[0].value, "text/plain");
}

TEST(ObjectHeaders, ThatWouldSplitARequestAreRefused) {
  http::Headers out;
  EXPECT_EQ(errnum_of(add_object_headers({.standard = {}, .metadata = {{"a", "x\r\nHost: evil"}}}, out)), EINVAL);
  EXPECT_EQ(errnum_of(add_object_headers({.standard = {}, .metadata = {{"a b", "x"}}}, out)), EINVAL);
  EXPECT_EQ(errnum_of(add_object_headers({.standard = {{"Content-Type", "a\nb"}}, .metadata = {}}, out)), EINVAL);
  EXPECT_EQ(errnum_of(add_object_headers({.standard = {}, .metadata = {{"A", "1"}, {"a", "2"}}}, out)), EINVAL);
}

TEST(CopySource, IsEncodedLikeAPath) {
  EXPECT_EQ(copy_source("b", "a b/c+"), "/b/a%20b/c%2B");
}

TEST(ETags, OnlyThirtyTwoDigitsMayBeAnMd5) {
  EXPECT_EQ(md5_of_etag({"\"79B281060D337B9B2B84CCF390ADCF74\""}), "79b281060d337b9b2b84ccf390adcf74");
  EXPECT_EQ(md5_of_etag({"\"e5a8c5272b26fc10581a21089559b006-2\""}), std::nullopt);
  EXPECT_EQ(md5_of_etag({"\"zzb281060d337b9b2b84ccf390adcf74\""}), std::nullopt);
  EXPECT_EQ(md5_of_etag({""}), std::nullopt);
}

TEST(ETags, OfAnUploadAreTheMd5OfItsPartsMd5s) {
  const auto etag =
      multipart_etag({{1, {"\"79b281060d337b9b2b84ccf390adcf74\""}}, {2, {"\"92eb5ffee6ae2fec3ad71c777531578f\""}}});
  ASSERT_TRUE(etag);
  EXPECT_EQ(etag->text, "\"e5a8c5272b26fc10581a21089559b006-2\"");
  EXPECT_FALSE(multipart_etag({{1, {"\"opaque\""}}}));
}

TEST(ETags, CompareWithAndWithoutQuotes) {
  EXPECT_TRUE(same_version({"\"a\""}, {"a"}));
  EXPECT_FALSE(same_version({"\"a\""}, {"\"b\""}));
}

}  // namespace
}  // namespace pail::cos
