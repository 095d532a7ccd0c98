#include "pailfs/http/retry.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "../../manual_clock.h"

namespace pail::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const Outcome kFailed{Outcome::Kind::try_again, std::nullopt};

TEST(Backoff, DoublesItsBoundUpToTheLongestPause) {
  ManualClock clock;
  Backoff backoff({milliseconds(100), milliseconds(500), seconds(60), 10}, clock, [] { return 0.5; });
  EXPECT_EQ(backoff.next(kFailed), milliseconds(50));
  EXPECT_EQ(backoff.next(kFailed), milliseconds(100));
  EXPECT_EQ(backoff.next(kFailed), milliseconds(200));
  EXPECT_EQ(backoff.next(kFailed), milliseconds(250));
  EXPECT_EQ(backoff.next(kFailed), milliseconds(250));
}

TEST(Backoff, StaysBetweenZeroAndItsBound) {
  ManualClock clock;
  Backoff backoff({milliseconds(100), milliseconds(1000), seconds(60), 1000}, clock);
  for (int i = 0; i < 500; ++i) {
    const auto pause = backoff.next(kFailed);
    ASSERT_TRUE(pause);
    EXPECT_GE(*pause, milliseconds(0));
    EXPECT_LE(*pause, milliseconds(1000));
  }
}

TEST(Backoff, EndsWithItsAttempts) {
  ManualClock clock;
  Backoff backoff({milliseconds(1), milliseconds(1), seconds(60), 3}, clock);
  EXPECT_TRUE(backoff.next(kFailed));
  EXPECT_TRUE(backoff.next(kFailed));
  EXPECT_FALSE(backoff.next(kFailed));
  EXPECT_EQ(backoff.attempts_made(), 3U);
}

TEST(Backoff, EndsWithItsBudget) {
  ManualClock clock;
  Backoff backoff({milliseconds(100), milliseconds(100), seconds(10), 1000}, clock, [] { return 0.99; });
  EXPECT_TRUE(backoff.next(kFailed));
  clock.pass(milliseconds(9'950));
  EXPECT_FALSE(backoff.next(kFailed));
}

TEST(Backoff, WaitsAtLeastAsLongAsTheServerAsks) {
  ManualClock clock;
  Backoff backoff({milliseconds(100), milliseconds(100), seconds(60), 10}, clock, [] { return 0.5; });
  EXPECT_EQ(backoff.next({Outcome::Kind::try_again, seconds(7)}), seconds(7));
  EXPECT_EQ(backoff.next({Outcome::Kind::try_again, seconds(61)}), std::nullopt);
}

TEST(Backoff, DoesNotRetryWhatWillNotChange) {
  Backoff backoff({});
  EXPECT_FALSE(backoff.next(Outcome::of(Response{403, {}, {}}, {})));
  EXPECT_FALSE(backoff.next(Outcome::of(Error{EPROTO, "certificate"})));
  EXPECT_FALSE(backoff.next(Outcome::of(Error{ECANCELED, "stop"})));
}

TEST(Outcome, ReadsRetryAfterFromTheResponse) {
  const Outcome outcome = Outcome::of(Response{503, {{"retry-after", "3"}}, {}}, {});
  EXPECT_EQ(outcome.kind, Outcome::Kind::try_again);
  EXPECT_EQ(outcome.server_asks, seconds(3));
}

TEST(RetryAfter, UnderstandsSecondsAndDates) {
  const WallTime now = *parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(retry_after({{"Retry-After", " 120 "}}, now), seconds(120));
  EXPECT_EQ(retry_after({{"Retry-After", "Sun, 06 Nov 1994 08:50:00 GMT"}}, now), seconds(23));
  EXPECT_EQ(retry_after({{"Retry-After", "Sun, 06 Nov 1994 08:00:00 GMT"}}, now), seconds(0));
}

TEST(RetryAfter, IgnoresNonsenseAndLimitsTheRest) {
  EXPECT_EQ(retry_after({{"Retry-After", "-5"}}, {}), std::nullopt);
  EXPECT_EQ(retry_after({{"Retry-After", "soon"}}, {}), std::nullopt);
  EXPECT_EQ(retry_after({{"Retry-After", "99999999999999999999"}}, {}), std::nullopt);
  EXPECT_EQ(retry_after({{"Retry-After", "100000"}}, {}), std::chrono::hours(1));
  EXPECT_EQ(retry_after({}, {}), std::nullopt);
}

TEST(HttpDate, IsParsedToTheSecond) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT"), WallTime(seconds(784111777)));
  EXPECT_EQ(parse_http_date("Thu, 01 Jan 1970 00:00:00 GMT"), WallTime(seconds(0)));
}

TEST(HttpDate, RefusesImpossibleDates) {
  EXPECT_FALSE(parse_http_date("Sun, 31 Feb 1994 08:49:37 GMT"));
  EXPECT_FALSE(parse_http_date("Sun, 06 Nov 1994 24:49:37 GMT"));
  EXPECT_FALSE(parse_http_date("Sun, 06 ovD 1994 08:49:37 GMT"));
  EXPECT_FALSE(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT"));
  EXPECT_FALSE(parse_http_date(""));
}

}  // namespace
}  // namespace pail::http
