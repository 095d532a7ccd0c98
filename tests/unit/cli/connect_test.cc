#include "cli/connect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace pail::cli {
namespace {

using ::testing::HasSubstr;

Result<Endpoint> endpoint(std::string_view text) {
  MountOptions options;
  EXPECT_TRUE(parse_mount_options(text, options));
  return choose_endpoint(options);
}

TEST(Endpoint, FollowsFromTheRegion) {
  EXPECT_EQ(endpoint("region=us-south")->url, "https://s3.us-south.cloud-object-storage.appdomain.cloud");
  EXPECT_EQ(endpoint("region=us-south")->region, "us-south");
  EXPECT_EQ(endpoint("region=eu-de,network=direct")->url,
            "https://s3.direct.eu-de.cloud-object-storage.appdomain.cloud");
}
TEST(Endpoint, OfAnUnknownRegionNamesTheNearest) {
  const auto chosen = endpoint("region=us-soth");
  ASSERT_EQ(errnum_of(chosen), EINVAL);
  EXPECT_THAT(chosen.error().context, HasSubstr("us-south"));
}
TEST(Endpoint, NeedsARegionOrAUrl) {
  const auto chosen = endpoint("ro");
  ASSERT_EQ(errnum_of(chosen), EINVAL);
  EXPECT_THAT(chosen.error().context, HasSubstr("region="));
}
TEST(Endpoint, OfAUrlIsThatUrlWithoutItsPath) {
  EXPECT_EQ(endpoint("url=http://127.0.0.1:9000/")->url, "http://127.0.0.1:9000");
}
TEST(Endpoint, TakesTheRegionFromKnownHostNames) {
  EXPECT_EQ(endpoint("url=https://s3.private.jp-tok.cloud-object-storage.appdomain.cloud")->region, "jp-tok");
  EXPECT_EQ(endpoint("url=https://s3.eu-west-1.amazonaws.com")->region, "eu-west-1");
  EXPECT_EQ(endpoint("url=http://127.0.0.1:9000")->region, "us-east-1");
}
TEST(Endpoint, TakesTheRegionBesideAUrlForSignatures) {
  EXPECT_EQ(endpoint("url=http://127.0.0.1:9000,region=mars-1")->region, "mars-1");
}

}  // namespace
}  // namespace pail::cli
