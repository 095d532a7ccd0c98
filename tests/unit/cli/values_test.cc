#include "cli/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace pail::cli {
namespace {

using ::testing::HasSubstr;

TEST(Size, WithoutUnitIsBytes) {
  EXPECT_EQ(parse_size("1048577")->n, 1048577u);
}
TEST(Size, WithoutUnitIsExactUpToTheLargestNumber) {
  EXPECT_EQ(parse_size("18446744073709551615")->n, 18446744073709551615u);
}
TEST(Size, BinaryUnitsArePowersOf1024) {
  EXPECT_EQ(parse_size("64KiB")->n, 64u << 10);
  EXPECT_EQ(parse_size("64k")->n, 64u << 10);
  EXPECT_EQ(parse_size("10G")->n, 10ull << 30);
  EXPECT_EQ(parse_size("2tib")->n, 2ull << 40);
}
TEST(Size, DecimalUnitsArePowersOf1000) {
  EXPECT_EQ(parse_size("100MB")->n, 100'000'000u);
}
TEST(Size, MayHaveAFraction) {
  EXPECT_EQ(parse_size("1.5GiB")->n, 3ull << 29);
}
TEST(Size, RefusesWhatIsNoSizeAndSaysWhatIsExpected) {
  for (const char* text : {"", "-1", "GiB", "10Q", "10 GiB x", "nan", "1e400", "0x10"}) {
    const auto size = parse_size(text);
    ASSERT_FALSE(size) << text;
    EXPECT_EQ(size.error().errnum, EINVAL);
    EXPECT_THAT(size.error().context, HasSubstr("expected a number of bytes"));
  }
}
TEST(Size, ReadsBackWhatItRendered) {
  for (const std::uint64_t n : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 10ull << 30, (1ull << 40) + 1, 5ull << 50})
    EXPECT_EQ(parse_size(render_size({n}))->n, n) << render_size({n});
}

TEST(Duration, WithoutUnitIsSeconds) {
  EXPECT_EQ(*parse_duration("30"), std::chrono::seconds(30));
  EXPECT_EQ(*parse_duration("0.5"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("0"), std::chrono::seconds(0));
}
TEST(Duration, TakesUnits) {
  EXPECT_EQ(*parse_duration("500ms"), std::chrono::milliseconds(500));
  EXPECT_EQ(*parse_duration("5m"), std::chrono::minutes(5));
  EXPECT_EQ(*parse_duration("1d"), std::chrono::hours(24));
}
TEST(Duration, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "-1", "soon", "5y", "99999999999999"}) EXPECT_FALSE(parse_duration(text)) << text;
}
TEST(Duration, ReadsBackWhatItRendered) {
  for (const std::int64_t n : {0ll, 1ll, 500'000'000ll, 30'000'000'000ll, 86'400'000'000'001ll})
    EXPECT_EQ(parse_duration(render_duration(std::chrono::nanoseconds(n)))->count(), n);
}

TEST(User, IsANumberOrAName) {
  EXPECT_EQ(*parse_user("1234"), 1234u);
  EXPECT_EQ(*parse_user("root"), 0u);
  EXPECT_EQ(*parse_group("root"), 0u);
  EXPECT_FALSE(parse_user("no-such-user-here"));
  EXPECT_FALSE(parse_group(""));
  EXPECT_FALSE(parse_user("-1"));
}

TEST(Permissions, AreOctal) {
  EXPECT_EQ(*parse_permissions("022"), 022u);
  EXPECT_EQ(*parse_permissions("7777"), 07777u);
  EXPECT_FALSE(parse_permissions("8"));
  EXPECT_FALSE(parse_permissions("10000"));
  EXPECT_FALSE(parse_permissions("u=rw"));
}

}  // namespace
}  // namespace pail::cli
