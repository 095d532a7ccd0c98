// Bearer tokens of IBM Cloud's identity service: fetched once, shared by all requests, renewed before they end.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mutex.h"
#include "pailfs/auth/authorizer.h"
#include "pailfs/auth/credentials.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/client.h"
#include "pailfs/http/retry.h"

namespace pail::auth {

// Holds the current token. In the last 25 % of its life it is renewed in the background, in the last
// 17 % requests wait for the new one. At most one request to the token service is under way. While the service fails, a
// token that is still valid stays in use.
//
// Thread-safe. Kept alive by the request under way; stop() ends that.
class TokenKeeper : public std::enable_shared_from_this<TokenKeeper> {
 public:
  TokenKeeper(IamApiKey key, http::Client& client, const Clock& clock);

  // "Bearer <token>", for the Authorization header. At once or, with none, `later`: as
  // Authorizer::authorize().
  using Bearer = std::variant<Secret, Unauthorized>;
  std::optional<Bearer> bearer(const StopToken& stop, std::function<void(Bearer)> later) PAIL_EXCLUDES(mutex_);

  // True when the current token is another than the refused one, after fetching it where that has not
  // just been done.
  std::optional<bool> renew_after_refusal(std::string_view refused_bearer, const StopToken& stop,
                                          std::function<void(bool)> later) PAIL_EXCLUDES(mutex_);

  void stop() { flight_stop_.request_stop(); }
  const IamApiKey& key() const { return key_; }

 private:
  friend class TokenFlight;
  enum class Freshness { fresh, renew_soon, renew_now, unusable };
  struct Token {
    Secret bearer;
    SteadyTime begin, end;
  };

  void finish_flight(Result<http::Response> reply, SteadyTime asked) PAIL_EXCLUDES(mutex_);
  void take(Result<Token> token, const http::Outcome& outcome) PAIL_REQUIRES(mutex_);
  Result<Token> token_of(const http::Response& reply, SteadyTime asked) const;
  Error refusal_of(const http::Response& reply) const;
  std::string scrub(std::string text) const;
  Freshness freshness(SteadyTime now) const PAIL_REQUIRES(mutex_);
  void launch() PAIL_REQUIRES(mutex_);
  // What there is to say without waiting; none while a flight, perhaps launched here, is under way.
  std::optional<Bearer> present_bearer() PAIL_REQUIRES(mutex_);
  bool has_other_than(std::string_view refused_bearer) const PAIL_REQUIRES(mutex_);

  // Whoever waits for the end of a flight.
  struct Waiter;
  enum class Flight { landed, given_up };  // given up: `stop` came first
  // False, and `then` is not kept, when no flight is under way.
  bool await_flight(const StopToken& stop, std::function<void(Flight)> then) PAIL_EXCLUDES(mutex_);
  void give_up(const std::shared_ptr<Waiter>& waiter) PAIL_EXCLUDES(mutex_);

  const IamApiKey key_;
  http::Client& client_;
  const Clock& clock_;
  StopSource flight_stop_;

  mutable Mutex mutex_;
  std::optional<Token> token_ PAIL_GUARDED_BY(mutex_);
  bool in_flight_ PAIL_GUARDED_BY(mutex_) = false;
  std::vector<std::shared_ptr<Waiter>> waiters_ PAIL_GUARDED_BY(mutex_);
  std::optional<Error> failure_ PAIL_GUARDED_BY(mutex_);  // of the last flight
  bool failure_may_pass_ PAIL_GUARDED_BY(mutex_) = false;
  std::optional<http::Backoff> backoff_ PAIL_GUARDED_BY(mutex_);  // since the last success
  SteadyTime not_before_ PAIL_GUARDED_BY(mutex_);                 // no flight starts earlier
  SteadyTime next_forced_ PAIL_GUARDED_BY(mutex_);                // no renewal for a refusal earlier
};

std::unique_ptr<Authorizer> make_iam_authorizer(IamApiKey key, http::Client& client, const Clock& clock);

}  // namespace pail::auth
