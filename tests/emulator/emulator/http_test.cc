// What a client of the emulator sees over HTTP.
#include <curl/curl.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"
#include "wire.h"

namespace pail::emulator {
namespace {

std::string ramp(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>(i % 251);
  return out;
}

std::string between(const std::string& text, const std::string& before, const std::string& after) {
  const std::size_t at = text.find(before);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + before.size();
  return text.substr(begin, text.find(after, begin) - begin);
}

TEST(Http, UnsignedRequestsAreRefused) {
  Serving server;
  Wire wire(server.emulator().port());
  wire.send("GET /bucket/key HTTP/1.1\r\nHost: x\r\n\r\n");
  const WireAnswer answer = wire.receive();
  EXPECT_EQ(answer.status, 403);
  EXPECT_EQ(between(answer.body, "<Code>", "</Code>"), "AccessDenied");
  EXPECT_EQ(between(answer.body, "<httpStatusCode>", "</httpStatusCode>"), "403");
  EXPECT_EQ(answer.headers.at("x-clv-s3-version"), "2.5");
  EXPECT_EQ(answer.headers.at("x-clv-request-id"), between(answer.body, "<RequestId>", "</RequestId>"));
}

TEST(Http, OneConnectionServesManyRequestsAlsoSentAtOnce) {
  Serving server;
  Wire wire(server.emulator().port());
  wire.send(server.text("PUT", "/bucket/key", "body") + server.text("GET", "/bucket/key") +
            server.text("HEAD", "/bucket/key") + server.text("GET", "/bucket/none"));
  EXPECT_EQ(wire.receive().status, 200);
  EXPECT_EQ(wire.receive().body, "body");
  EXPECT_EQ(wire.receive("HEAD").headers.at("content-length"), "4");
  EXPECT_EQ(wire.receive().status, 404);
}

TEST(Http, ALargeObjectComesBackWholeAndInRanges) {
  Serving server;
  const std::string body = ramp(3'000'000);
  EXPECT_EQ(server.ask("PUT", "/bucket/key", body).headers.at("etag"),
            '"' + to_hex(bytes_of(Digest::of(DigestKind::md5, bytes_of(body)))) + '"');
  EXPECT_TRUE(server.ask("GET", "/bucket/key").body == body);
  const WireAnswer part = server.ask("GET", "/bucket/key", "", {"Range: bytes=100000-1299999"});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.headers.at("content-range"), "bytes 100000-1299999/3000000");
  EXPECT_TRUE(part.body == body.substr(100000, 1200000));
}

TEST(Http, ContinueIsSaidBeforeABodyThatWillBeTaken) {
  Serving server;
  Wire wire(server.emulator().port());
  const std::string request = server.text("PUT", "/bucket/key", "body", {"Expect: 100-continue"});
  wire.send(request.substr(0, request.size() - 4));
  EXPECT_EQ(wire.receive().status, 100);
  wire.send("body");
  EXPECT_EQ(wire.receive().status, 200);
}

TEST(Http, ARefusedBodyIsNotAskedFor) {
  Serving server;
  server.ask("PUT", "/bucket/key", "first");
  Wire wire(server.emulator().port());
  const std::string request = server.text("PUT", "/bucket/key", "body", {"Expect: 100-continue", "If-None-Match: *"});
  wire.send(request.substr(0, request.size() - 4));
  EXPECT_EQ(wire.receive().status, 412);
}

TEST(Http, TheHostMayNameTheBucket) {
  Serving server;
  server.ask("PUT", "/key", "body", {"Host: bucket.localhost:1"});
  EXPECT_EQ(server.ask("GET", "/bucket/key").body, "body");
}

TEST(Http, ChunkedBodiesWithTrailersAreDecodedAndChecked) {
  Serving server;
  const std::string good = "b\r\nhello world\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n";
  const std::vector<std::string> headers = {"Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 11",
                                            "x-amz-trailer: x-amz-checksum-crc32c"};
  EXPECT_EQ(server.ask("PUT", "/bucket/key", good, headers).status, 200);
  EXPECT_EQ(server.ask("GET", "/bucket/key").body, "hello world");
  EXPECT_EQ(server.ask("GET", "/bucket/key").headers.count("content-encoding"), 0u);
  const std::string bad = "b\r\nhello there\r\n0\r\nx-amz-checksum-crc32c:yZRlqg==\r\n\r\n";
  const WireAnswer refused = server.ask("PUT", "/bucket/key", bad, headers);
  EXPECT_EQ(between(refused.body, "<Code>", "</Code>"), "BadDigest");
  EXPECT_EQ(server.ask("GET", "/bucket/key").body, "hello world");
}

TEST(Http, AwsChunksMayComeInsideHttpChunks) {
  Serving server;
  const std::string inner = "5\r\nhello\r\n0\r\n\r\n";
  std::vector<std::string> headers = {"Content-Encoding: aws-chunked", "x-amz-decoded-content-length: 5",
                                      "Transfer-Encoding: chunked"};
  Wire wire(server.emulator().port());
  wire.send(server.text("PUT", "/bucket/key", "", headers) + "f\r\n" + inner + "\r\n0\r\n\r\n" +
            server.text("GET", "/bucket/key"));
  EXPECT_EQ(wire.receive().status, 200);
  EXPECT_EQ(wire.receive().body, "hello");
}

TEST(Http, ABodyOfUnknownLengthIsRefused) {
  Serving server;
  Wire wire(server.emulator().port());
  wire.send(server.text("PUT", "/bucket/key", "", {"Transfer-Encoding: chunked"}) + "1\r\nx\r\n0\r\n\r\n");
  EXPECT_EQ(wire.receive().status, 411);
}

TEST(Http, RepeatedMetadataIsJoinedByCommas) {
  Serving server;
  server.ask("PUT", "/bucket/key", "x", {"x-amz-meta-Tag: a", "X-Amz-Meta-tag: b"});
  EXPECT_EQ(server.ask("HEAD", "/bucket/key").headers.at("x-amz-meta-tag"), "a,b");
}

TEST(Http, WhatIsNotRequestedInHttpIsRefused) {
  Serving server;
  Wire wire(server.emulator().port());
  wire.send("this is not HTTP\r\n\r\n");
  EXPECT_EQ(wire.receive().status, 400);
  Wire other(server.emulator().port());
  other.send(server.text("GET", "/bucket/key", "", {"x-large: " + std::string(300'000, 'x')}));
  EXPECT_EQ(other.receive().status, 400);
}

TEST(Http, AnUnknownSubResourceNeverTouchesTheObject) {
  Serving server;
  server.ask("PUT", "/bucket/key", "body");
  EXPECT_EQ(server.ask("PUT", "/bucket/key?acl", "<AccessControlPolicy/>").status, 501);
  EXPECT_EQ(server.ask("DELETE", "/bucket/key?tagging").status, 501);
  EXPECT_EQ(server.ask("GET", "/bucket/key").body, "body");
}

TEST(Http, ConditionsOfAnUploadsStartHoldAtItsEnd) {
  Serving server;
  const WireAnswer started = server.ask("POST", "/bucket/key?uploads", "", {"If-None-Match: *"});
  const std::string id = between(started.body, "<UploadId>", "</UploadId>");
  const std::string etag = server.ask("PUT", "/bucket/key?partNumber=1&uploadId=" + id, "part").headers.at("etag");
  server.ask("PUT", "/bucket/key", "somebody was faster");
  const std::string document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>" + etag +
                               "</ETag></Part></CompleteMultipartUpload>";
  EXPECT_EQ(server.ask("POST", "/bucket/key?uploadId=" + id, document).status, 412);
  EXPECT_EQ(server.ask("GET", "/bucket/key").body, "somebody was faster");
}

TEST(Http, ReadsCrossTheBordersOfParts) {
  Serving server;
  const std::string first = ramp(5 << 20), second = ramp(100'000);
  const std::string id = between(server.ask("POST", "/bucket/key?uploads").body, "<UploadId>", "</UploadId>");
  std::string document = "<CompleteMultipartUpload>";
  for (const auto& [number, body] : {std::pair("1", &first), std::pair("2", &second)})
    document += std::string("<Part><PartNumber>") + number + "</PartNumber><ETag>" +
                server.ask("PUT", std::string("/bucket/key?partNumber=") + number + "&uploadId=" + id, *body)
                    .headers.at("etag") +
                "</ETag></Part>";
  const WireAnswer done = server.ask("POST", "/bucket/key?uploadId=" + id, document + "</CompleteMultipartUpload>");
  ASSERT_EQ(done.status, 200);
  EXPECT_EQ(between(done.body, "<ChecksumCRC64NVME>", "<"), to_base64(bytes_of([&] {
              std::string raw;
              for (std::uint64_t crc = crc64nvme(0, bytes_of(first + second)), i = 0; i < 8; ++i)
                raw += static_cast<char>(crc >> (56 - 8 * i) & 255);
              return raw;
            }())));
  EXPECT_TRUE(server.ask("GET", "/bucket/key").body == first + second);
  EXPECT_TRUE(server.ask("GET", "/bucket/key", "", {"Range: bytes=5242870-5242889"}).body ==
              (first + second).substr(5242870, 20));
  EXPECT_EQ(server.ask("GET", "/bucket/key?partNumber=2").headers.at("x-amz-mp-parts-count"), "2");
}

TEST(Http, TokensExpireOnTheClockAndWhenRevoked) {
  Serving server;
  EXPECT_EQ(server.ask("GET", "/bucket").status, 200);
  server.emulator().advance_clock(std::chrono::hours(2));
  EXPECT_EQ(server.ask("GET", "/bucket").status, 403);
  server.fetch_token();
  EXPECT_EQ(server.ask("GET", "/bucket").status, 200);
  server.emulator().revoke_tokens();
  EXPECT_EQ(server.ask("GET", "/bucket").status, 403);
}

TEST(Http, AThousandConnectionsAreServedAtOnce) {
  Serving server;
  std::vector<std::unique_ptr<Wire>> wires;
  for (int i = 0; i < 1000; ++i) wires.push_back(std::make_unique<Wire>(server.emulator().port()));
  for (const auto& wire : wires) ASSERT_TRUE(wire->send(server.text("PUT", "/bucket/key", "body")));
  for (const auto& wire : wires) ASSERT_EQ(wire->receive().status, 200);
  EXPECT_EQ(server.emulator().counters().at("PutObject").requests, 1000u);
}

size_t append(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

TEST(Tls, AClientThatTrustsTheGeneratedCertificateIsServed) {
  Options options;
  options.tls = Tls::generated;
  Serving server(options);
  const std::string url = server.emulator().iam_url(), trusted = server.emulator().certificate_file();
  const std::string form = "grant_type=urn:ibm:params:oauth:grant-type:apikey&apikey=" +
                           std::string(server.emulator().credentials().api_key.reveal());
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> curl(curl_easy_init(), curl_easy_cleanup);
  std::string body;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, form.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &body);
  EXPECT_EQ(curl_easy_perform(curl.get()), CURLE_PEER_FAILED_VERIFICATION);
  curl_easy_setopt(curl.get(), CURLOPT_CAINFO, trusted.c_str());
  EXPECT_EQ(curl_easy_perform(curl.get()), CURLE_OK);
  EXPECT_NE(body.find("access_token"), std::string::npos);
}

TEST(Control, ChangesFaultsCountersAndTheLinkWhileRunning) {
  Serving server;
  const WireAnswer set =
      server.ask("POST", "/-/control/faults", R"({"operations":["GetObject"],"kind":"status","status":500,"times":1})");
  EXPECT_EQ(set.status, 200);
  EXPECT_EQ(server.ask("GET", "/bucket/key").status, 500);
  EXPECT_EQ(server.ask("GET", "/bucket/key").status, 404);
  EXPECT_EQ(server.ask("DELETE", "/-/control/faults").body, "[]\n");
  EXPECT_NE(server.ask("GET", "/-/control/counters").body.find(R"("GetObject")"), std::string::npos);
  EXPECT_EQ(server.ask("POST", "/-/control/link", R"({"latency_ms":1,"bandwidth":1000000})").status, 200);
  server.ask("PUT", "/bucket/paced", ramp(100'000));
  EXPECT_TRUE(server.ask("GET", "/bucket/paced").body == ramp(100'000));
  for (const char* bad : {"not json", R"({"kind":"unheard-of"})", R"({"tiems":1})", R"({"times":"x"})"})
    EXPECT_EQ(server.ask("POST", "/-/control/faults", bad).status, 400) << bad;
}

TEST(AccessLog, HoldsALineForEachRequest) {
  const auto log = std::filesystem::temp_directory_path() / ("pailfs-access-" + std::to_string(getpid()));
  Options options;
  options.access_log = log;
  Serving server(options);
  server.ask("PUT", "/bucket/a%0Ab", "12345");
  server.ask("GET", "/bucket/a%0Ab", "", {"Range: bytes=1-2"});
  server.emulator().stop();
  const std::string text = *read_file(log, 1_MiB);
  std::filesystem::remove(log);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);  // and the token
  EXPECT_NE(text.find(R"("bytes_in":5)"), std::string::npos);
  EXPECT_NE(text.find(R"("range":"bytes=1-2")"), std::string::npos);
  EXPECT_NE(text.find(R"("key":"a\nb")"), std::string::npos);
}

}  // namespace
}  // namespace pail::emulator
