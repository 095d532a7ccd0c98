// When to try again: full-jitter exponential backoff within a budget. Pure: it neither sleeps nor sends.
//
//   Backoff backoff(policy);
//   for (;;) {
//     auto reply = client.send(sign(request));
//     auto pause = backoff.next(reply ? Outcome::of(*reply, clock.wall()) : Outcome::of(reply.error()));
//     if (!pause) return reply;
//     wait(*pause);
//   }
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/http/message.h"

namespace pail::http {

// Statuses and errnos that may go away by themselves: 408, 425, 429, 500, 502, 503, 504; lost, refused and timed-out
// connections and names that do not resolve. Never TLS trouble, cancellation or a request that cannot be sent.
bool is_retryable_status(int status);
bool is_retryable_errnum(int errnum);

// The pause a server asks for, in seconds or as an HTTP date; none when absent or malformed; at most an hour.
std::optional<std::chrono::milliseconds> retry_after(const Headers& headers, WallTime now);

// An HTTP date in its preferred form (`Sun, 06 Nov 1994 08:49:37 GMT`), as in Date and Last-Modified.
std::optional<WallTime> parse_http_date(std::string_view text);

// What became of one attempt.
struct Outcome {
  enum class Kind { done, try_again };
  Kind kind = Kind::done;  // done: success, or a failure that will not change
  std::optional<std::chrono::milliseconds> server_asks;

  static Outcome of(const Response& response, WallTime now);
  static Outcome of(const Error& error);
};

struct RetryPolicy {
  std::chrono::milliseconds first_pause{100};  // upper bound of the first pause; doubles with each attempt
  std::chrono::milliseconds longest_pause{20'000};
  std::chrono::milliseconds budget{60'000};  // from the first attempt to the start of the last
  unsigned attempts = 10;                    // in all
};

// The attempts of one operation. One thread at a time.
class Backoff {
 public:
  using Random = std::function<double()>;  // uniform in [0, 1)

  // `clock` is borrowed. Without `random`, a generator of the calling thread serves.
  explicit Backoff(RetryPolicy policy, const Clock& clock = system_clock(), Random random = {});

  // How long to wait before the next attempt; none when there should not be one. The pause is random between zero and
  // the bound, so that clients that failed together do not return together; a server's wish is a lower bound to it.
  std::optional<std::chrono::milliseconds> next(const Outcome& outcome);

  unsigned attempts_made() const { return made_; }

 private:
  RetryPolicy policy_;
  const Clock& clock_;
  Random random_;
  SteadyTime started_;
  unsigned made_ = 0;
};

}  // namespace pail::http
