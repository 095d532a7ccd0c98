#include "cos/retry_decider.h"

#include <algorithm>
#include <array>

#include "cos/redirect.h"

namespace pail::cos {
namespace {

using std::chrono::milliseconds;

bool tries_once(Service& service, const CallContext& context) {
  return context.effort == Effort::once || (context.effort == Effort::probe && service.health().down());
}

}  // namespace

CallContext as_one_operation(Service& service, CallContext context, milliseconds bound) {
  if (context.budget != nullptr) return context;
  if (bound == milliseconds(0)) bound = service.options().deadline;
  if (tries_once(service, context)) bound = std::min(bound, kProbeTime);
  context.budget = std::make_shared<http::Budget>(bound);
  return context;
}

milliseconds server_work_bound(const Service& service) {
  return 2 * service.options().deadline;
}

RetryDecider::RetryDecider(Service& service, const CallContext& context)
    : service_(service),
      budget_(context.budget),
      started_(clock().steady()),
      effort_(context.effort),
      attempts_(tries_once(service, context) ? 1 : service.options().retries + 1) {
  start_anew();
}

void RetryDecider::start_anew() {
  http::RetryPolicy policy;
  policy.attempts = attempts_;
  policy.budget = std::chrono::hours(24);  // budget_ is what counts
  backoff_.emplace(policy);
}

std::optional<milliseconds> RetryDecider::pause(const http::Outcome& outcome) {
  const auto pause = backoff_->next(outcome);
  exhausted_ = outcome.kind == http::Outcome::Kind::try_again && (!pause || *pause >= budget_->left());
  return exhausted_ ? std::nullopt : pause;
}

std::optional<milliseconds> RetryDecider::after_loss(const Error& loss) {
  return pause(http::Outcome::of(loss));
}

std::optional<milliseconds> RetryDecider::after_refusal(const ServerError& refusal, const http::Headers& headers) {
  // A proxy's own answer may pass; a server that is no store stays none.
  constexpr unsigned kStrangeAnswers = 3;
  const bool strange = fault_of(refusal) == Fault::not_a_store;
  if (strange && ++strange_answers_ >= kStrangeAnswers) return std::nullopt;
  if (!strange && !may_pass(refusal)) return std::nullopt;
  // Bytes damaged on their way arrive whole the next time; bytes that never fit their MD5 do not.
  constexpr unsigned kDamagedBodies = 3;
  const bool damaged = refusal.code == "BadDigest" || refusal.code == "IncompleteBody";
  if (damaged && ++damaged_bodies_ >= kDamagedBodies) return std::nullopt;
  return pause({http::Outcome::Kind::try_again, http::retry_after(headers, clock().wall())});
}

std::optional<milliseconds> RetryDecider::after_unusable_answer() {
  constexpr unsigned kUnusableAnswers = 3;
  if (++unusable_answers_ >= kUnusableAnswers) return std::nullopt;
  return pause({http::Outcome::Kind::try_again, std::nullopt});
}

std::optional<milliseconds> RetryDecider::without_token(milliseconds asked) {
  const auto pause = backoff_->next({http::Outcome::Kind::try_again, asked});
  return pause && *pause < budget_->left() ? pause : std::nullopt;
}

bool RetryDecider::tries_credentials(const ServerError& refusal) {
  constexpr auto kOthers =
      std::to_array<std::string_view>({"InvalidObjectState", "ObjectAlreadyInActiveTierError", "QuotaExceeded"});
  const bool denied = refusal.status == 401 || refusal.status == 403;
  const bool token = refusal.code == "ExpiredToken" || refusal.code == "InvalidToken";
  const bool other = std::ranges::find(kOthers, refusal.code) != kOthers.end();
  if (credentials_tried_ || !(token || (denied && !other))) return false;
  credentials_tried_ = true;
  return true;
}

std::optional<std::string> RetryDecider::redirected(std::string_view asked, const ServerError& refusal) {
  const bool may_follow = is_redirect(refusal.status) && refusal.status != 303;
  if (!may_follow || redirects_ >= kMostRedirects) return std::nullopt;
  ++redirects_;
  return redirect_target(asked, refusal.redirect_to, service_.options().url);
}

void RetryDecider::limit(http::Request& request, milliseconds first_byte) const {
  const milliseconds left = std::max(milliseconds(1), budget_->left());
  request.budget = budget_;
  request.deadlines.connect = std::min(request.deadlines.connect, left);
  request.deadlines.first_byte = first_byte;
  request.deadlines.stall = std::min(request.deadlines.stall, service_.options().first_byte);
}

void RetryDecider::failed(const Error& failure) {
  if (!exhausted_) {
    const bool ended = failure.fault == Fault::none || failure.fault == Fault::stopped;
    const bool answered = !ended && failure.fault != Fault::lost;
    if (answered && failure.fault != Fault::not_a_store) service_.health().answered();
    return;
  }
  if (effort_ == Effort::once) return;
  // What ended early, by a connection that broke or an answer that asks for hours, says little of
  // the store.
  const bool waited = clock().steady() - started_ >= budget_->bound() / 2;
  if (waited || (failure.fault == Fault::lost && attempts_made() > 1))
    service_.health().used_up(started_, failure.context);
}

}  // namespace pail::cos
