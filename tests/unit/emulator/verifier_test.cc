#include "emulator/verifier.h"

#include <gtest/gtest.h>

#include "base/encoding.h"
#include "emulator/chunk_decoder.h"
#include "emulator/conditions.h"

namespace pail::emulator {
namespace {

constexpr std::string_view kEmptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view kSeed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";

WallTime at(const char* timestamp) {
  return WallTime(std::chrono::seconds(*parse_date(timestamp)));
}

// The example keys of the published test vectors.
Verifier example_verifier() {
  return Verifier("AKIAIOSFODNN7EXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"));
}

std::string authorization(std::string_view scope, std::string_view headers, std::string_view signature) {
  return "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/" + std::string(scope) +
         "/s3/aws4_request,SignedHeaders=" + std::string(headers) + ",Signature=" + std::string(signature);
}

Request get_with_range() {
  Request request;
  request.method = "GET";
  request.path = "/test.txt";
  request.headers = {
      {"host", "examplebucket.s3.amazonaws.com"},
      {"range", "bytes=0-9"},
      {"x-amz-content-sha256", std::string(kEmptyHash)},
      {"x-amz-date", "20130524T000000Z"},
      {"authorization", authorization("20130524/us-east-1", "host;range;x-amz-content-sha256;x-amz-date",
                                      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")}};
  return request;
}

Request presigned_get() {
  Request request;
  request.method = "GET";
  request.path = "/test.txt";
  request.headers = {{"host", "examplebucket.s3.amazonaws.com"}};
  request.query = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                   {"X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request"},
                   {"X-Amz-Date", "20130524T000000Z"},
                   {"X-Amz-Expires", "86400"},
                   {"X-Amz-SignedHeaders", "host"},
                   {"X-Amz-Signature", "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"}};
  return request;
}

Request chunked_put() {
  Request request;
  request.method = "PUT";
  request.path = "/examplebucket/chunkObject.txt";
  request.headers = {
      {"host", "s3.amazonaws.com"},
      {"content-encoding", "aws-chunked"},
      {"content-length", "66824"},
      {"x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"},
      {"x-amz-date", "20130524T000000Z"},
      {"x-amz-decoded-content-length", "66560"},
      {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
      {"authorization", authorization("20130524/us-east-1",
                                      "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;"
                                      "x-amz-decoded-content-length;x-amz-storage-class",
                                      kSeed)}};
  return request;
}

std::string_view code_of(const ApiResult<SignedPayload>& result) {
  return result ? "" : result.error().code;
}

TEST(Verifier, AcceptsThePublishedHeaderSignature) {
  EXPECT_EQ(code_of(example_verifier().verify(get_with_range(), at("20130524T000500Z"))), "");
}

TEST(Verifier, AcceptsTheIbmStyleSignature) {
  Request request;
  request.method = "GET";
  request.path = "/";
  request.query = {{"extended", ""}};
  request.headers = {
      {"host", "s3.us-south.cloud-object-storage.appdomain.cloud"},
      {"x-amz-content-sha256", std::string(kEmptyHash)},
      {"x-amz-date", "20260101T000000Z"},
      {"authorization", authorization("20260101/us-south", "host;x-amz-content-sha256;x-amz-date",
                                      "d30c3e360c9e503fef11fd12b3ff5a396044eb7020117e06978f05a5e8c78887")}};
  EXPECT_EQ(code_of(example_verifier().verify(request, at("20260101T000000Z"))), "");
}

TEST(Verifier, RefusesAChangedPath) {
  Request request = get_with_range();
  request.path = "/other.txt";
  EXPECT_EQ(code_of(example_verifier().verify(request, at("20130524T000000Z"))), "SignatureDoesNotMatch");
}

TEST(Verifier, RefusesAnUnknownAccessKey) {
  const Verifier other("SOMEBODYELSE", Secret("x"));
  EXPECT_EQ(code_of(other.verify(get_with_range(), at("20130524T000000Z"))), "InvalidAccessKeyId");
}

TEST(Verifier, RefusesAClockThatIsMoreThanFifteenMinutesOff) {
  EXPECT_EQ(code_of(example_verifier().verify(get_with_range(), at("20130524T001501Z"))), "RequestTimeTooSkewed");
  EXPECT_EQ(code_of(example_verifier().verify(get_with_range(), at("20130523T234459Z"))), "RequestTimeTooSkewed");
}

TEST(Verifier, RefusesAnAmzHeaderThatIsNotSigned) {
  Request request = get_with_range();
  request.headers.emplace_back("x-amz-meta-extra", "1");
  EXPECT_EQ(code_of(example_verifier().verify(request, at("20130524T000000Z"))), "AccessDenied");
}

TEST(Verifier, RefusesMalformedAuthorization) {
  for (const char* text : {"AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 x", "AWS key:signature",
                           "AWS4-HMAC-SHA256 Credential=a/b/c,SignedHeaders=host,Signature=0"}) {
    Request request = get_with_range();
    request.headers.back().second = text;
    EXPECT_EQ(code_of(example_verifier().verify(request, at("20130524T000000Z"))), "AccessDenied") << text;
  }
}

TEST(Verifier, AcceptsThePublishedPresignedUrl) {
  EXPECT_EQ(code_of(example_verifier().verify(presigned_get(), at("20130524T230000Z"))), "");
}

TEST(Verifier, RefusesAnExpiredPresignedUrl) {
  EXPECT_EQ(code_of(example_verifier().verify(presigned_get(), at("20130525T000001Z"))), "AccessDenied");
}

TEST(Verifier, AcceptsThePublishedStreamingSeed) {
  const auto payload = example_verifier().verify(chunked_put(), at("20130524T000000Z"));
  ASSERT_EQ(code_of(payload), "");
  EXPECT_EQ(payload->kind, PayloadKind::signed_chunks);
  EXPECT_EQ(payload->seed, kSeed);
}

class SignedChunks : public ::testing::Test {
 protected:
  static std::string chunk(std::string_view size, std::string_view signature, const std::string& data) {
    return std::string(size) + ";chunk-signature=" + std::string(signature) + "\r\n" + data + "\r\n";
  }
  static std::string published_body() {
    return chunk("10000", "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648", std::string(65536, 'a')) +
           chunk("400", "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497", std::string(1024, 'a')) +
           chunk("0", "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9", "");
  }
  // Feeds `body` in pieces of `piece` bytes; gives the error's code or nothing.
  std::string_view feed(const std::string& body, std::size_t piece) {
    ChunkDecoder decoder(*example_verifier().verify(chunked_put(), at("20130524T000000Z")));
    decoded_.clear();
    for (std::size_t i = 0; i < body.size(); i += piece) {
      const auto fed = decoder.feed(bytes_of(std::string_view(body).substr(i, piece)), [&](auto bytes) {
        decoded_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return ApiResult<Unit>(Unit{});
      });
      if (!fed) return fed.error().code;
    }
    return decoder.done() ? "" : "not done";
  }
  std::string decoded_;
};

TEST_F(SignedChunks, GiveTheDataWhenAllSignaturesMatch) {
  EXPECT_EQ(feed(published_body(), 1 << 20), "");
  EXPECT_EQ(decoded_, std::string(66560, 'a'));
}

TEST_F(SignedChunks, MayArriveInPiecesOfAnySize) {
  for (const std::size_t piece : {1, 7, 4096, 65537}) EXPECT_EQ(feed(published_body(), piece), "") << piece;
  EXPECT_EQ(decoded_.size(), 66560u);
}

TEST_F(SignedChunks, AreRefusedWhenOneByteDiffers) {
  std::string body = published_body();
  body[70000 - 4000] = 'b';
  EXPECT_EQ(feed(body, 1 << 20), "SignatureDoesNotMatch");
}

TEST_F(SignedChunks, AreNotDoneWithoutTheLastOne) {
  EXPECT_EQ(feed(published_body().substr(0, 66000), 1 << 20), "not done");
}

TEST_F(SignedChunks, RefuseBrokenFraming) {
  EXPECT_EQ(feed("xyz;chunk-signature=0\r\n", 100), "InvalidRequest");
  EXPECT_EQ(feed(std::string(5000, '1'), 100), "InvalidRequest");
}

TEST(HttpChunks, EndWhereTheLastChunkDoesAndLeaveTheRest) {
  ChunkDecoder decoder;
  std::string data;
  const auto used = decoder.feed(bytes_of("5\r\nhello\r\n0\r\nName: value\r\n\r\nGET /"), [&](auto bytes) {
    data.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return ApiResult<Unit>(Unit{});
  });
  ASSERT_TRUE(used);
  EXPECT_EQ(*used, 28u);
  EXPECT_TRUE(decoder.done());
  EXPECT_EQ(data, "hello");
  EXPECT_EQ(decoder.trailers(), (Fields{{"name", "value"}}));
}

}  // namespace
}  // namespace pail::emulator
