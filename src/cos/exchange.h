// One operation on the wire: authorize, send, judge the answer, wait, try again. The only retry loop of blocking calls;
// RangedGet, which must not block, takes its decisions from the same RetryDecider.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cos/errors.h"
#include "cos/store_health.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/client.h"
#include "pailfs/http/retry.h"

namespace pail::cos {

// What every operation of one client uses. Thread-safe.
struct Link {
  std::shared_ptr<http::Client> http;
  std::shared_ptr<auth::Authorizer> authorizer;
  ClientOptions options;
  std::shared_ptr<StoreHealth> health;
};

// The context of all calls of one operation: they share its time, `bound`, or ClientOptions::deadline where that is 0.
// While the store is down and the context says no more than that, it is the time of a probe.
CallContext as_one_operation(const Link& link, CallContext context,
                             std::chrono::milliseconds bound = std::chrono::milliseconds(0));
// How long an operation may last over which the store itself is busy, and silent: copies and completed uploads.
std::chrono::milliseconds server_work_bound(const Link& link);

// Decides what follows each attempt of one operation, and tells the store's health how it ended. One thread at a time.
class RetryDecider {
 public:
  // `context` has a budget.
  RetryDecider(const Link& link, const CallContext& context);

  // How long to wait before the next attempt, none when this failure is the outcome.
  std::optional<std::chrono::milliseconds> after_loss(const Error& loss);
  std::optional<std::chrono::milliseconds> after_refusal(const ServerError& refusal, const http::Headers& headers);

  // After a refusal that other credentials or a corrected clock may lift: true, once, when one more attempt makes
  // sense. May wait for a token.
  bool credentials_changed(const http::Request& request, const ServerError& refusal, const http::Headers& headers,
                           StopToken stop);
  // True when this refusal could be about credentials at all and was not yet tried to lift.
  bool may_be_credentials(const ServerError& refusal) const;

  // The URL to go on with at once after this refusal, when it is a redirect that may be followed.
  std::optional<std::string> redirected(const http::Request& request, const ServerError& refusal);

  // Forgets the attempts that were made: the operation has moved on.
  void start_anew();
  http::Budget& budget() { return *budget_; }
  // Gives an attempt its budget and deadlines. `first_byte`: silence that ends it.
  void limit(http::Request& request, std::chrono::milliseconds first_byte) const;
  unsigned attempts_made() const { return backoff_->attempts_made(); }

  // Once, at the end.
  void succeeded() { link_.health->answered(); }
  void failed(const Error& failure);

 private:
  std::optional<std::chrono::milliseconds> pause(const http::Outcome& outcome);

  const Link& link_;
  const std::shared_ptr<http::Budget> budget_;
  const SteadyTime started_;
  const unsigned attempts_;  // at most
  std::optional<http::Backoff> backoff_;
  bool exhausted_ = false;  // the last failure was final for want of time or attempts alone
  unsigned redirects_ = 0;
  bool credentials_tried_ = false;
  unsigned damaged_bodies_ = 0;
  unsigned strange_answers_ = 0;
};

// Whether a second execution of the same request has the same outcome. Where it has not, no layer below may send twice
// without telling.
enum class Repetition { harmless, matters };

enum class AnswerKind { plain, may_hold_error };  // status 200 with an <Error> inside: copy and complete

struct Call {
  std::string what;    // "PUT bucket/key", safe text
  std::string bucket;  // empty: on the service
  http::Request request;
  auth::PayloadHash payload = auth::PayloadHash::empty();
  AnswerKind kind = AnswerKind::plain;
  Repetition repetition = Repetition::harmless;
  std::chrono::milliseconds bound{0};    // and silence that is endured; 0: as ClientOptions says
  std::optional<http::LateAnswer> late;  // a stop ends the wait for the answer, not the attempt
};

// How an operation ended. With `failure`, `refusal` tells the server's words when there were any.
struct Answer {
  http::Response response;
  std::optional<ServerError> refusal;
  std::optional<Error> failure;
};

// Blocks until the operation has ended.
Answer exchange(const Link& link, Call call, CallContext context);

// The response, or the error of an operation that has nothing to add to it.
Result<http::Response> response_of(Answer answer);

// A failure of the network as the errno and story that callers of the client see.
Error loss_error(std::string_view what, const Error& loss);

}  // namespace pail::cos
