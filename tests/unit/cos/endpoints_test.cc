#include "pailfs/cos/endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pail::cos {
namespace {

std::string url(std::string_view region, Network network) {
  auto result = endpoint_url(region, network);
  return result ? *result : result.error().context;
}

TEST(Endpoints, FollowThePatternOfTheCatalogue) {
  EXPECT_EQ(url("us-south", Network::public_network), "https://s3.us-south.cloud-object-storage.appdomain.cloud");
  EXPECT_EQ(url("eu", Network::private_network), "https://s3.private.eu.cloud-object-storage.appdomain.cloud");
  EXPECT_EQ(url("ams03", Network::direct), "https://s3.direct.ams03.cloud-object-storage.appdomain.cloud");
}

TEST(Endpoints, ReachOneCityOfACrossRegionLocation) {
  EXPECT_EQ(url("dal.us", Network::public_network), "https://s3.dal.us.cloud-object-storage.appdomain.cloud");
  EXPECT_EQ(errnum_of(endpoint_url("dal.eu", Network::public_network)), EINVAL);
}

TEST(Endpoints, SuggestTheNearestRegion) {
  const auto result = endpoint_url("us-suoth", Network::public_network);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().errnum, EINVAL);
  EXPECT_EQ(result.error().context, "no region \"us-suoth\" in the endpoint catalogue; did you mean us-south?");
}

TEST(Endpoints, SayWhichRegionsThereAre) {
  const auto result = endpoint_url("moon", Network::public_network);
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().context, testing::HasSubstr("it has us, "));
}

TEST(Endpoints, RefuseRetiredAndMisleadingRegions) {
  EXPECT_EQ(errnum_of(endpoint_url("mel01", Network::public_network)), EINVAL);
  EXPECT_EQ(errnum_of(endpoint_url("", Network::public_network)), EINVAL);
  EXPECT_EQ(errnum_of(endpoint_url("evil.example/us-south", Network::public_network)), EINVAL);
}

TEST(LocationOf, SplitsProvisioningCodesAtTheLastDash) {
  EXPECT_EQ(location_of("us-south-standard"), "us-south");
  EXPECT_EQ(location_of("us-standard"), "us");
  EXPECT_EQ(location_of("eu-es-onerate_active"), "eu-es");
  EXPECT_EQ(location_of("ams03-smart"), "ams03");
  EXPECT_EQ(location_of("jp-tok"), "jp-tok");
  EXPECT_EQ(location_of("moon-standard"), std::nullopt);
  EXPECT_EQ(location_of(""), std::nullopt);
}

TEST(LocationOfUrl, ReadsBackEveryEndpointOfTheCatalogue) {
  for (const Location& location : locations())
    for (const Network network : {Network::public_network, Network::private_network, Network::direct})
      EXPECT_EQ(location_of_url(url(location.code, network)), location.code);
}

TEST(LocationOfUrl, KnowsTheCityOfACrossRegionLocation) {
  EXPECT_EQ(location_of_url("https://s3.private.fra.eu.cloud-object-storage.appdomain.cloud/bucket"), "eu");
}

TEST(LocationOfUrl, IsSilentAboutOtherHosts) {
  EXPECT_EQ(location_of_url("http://127.0.0.1:9000"), std::nullopt);
  EXPECT_EQ(location_of_url("https://s3.cloud-object-storage.appdomain.cloud"), std::nullopt);
  EXPECT_EQ(location_of_url("https://s3.eu-de.cloud-object-storage.appdomain.cloud.evil.example"), std::nullopt);
}

}  // namespace
}  // namespace pail::cos
