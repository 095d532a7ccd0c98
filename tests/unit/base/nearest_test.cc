#include "base/nearest.h"

#include <gtest/gtest.h>

#include <array>

namespace pail {
namespace {

constexpr std::array<std::string_view, 4> kOptions{"memory", "metadata_ttl", "cache_dir", "cache_size"};

TEST(EditDistance, CountsInsertedRemovedReplacedAndSwappedLetters) {
  EXPECT_EQ(edit_distance("cache", "cache"), 0u);
  EXPECT_EQ(edit_distance("cache", "caches"), 1u);
  EXPECT_EQ(edit_distance("cache", "cach"), 1u);
  EXPECT_EQ(edit_distance("cache", "cacha"), 1u);
  EXPECT_EQ(edit_distance("cache", "cahce"), 1u);
  EXPECT_EQ(edit_distance("", "abc"), 3u);
  EXPECT_EQ(edit_distance("abc", ""), 3u);
}

TEST(NearestName, FindsTheNameASlipOfTheHandMeant) {
  EXPECT_EQ(nearest_name("memroy", kOptions), "memory");
  EXPECT_EQ(nearest_name("metadata-ttl", kOptions), "metadata_ttl");
  EXPECT_EQ(nearest_name("cachedir", kOptions), "cache_dir");
}

TEST(NearestName, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_name("encryption", kOptions), std::nullopt);
  EXPECT_EQ(nearest_name("", kOptions), std::nullopt);
  EXPECT_EQ(nearest_name(std::string(100'000, 'x'), kOptions), std::nullopt);
}

}  // namespace
}  // namespace pail
