#include "pailfs/http/retry.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <ctime>
#include <random>

#include "base/random.h"

namespace pail::http {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLongestServerPause = std::chrono::hours(1);

double thread_random() {
  thread_local std::mt19937_64 generator{random_number<std::uint64_t>()};
  return std::uniform_real_distribution<double>(0.0, 1.0)(generator);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// The number that fills `text`; none when anything else is in it.
std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (code != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

}  // namespace

bool is_retryable_status(int status) {
  static constexpr std::array kStatuses{408, 425, 429, 500, 502, 503, 504};
  return std::find(kStatuses.begin(), kStatuses.end(), status) != kStatuses.end();
}

bool is_retryable_errnum(int errnum) {
  static constexpr std::array kErrnums{ETIMEDOUT,   ECONNRESET, ECONNREFUSED, ECONNABORTED, EHOSTUNREACH,
                                       ENETUNREACH, ENETDOWN,   EPIPE,        EAGAIN,       EADDRNOTAVAIL};
  return std::find(kErrnums.begin(), kErrnums.end(), errnum) != kErrnums.end();
}

std::optional<WallTime> parse_http_date(std::string_view text) {
  // "Sun, 06 Nov 1994 08:49:37 GMT": every part has its column.
  static constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  text = trim(text);
  if (text.size() != 29 || text.substr(25) != " GMT" || text[4] != ' ' || text[7] != ' ' || text[11] != ' ' ||
      text[19] != ':' || text[22] != ':')
    return std::nullopt;
  const std::size_t month_at = kMonths.find(text.substr(8, 3));
  const auto day = number(text.substr(5, 2)), year = number(text.substr(12, 4));
  const auto hour = number(text.substr(17, 2)), minute = number(text.substr(20, 2)),
             second = number(text.substr(23, 2));
  if (month_at == std::string_view::npos || month_at % 3 != 0 || !day || !year || !hour || !minute || !second)
    return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(month_at / 3 + 1)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  // Nanoseconds in 64 bits end in 2262.
  if (!date.ok() || *year < 1970 || *year > 2200 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  return WallTime(std::chrono::sys_days(date)) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
         std::chrono::seconds(*second);
}

std::optional<milliseconds> retry_after(const Headers& headers, WallTime now) {
  const auto field = headers.find("Retry-After");
  if (!field) return std::nullopt;
  const std::string_view text = trim(*field);
  if (const auto seconds = number(text))
    return std::min<milliseconds>(std::chrono::seconds(*seconds), kLongestServerPause);
  const auto date = parse_http_date(text);
  if (!date) return std::nullopt;
  const auto pause = std::chrono::ceil<milliseconds>(*date - now);
  return std::clamp(pause, milliseconds(0), kLongestServerPause);
}

Outcome Outcome::of(const Response& response, WallTime now) {
  if (!is_retryable_status(response.status)) return {};
  return {Kind::try_again, retry_after(response.headers, now)};
}

Outcome Outcome::of(const Error& error) {
  return {is_retryable_errnum(error.errnum) ? Kind::try_again : Kind::done, std::nullopt};
}

Backoff::Backoff(RetryPolicy policy, const Clock& clock, Random random)
    : policy_(policy), clock_(clock), random_(random ? std::move(random) : thread_random), started_(clock.steady()) {}

std::optional<milliseconds> Backoff::next(const Outcome& outcome) {
  ++made_;
  if (outcome.kind == Outcome::Kind::done || made_ >= policy_.attempts) return std::nullopt;
  // Doubling stops before it can overflow: 2^30 times any sensible first pause is beyond the longest.
  const double bound = std::min(
      static_cast<double>(policy_.longest_pause.count()),
      std::ldexp(static_cast<double>(policy_.first_pause.count()), static_cast<int>(std::min(made_ - 1, 30U))));
  milliseconds pause(static_cast<milliseconds::rep>(bound * random_()));
  if (outcome.server_asks) pause = std::max(pause, *outcome.server_asks);
  if (clock_.steady() + pause > started_ + policy_.budget) return std::nullopt;
  return pause;
}

}  // namespace pail::http
