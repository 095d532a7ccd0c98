#include "pailfs/http/url.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace pail::http {
namespace {

TEST(Url, SplitsWithoutDecoding) {
  const auto url = parse_url("https://S3.Example:9000/a%2Fb/../c?x=%20&y");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "s3.example");
  EXPECT_EQ(url->port, 9000);
  EXPECT_EQ(url->path, "/a%2Fb/../c");
  EXPECT_EQ(url->query, "x=%20&y");
  EXPECT_EQ(url->host_header(), "s3.example:9000");
}

TEST(Url, NamesTheSchemesOwnPortNowhere) {
  EXPECT_EQ(parse_url("https://h:443/")->host_header(), "h");
  EXPECT_EQ(parse_url("http://h:443/")->host_header(), "h:443");
  EXPECT_EQ(parse_url("HTTP://h")->origin(), "http://h");
}

TEST(Url, KeepsTheBracketsOfAnIpv6Address) {
  EXPECT_EQ(parse_url("http://[::1]:8080/x")->host_header(), "[::1]:8080");
  EXPECT_EQ(parse_url("http://[::1]/x")->host, "[::1]");
}

TEST(Url, HasThePathSlashWhenNothingFollowsTheHost) {
  EXPECT_EQ(parse_url("http://h")->path, "/");
  EXPECT_EQ(parse_url("http://h?a=b")->path, "/");
  EXPECT_EQ(parse_url("http://h?a=b")->query, "a=b");
}

class BadUrl : public testing::TestWithParam<const char*> {};

TEST_P(BadUrl, IsRefused) {
  EXPECT_EQ(errnum_of(parse_url(GetParam())), EINVAL);
}

INSTANTIATE_TEST_SUITE_P(Url, BadUrl,
                         testing::Values("", "h/x", "ftp://h/", "http://", "http:///x", "http://h:0/",
                                         "http://h:99999/", "http://h:8x/", "http://u:p@h/", "http://h/a b",
                                         "http://h/a\r\nX: y", "http://h/#f", "http://[::1", "http://[::1]x/",
                                         "file:///etc/passwd"));

TEST(Url, ErrorsDoNotRepeatTheQuery) {
  EXPECT_EQ(parse_url("ftp://h/?X-Amz-Signature=abcdef").error().context.find("abcdef"), std::string::npos);
}

}  // namespace
}  // namespace pail::http
