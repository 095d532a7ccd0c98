#include "base/encoding.h"

#include <gtest/gtest.h>

namespace pail {
namespace {

TEST(Encoding, Base64PadsAndComesBack) {
  EXPECT_EQ(to_base64(bytes_of("a")), "YQ==");
  EXPECT_EQ(to_base64(bytes_of("ab")), "YWI=");
  EXPECT_EQ(to_base64(bytes_of("abc")), "YWJj");
  EXPECT_EQ(from_base64("YQ=="), "a");
  EXPECT_EQ(from_base64("YWI="), "ab");
  EXPECT_EQ(from_base64("YWJj"), "abc");
}

TEST(Encoding, MalformedTextIsRefused) {
  EXPECT_FALSE(from_base64("YQ="));
  EXPECT_FALSE(from_base64("Y!=="));
  EXPECT_FALSE(from_hex("abc"));
  EXPECT_FALSE(from_hex("zz"));
  EXPECT_FALSE(percent_decode("%4"));
  EXPECT_FALSE(percent_decode("%zz"));
}

TEST(Encoding, PercentEncodingKeepsOnlyUnreservedBytes) {
  EXPECT_EQ(percent_encode("a b/ü~"), "a%20b%2F%C3%BC~");
  EXPECT_EQ(percent_encode("a/b", "/"), "a/b");
  EXPECT_EQ(percent_decode("a%20b+%C3%BC"), "a b+ü");
}

}  // namespace
}  // namespace pail
