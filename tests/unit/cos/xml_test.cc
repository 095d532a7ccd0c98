#include "cos/xml.h"

#include <gtest/gtest.h>

namespace pail::cos {
namespace {

TEST(XmlDocument, SkipsWhiteSpaceAndByteOrderMarkBeforeTheDocument) {
  const auto document = XmlDocument::parse(" \r\n\xEF\xBB\xBF\n<?xml version=\"1.0\"?><a><b>x</b></a>\n\n");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().text_of("b"), "x");
}

TEST(XmlDocument, IgnoresNamespaces) {
  const auto document = XmlDocument::parse("<s:a xmlns:s='http://x'><s:b>x</s:b></s:a>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().name(), "a");
  EXPECT_EQ(document->root().text_of("b"), "x");
}

TEST(XmlDocument, JoinsTextAroundCommentsAndCdata) {
  const auto document = XmlDocument::parse("<a><k>one<!-- -->two<![CDATA[<three>]]></k></a>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().text_of("k"), "onetwo<three>");
}

TEST(XmlDocument, RefusesWhatIsNotWellFormed) {
  for (const std::string_view text :
       {"", "  ", "plain", "<a>", "<a></b>", "<a><b></a>", "{\"json\":true}", "<", "<!DOCTYPE a>"})
    EXPECT_EQ(errnum_of(XmlDocument::parse(text)), EBADMSG) << text;
}

TEST(XmlDocument, RefusesBottomlessNesting) {
  std::string text;
  for (int depth = 0; depth < 100'000; ++depth) text += "<a>";
  EXPECT_EQ(errnum_of(XmlDocument::parse(text)), EBADMSG);
}

TEST(XmlDocument, RefusesMoreElementsThanAnyAnswerHas) {
  std::string text = "<a>";
  for (int count = 0; count < 200'000; ++count) text += "<b/>";
  EXPECT_EQ(errnum_of(XmlDocument::parse(text + "</a>")), EBADMSG);
}

TEST(XmlDocument, DoesNotExpandEntities) {
  const auto document = XmlDocument::parse(
      "<!DOCTYPE a [<!ENTITY big 'ha'><!ENTITY file SYSTEM 'file:///etc/passwd'>]><a><k>&big;&file;</k></a>");
  if (document) {
    EXPECT_EQ(document->root().text_of("k").find("root:"), std::string::npos);
  }
}

TEST(XmlElement, ThatIsAbsentIsEmpty) {
  const auto document = XmlDocument::parse("<a/>");
  ASSERT_TRUE(document);
  const XmlElement missing = document->root().child("b").child("c");
  EXPECT_FALSE(missing.present());
  EXPECT_EQ(missing.text(), "");
  EXPECT_EQ(missing.name(), "");
  EXPECT_FALSE(missing.flag("d"));
  EXPECT_EQ(missing.number("d"), std::nullopt);
}

TEST(XmlElement, NumbersAreDecimalAndFit) {
  const auto document = XmlDocument::parse(
      "<a><good> 42 </good><minus>-1</minus><big>99999999999999999999999</big><hex>0x10</hex><empty/></a>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().number("good"), 42u);
  for (const auto* name : {"minus", "big", "hex", "empty", "absent"})
    EXPECT_EQ(document->root().number(name), std::nullopt) << name;
}

TEST(XmlEscape, KeepsEveryByteOfAKey) {
  const std::string key = "a&b<c>\"d'\r\n\t\x01 \xC3\xA4";
  const auto document = XmlDocument::parse("<k>" + xml_escape(key) + "</k>");
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().text(), key);
}

TEST(XmlTime, IsReadWithAndWithoutFraction) {
  using namespace std::chrono;
  const auto whole = parse_xml_time("2016-08-25T17:38:38Z");
  ASSERT_TRUE(whole);
  EXPECT_EQ(duration_cast<seconds>(whole->time_since_epoch()).count(), 1472146718);
  const auto fraction = parse_xml_time(" 2016-08-25T17:38:38.549Z\n");
  ASSERT_TRUE(fraction);
  EXPECT_EQ(*fraction - *whole, milliseconds(549));
}

TEST(XmlTime, RefusesWhatIsNoTime) {
  for (const std::string_view text :
       {"", "yesterday", "2016-13-01T00:00:00Z", "2016-02-30T00:00:00Z", "2016-01-01T25:00:00Z", "9999-12-31T23:59:59Z",
        "2016-01-01T00:00:00+05:00", "-016-01-01T00:00:00Z", "2016-01-01T-1:00:00Z"})
    EXPECT_EQ(parse_xml_time(text), std::nullopt) << text;
}

}  // namespace
}  // namespace pail::cos
