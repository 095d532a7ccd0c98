#include "local/content_id.h"

#include <gtest/gtest.h>

namespace pail::local {
namespace {

constexpr std::string_view kText = "000102030405060708090a0b0c0d0eff";

TEST(ContentIdTest, NewOnesDiffer) {
  const ContentId one = ContentId::make(), other = ContentId::make();
  EXPECT_NE(one, other);
  EXPECT_NE(one, ContentId());
}

TEST(ContentIdTest, ItsTextIsItsBytesAndLeadsBack) {
  const auto id = ContentId::from_text(kText);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->bytes[1], std::byte{1});
  EXPECT_EQ(id->bytes[15], std::byte{0xff});
  EXPECT_EQ(id->text(), kText);
  const ContentId made = ContentId::make();
  EXPECT_EQ(ContentId::from_text(made.text()), made);
}

TEST(ContentIdTest, OtherTextsAreNone) {
  for (const std::string& text :
       {std::string(), std::string(kText.substr(2)), std::string(kText) + "00", "x" + std::string(kText.substr(1))})
    EXPECT_FALSE(ContentId::from_text(text)) << text;
}

}  // namespace
}  // namespace pail::local
