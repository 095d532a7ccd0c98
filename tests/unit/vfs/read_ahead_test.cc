#include "vfs/read_ahead.h"

#include <gtest/gtest.h>

namespace pail::vfs {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;
constexpr std::uint64_t kRequest = 128 << 10;
constexpr ByteCount kObject{1024 * kMiB};
constexpr ByteCount kMost{64 * kMiB};

Extent request_at(std::uint64_t begin) {
  return {{begin}, {begin + kRequest}};
}

// Reads `count` requests in order from `begin` on; where the last extent that was given ends.
std::uint64_t run(ReadAhead& ahead, std::uint64_t begin, int count) {
  std::uint64_t end = 0;
  for (int i = 0; i < count; ++i) {
    const Extent extent = ahead.note(request_at(begin + static_cast<std::uint64_t>(i) * kRequest), kObject, kMost);
    if (!extent.empty()) end = extent.end.n;
  }
  return end;
}

// At least half of the largest window lies ahead of `position`, and no more than the whole.
void expect_wide(std::uint64_t end, std::uint64_t position) {
  EXPECT_GE(end, position + kMost.n / 2);
  EXPECT_LE(end, position + kMost.n);
}

TEST(ReadAhead, BeginsAtTheStartOfAFile) {
  ReadAhead ahead;
  const Extent extent = ahead.note(request_at(0), kObject, kMost);
  EXPECT_EQ(extent.begin.n, kRequest);
  EXPECT_GT(extent.end.n, extent.begin.n);
}

// Behind the last of `reads` requests that began at `begin`, between half a window and a whole one is fetched.
void expect_full_window(std::uint64_t fetched, std::uint64_t begin, std::uint64_t reads) {
  EXPECT_GE(fetched, begin + reads * kRequest + kMost.n / 2);
  EXPECT_LE(fetched, begin + reads * kRequest + kMost.n);
}

TEST(ReadAhead, GrowsToTheLargestWindowAndStaysThere) {
  ReadAhead ahead;
  expect_full_window(run(ahead, 0, 1000), 0, 1000);
}

TEST(ReadAhead, RefillsItsWindowByHalvesSoThatRequestsAreLarge) {
  ReadAhead ahead;
  run(ahead, 0, 100);
  int asked = 0;
  for (std::uint64_t i = 100; i < 100 + 10 * kMost.n / kRequest; ++i)
    if (!ahead.note(request_at(i * kRequest), {1ull << 40}, kMost).empty()) ++asked;
  EXPECT_LE(asked, 21);
}

TEST(ReadAhead, GivesEachByteOnce) {
  ReadAhead ahead;
  std::uint64_t reached = kRequest;
  for (std::uint64_t at = 0; at < 20 * kMiB; at += kRequest) {
    const Extent extent = ahead.note(request_at(at), kObject, kMost);
    if (extent.empty()) continue;
    EXPECT_EQ(extent.begin.n, reached);
    reached = extent.end.n;
  }
}

TEST(ReadAhead, EndsWithTheObject) {
  ReadAhead ahead;
  const ByteCount small{3 * kRequest};
  EXPECT_EQ(ahead.note(request_at(0), small, kMost).end.n, small.n);
  EXPECT_TRUE(ahead.note(request_at(kRequest), small, kMost).empty());
  EXPECT_TRUE(ahead.note(request_at(2 * kRequest), small, kMost).empty());
}

TEST(ReadAhead, FollowsTwoInterleavedStreams) {
  ReadAhead ahead;
  std::uint64_t first = 0, second = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Extent one = ahead.note(request_at(i * kRequest), kObject, kMost);
    const Extent two = ahead.note(request_at(512 * kMiB + i * kRequest), kObject, kMost);
    first = std::max(first, one.end.n);
    second = std::max(second, two.end.n);
  }
  expect_full_window(first, 0, 100);
  expect_full_window(second, 512 * kMiB, 100);
}

TEST(ReadAhead, RandomReadsFetchNothingAhead) {
  ReadAhead ahead;
  for (const std::uint64_t at : {700, 100, 900, 300, 500, 200, 800, 400, 600, 950, 50, 750})
    EXPECT_TRUE(ahead.note(request_at(at * kMiB), kObject, kMost).empty()) << at;
}

TEST(ReadAhead, AStreamInTheMiddleIsFoundAtItsSecondRead) {
  ReadAhead ahead;
  EXPECT_TRUE(ahead.note(request_at(500 * kMiB), kObject, kMost).empty());
  EXPECT_FALSE(ahead.note(request_at(500 * kMiB + kRequest), kObject, kMost).empty());
}

TEST(ReadAhead, SwappedRequestsAreOneStream) {
  ReadAhead swapped;
  std::uint64_t end = 0;
  for (std::uint64_t pair = 0; pair < 20; ++pair)
    for (const std::uint64_t i : {2 * pair + 1, 2 * pair}) {
      const Extent extent = swapped.note(request_at(i * kRequest), kObject, kMost);
      end = std::max(end, extent.end.n);
    }
  expect_wide(end, 40 * kRequest);
}

TEST(ReadAhead, NeverExceedsTheWindowItIsGiven) {
  ReadAhead ahead;
  for (std::uint64_t i = 0; i < 50; ++i) {
    const Extent extent = ahead.note(request_at(i * kRequest), kObject, {kMiB});
    EXPECT_LE(extent.end.n, (i + 1) * kRequest + kMiB);
  }
}

TEST(ReadAhead, ManyStreamsForgetTheOneUsedLongestAgo) {
  ReadAhead ahead;
  for (std::uint64_t i = 0; i < 20; ++i) ahead.note(request_at(i * 40 * kMiB), kObject, kMost);
  // The latest is still known, so its next read continues it.
  EXPECT_FALSE(ahead.note(request_at(19 * 40 * kMiB + kRequest), kObject, kMost).empty());
  EXPECT_TRUE(ahead.note(request_at(5 * 40 * kMiB + kRequest), kObject, kMost).empty());
}

}  // namespace
}  // namespace pail::vfs
