#include "simulation/others/told.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "simulation/world/face.h"

namespace pail::simulation::others {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// What the store's answer to a request tells.
class ToldTest : public testing::Test {
 protected:
  ToldTest() : bucket_(1) {
    bucket_.write("d/a b", fake::Content("one"), {});
    bucket_.write("d/c", fake::Content("two"), {});
  }

  std::vector<std::pair<std::string, std::string>> told(const std::string& method, const std::string& path,
                                                        http::Headers headers = {}) {
    headers.add("Authorization", "signed");
    const HttpRequest request{method, "http://store.sim/bucket" + path, std::move(headers), {}};
    std::vector<std::pair<std::string, std::string>> pairs;
    for (Told& each : told_by(understand(request), answer(bucket_, request, {}, 1)))
      pairs.emplace_back(std::move(each.key), std::move(each.etag));
    return pairs;
  }
  std::string etag(const std::string& key) const { return bucket_.look(key)->info.etag.text; }

  fake::Bucket bucket_;
};

TEST_F(ToldTest, AHeadAndAGetTellOfTheirKey) {
  EXPECT_THAT(told("HEAD", "/d/c"), ElementsAre(Pair("d/c", etag("d/c"))));
  EXPECT_THAT(told("GET", "/d/a%20b"), ElementsAre(Pair("d/a b", etag("d/a b"))));
}

TEST_F(ToldTest, AListingTellsOfAllItsKeys) {
  EXPECT_THAT(told("GET", "?list-type=2&encoding-type=url&prefix=d%2F"),
              ElementsAre(Pair("d/a b", etag("d/a b")), Pair("d/c", etag("d/c"))));
}

TEST_F(ToldTest, ACopyTellsOfItsTarget) {
  EXPECT_THAT(told("PUT", "/e", {{"x-amz-copy-source", "/bucket/d/c"}}), ElementsAre(Pair("e", etag("d/c"))));
}

TEST_F(ToldTest, ARefusalTellsNothing) {
  EXPECT_THAT(told("GET", "/none"), IsEmpty());
}

}  // namespace
}  // namespace pail::simulation::others
