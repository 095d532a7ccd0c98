// Each trouble as a client sees it, and what becomes of its request.
#include "simulation/world/trouble.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "requests.h"
#include "simulation/world/weather.h"

namespace pail::simulation {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;

HttpAnswer met(Trouble trouble, const HttpRequest& request) {
  Random choices(1);
  return answer_of(row_of(trouble), request, WallTime(1'000'000'000s), 7, choices);
}

TEST(Trouble, RowsStandInTheOrderOfTheirValues) {
  EXPECT_EQ(row_of(Trouble::none).trouble, Trouble::none);
  EXPECT_EQ(row_of(Trouble::stalled).trouble, Trouble::stalled);
  for (const Trouble trouble : all_troubles()) EXPECT_EQ(row_of(trouble).trouble, trouble);
  EXPECT_EQ(all_troubles().size(), static_cast<std::size_t>(Trouble::stalled));
}

TEST(Trouble, ARefusalIsTheStoresOwn) {
  const HttpAnswer answer = met(Trouble::slow_down, get("a"));
  EXPECT_EQ(answer.status, 503);
  EXPECT_THAT(answer.body, HasSubstr("<Code>SlowDown</Code>"));
  EXPECT_TRUE(answer.headers.contains("x-amz-request-id"));
  EXPECT_FALSE(answer.headers.contains("Retry-After"));
  EXPECT_TRUE(met(Trouble::slow_down_until, get("a")).headers.contains("Retry-After"));
  EXPECT_EQ(met(Trouble::slow_down, request("HEAD", "/bucket/a")).body, "");
}

TEST(Trouble, AProxysPageHasNothingOfAStore) {
  const HttpAnswer answer = met(Trouble::proxy_missing, get("a"));
  EXPECT_EQ(answer.status, 404);
  EXPECT_FALSE(answer.headers.contains("x-amz-request-id"));
  EXPECT_THAT(answer.body, Not(HasSubstr("Code")));
}

TEST(Trouble, ARedirectKeepsTheResource) {
  Random choices(1);
  std::set<std::string> targets;
  for (int times = 0; times < 1000; ++times) {
    const HttpAnswer answer = answer_of(row_of(Trouble::redirect_near), get("a%20b?x=1"), {}, 7, choices);
    targets.insert(field(answer.headers, "Location"));
  }
  EXPECT_EQ(targets.size(), 10u);
  EXPECT_TRUE(targets.contains("http://node-1.store.sim/bucket/a%20b?x=1"));
  EXPECT_TRUE(targets.contains("http://bucket.store.sim/a%20b?x=1"));
  EXPECT_EQ(field(met(Trouble::redirect_away, get("a")).headers, "Location"), "http://elsewhere.sim/bucket/a");
}

TEST(Trouble, OnlyWhoAsksForItMeetsIt) {
  EXPECT_FALSE(can_meet(Trouble::precondition, put("a", "x")));
  EXPECT_TRUE(can_meet(Trouble::precondition, request("PUT", "/bucket/a", "If-None-Match", "*")));
  EXPECT_FALSE(can_meet(Trouble::conflict, get("a")));
  EXPECT_TRUE(can_meet(Trouble::conflict, put("a", "x")));
  EXPECT_FALSE(can_meet(Trouble::error_inside, put("a", "x")));
  EXPECT_TRUE(can_meet(Trouble::error_inside, request("PUT", "/bucket/a", "x-amz-copy-source", "/bucket/b")));
  EXPECT_FALSE(can_meet(Trouble::some_refused, request("DELETE", "/bucket/a")));
  EXPECT_TRUE(can_meet(Trouble::some_refused, request("POST", "/bucket?delete", "<Delete/>")));
  HttpRequest redirected = get("a");
  redirected.url = "http://node-1.store.sim/bucket/a";
  EXPECT_FALSE(can_meet(Trouble::redirect_near, redirected));
}

TEST(Weather, OfAllKindsIsWithinItsBounds) {
  Random choices(1);
  for (int times = 0; times < 100; ++times)
    for (const Kind kind : kKinds) {
      const Weather weather = draw(kind, choices);
      EXPECT_EQ(weather.kind, kind);
      EXPECT_LT(weather.fastest, weather.slowest);
      EXPECT_LT(weather.slowest, Weather::slowest_answer);
      EXPECT_EQ(kind == Kind::calm, weather.chances.empty() && weather.slowest < 100ms && weather.very_slow == 0)
          << name_of(kind);
    }
}

TEST(Random, MagnitudesReachBothEndsAndNotBeyond) {
  Random choices(1);
  std::chrono::nanoseconds least = 1h, most{0};
  for (int times = 0; times < 10'000; ++times) {
    const auto drawn = choices.magnitude(100us, 30s);
    least = std::min(least, drawn);
    most = std::max(most, drawn);
  }
  EXPECT_GE(least, 100us);
  EXPECT_LT(least, 200us);
  EXPECT_LE(most, 30s);
  EXPECT_GT(most, 15s);
}

}  // namespace
}  // namespace pail::simulation
