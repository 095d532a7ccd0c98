#include "fuse/page_write.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace pail::fuse {
namespace {

constexpr std::array<std::byte, 8> kPages{};

// A disk that takes so much in all, at most three bytes at a time.
WriteAt disk_with(std::uint64_t room) {
  return [room, end = std::uint64_t{100}](ByteOffset at, std::span<const std::byte> data) mutable -> Result<ByteCount> {
    EXPECT_EQ(at.n, end);
    const std::uint64_t taken = std::min<std::uint64_t>({room, data.size(), 3});
    if (taken == 0) return Error{ENOSPC, "full"};
    room -= taken;
    end += taken;
    return ByteCount{taken};
  };
}

TEST(WritePages, AreWrittenWhole) {
  const auto written = write_pages(disk_with(8), ByteOffset{100}, kPages);
  ASSERT_TRUE(written);
  EXPECT_EQ(written->n, 8u);
}

TEST(WritePages, OfWhichTheDiskTakesAPartAreAnError) {
  EXPECT_EQ(errnum_of(write_pages(disk_with(7), ByteOffset{100}, kPages)), ENOSPC);
}

}  // namespace
}  // namespace pail::fuse
