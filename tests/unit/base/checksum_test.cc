#include "base/checksum.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace pail {
namespace {

TEST(Checksum, CrcsMatchThePublishedCheckValues) {
  EXPECT_EQ(crc32(0, bytes_of("123456789")), 0xCBF43926u);
  EXPECT_EQ(crc32c(0, bytes_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc64nvme(0, bytes_of("123456789")), 0xAE8B14860A799888u);
}

TEST(Checksum, CrcOfPiecesIsTheCrcOfTheWhole) {
  const std::uint32_t first = crc32c(0, bytes_of("hello "));
  EXPECT_EQ(crc32c(first, bytes_of("world")), crc32c(0, bytes_of("hello world")));
}

TEST(Checksum, DigestsMatchTheirStandards) {
  EXPECT_EQ(to_hex(bytes_of(Digest::of(DigestKind::md5, {}))), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(bytes_of(Digest::of(DigestKind::sha256, {}))),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(bytes_of(Digest::of(DigestKind::sha1, bytes_of("abc")))),
            "a9993e364706816aba3e25717850c26c9cd0d89d");
}

TEST(Checksum, ADigestCanBeUsedAgainAfterReset) {
  Digest digest(DigestKind::md5);
  digest.update(bytes_of("something"));
  digest.reset();
  EXPECT_EQ(digest.result(), Digest::of(DigestKind::md5, {}));
}

}  // namespace
}  // namespace pail
