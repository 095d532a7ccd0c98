#include "cli/source.h"

#include <gtest/gtest.h>

#include <cerrno>

namespace pail::cli {
namespace {

TEST(SourceText, IsABucket) {
  EXPECT_EQ(*parse_source("my-bucket"), (Source{"my-bucket", ""}));
}
TEST(SourceText, MayNameAPrefix) {
  EXPECT_EQ(*parse_source("my-bucket:/a/b"), (Source{"my-bucket", "a/b/"}));
  EXPECT_EQ(*parse_source("my-bucket:a/b/"), (Source{"my-bucket", "a/b/"}));
  EXPECT_EQ(*parse_source("my-bucket:/"), (Source{"my-bucket", ""}));
}
TEST(SourceText, MayBeAnS3Url) {
  EXPECT_EQ(*parse_source("s3://my-bucket/a/b"), (Source{"my-bucket", "a/b/"}));
  EXPECT_EQ(*parse_source("s3://my-bucket"), (Source{"my-bucket", ""}));
}
TEST(SourceText, KeepsColonsAndSpacesOfThePrefix) {
  EXPECT_EQ(parse_source("my-bucket:/a: b")->prefix, "a: b/");
}
TEST(SourceText, RefusesWhatIsNoBucket) {
  for (const char* text : {"", "ab", ":/x", "bucket/prefix", "-bucket", "buck et", "s3:///x", "https://host/bucket"}) {
    const auto source = parse_source(text);
    ASSERT_FALSE(source) << text;
    EXPECT_EQ(source.error().errnum, EINVAL);
  }
}
TEST(SourceText, AsS3fsWritesItIsRefusedWithWhatToWrite) {
  const auto source = parse_source("s3fs#demo:/x");
  ASSERT_EQ(errnum_of(source), EINVAL);
  EXPECT_NE(source.error().context.find("write \"demo\" without s3fs#"), std::string::npos) << source.error().context;
  EXPECT_NE(source.error().context.find("fuse.pailfs"), std::string::npos) << source.error().context;
}
TEST(SourceText, WithASecretIsRefusedAndTheSecretNotShown) {
  for (const char* text : {"s3://AK:hunter2@bucket/x", "https://AK:hunter2@host/bucket"}) {
    const auto source = parse_source(text);
    ASSERT_FALSE(source) << text;
    EXPECT_EQ(source.error().context.find("hunter2"), std::string::npos) << source.error().context;
  }
  EXPECT_EQ(parse_source("s3://my-bucket/a@b")->prefix, "a@b/");
}
TEST(SourceText, RefusesAPrefixThatNoKeyCanHave) {
  EXPECT_FALSE(parse_source("my-bucket:/" + std::string(1025, 'x')));
}
TEST(SourceText, ReadsBackWhatItRendered) {
  for (const Source& source : {Source{"bucket", ""}, Source{"bucket", "a/b/"}})
    EXPECT_EQ(*parse_source(render_source(source)), source);
}

}  // namespace
}  // namespace pail::cli
