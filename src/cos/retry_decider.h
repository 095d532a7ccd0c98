// What follows each attempt of one operation: another one, after which pause, or the end.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cos/errors.h"
#include "cos/service.h"
#include "pailfs/http/retry.h"

namespace pail::cos {

// The context of all calls of one operation: they share its time, `bound`, or
// ClientOptions::deadline where that is 0. Where one attempt is all, it is the time of a probe.
CallContext as_one_operation(Service& service, CallContext context,
                             std::chrono::milliseconds bound = std::chrono::milliseconds(0));
// How long an operation may last over which the store itself is busy, and silent: copies and
// completed uploads.
std::chrono::milliseconds server_work_bound(const Service& service);

// Also tells the store's health how the operation ended. One thread at a time.
class RetryDecider {
 public:
  // `context` has a budget.
  RetryDecider(Service& service, const CallContext& context);

  // How long to wait before the next attempt, none when this failure is the outcome.
  std::optional<std::chrono::milliseconds> after_loss(const Error& loss);
  std::optional<std::chrono::milliseconds> after_refusal(const ServerError& refusal, const http::Headers& headers);
  std::optional<std::chrono::milliseconds> after_unusable_answer();
  // The token service asks for this pause: says nothing of the store.
  std::optional<std::chrono::milliseconds> without_token(std::chrono::milliseconds asked);

  // True once, when this refusal may be about credentials or the local clock.
  bool tries_credentials(const ServerError& refusal);
  // The URL to go on with at once after `asked` was refused so: a redirect that may be followed.
  std::optional<std::string> redirected(std::string_view asked, const ServerError& refusal);

  // Forgets the attempts that were made: the operation has moved on.
  void start_anew();
  // Gives an attempt its budget and deadlines. `first_byte`: silence that ends it.
  void limit(http::Request& request, std::chrono::milliseconds first_byte) const;
  bool out_of_time() const { return budget_->left() == std::chrono::milliseconds(0); }
  unsigned attempts_made() const { return backoff_->attempts_made(); }

  // Once, at the end.
  void succeeded() { service_.health().answered(); }
  void failed(const Error& failure);

 private:
  const Clock& clock() const { return *service_.options().clock; }
  std::optional<std::chrono::milliseconds> pause(const http::Outcome& outcome);

  Service& service_;
  const std::shared_ptr<http::Budget> budget_;
  const SteadyTime started_;
  const Effort effort_;
  const unsigned attempts_;  // at most
  std::optional<http::Backoff> backoff_;
  bool exhausted_ = false;  // the last failure was final for want of time or attempts alone
  unsigned redirects_ = 0;
  bool credentials_tried_ = false;
  unsigned damaged_bodies_ = 0;
  unsigned strange_answers_ = 0;
  unsigned unusable_answers_ = 0;
};

}  // namespace pail::cos
