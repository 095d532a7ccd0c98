#include "cos/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/thread.h"
#include "cos/redirect.h"
#include "cos/request_log.h"
#include "pailfs/base/stop.h"

namespace pail::cos {
namespace {

using std::chrono::milliseconds;

bool is_success(int status) {
  return status >= 200 && status < 300;
}

// A call that only finds out whether the store is back.
bool is_probe(const Link& link, const CallContext& context) {
  return context.effort == Effort::probe && link.health->down();
}

}  // namespace

CallContext as_one_operation(const Link& link, CallContext context, milliseconds bound) {
  if (context.budget != nullptr) return context;
  if (bound == milliseconds(0)) bound = link.options.deadline;
  if (is_probe(link, context)) bound = std::min(bound, kProbeTime);
  context.budget = std::make_shared<http::Budget>(bound);
  return context;
}

milliseconds server_work_bound(const Link& link) {
  return 2 * link.options.deadline;
}

RetryDecider::RetryDecider(const Link& link, const CallContext& context)
    : link_(link),
      budget_(context.budget),
      started_(system_clock().steady()),
      attempts_(is_probe(link, context) ? 1 : link.options.retries + 1) {
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

void RetryDecider::failed(const Error& failure) {
  if (!exhausted_) {
    const bool answered = failure.fault != Fault::none && failure.fault != Fault::lost;
    if (answered && failure.fault != Fault::not_a_store) link_.health->answered();
    return;
  }
  // What ended early, by a connection that broke or an answer that asks for hours, says little of the store.
  const bool waited = system_clock().steady() - started_ >= budget_->bound() / 2;
  if (waited || (failure.fault == Fault::lost && attempts_made() > 1)) link_.health->used_up(started_, failure.context);
}

std::optional<std::string> RetryDecider::redirected(const http::Request& request, const ServerError& refusal) {
  if (!is_redirect(refusal.status) || refusal.status == 303 || redirects_ >= kMostRedirects) return std::nullopt;
  ++redirects_;
  return redirect_target(request.url, refusal.redirect_to, link_.options.url);
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
  return pause({http::Outcome::Kind::try_again, http::retry_after(headers, system_clock().wall())});
}

bool RetryDecider::may_be_credentials(const ServerError& refusal) const {
  constexpr auto kOthers =
      std::to_array<std::string_view>({"InvalidObjectState", "ObjectAlreadyInActiveTierError", "QuotaExceeded"});
  if (credentials_tried_) return false;
  if (refusal.code == "ExpiredToken" || refusal.code == "InvalidToken") return true;
  if (refusal.status != 401 && refusal.status != 403) return false;
  return std::ranges::find(kOthers, refusal.code) == kOthers.end();
}

bool RetryDecider::credentials_changed(const http::Request& request, const ServerError& refusal,
                                       const http::Headers& headers, StopToken stop) {
  if (!may_be_credentials(refusal)) return false;
  credentials_tried_ = true;
  bool changed = false;
  if (const auto date = headers.find("Date"))
    if (const auto server_time = http::parse_http_date(*date))
      changed = link_.authorizer->note_server_date(*server_time);
  return link_.authorizer->refresh_after_refusal(request, std::move(stop)) || changed;
}

void RetryDecider::limit(http::Request& request, milliseconds first_byte) const {
  const milliseconds left = std::max(milliseconds(1), budget_->left());
  request.budget = budget_;
  request.deadlines.connect = std::min(request.deadlines.connect, left);
  request.deadlines.first_byte = first_byte;
  request.deadlines.stall = std::min(request.deadlines.stall, link_.options.first_byte);
}

namespace {

Fault fault_of_loss(int errnum) {
  if (http::is_retryable_errnum(errnum) || errnum == EPROTO) return Fault::lost;
  if (errnum == EMSGSIZE || errnum == EBADMSG) return Fault::not_a_store;
  return errnum == EACCES || errnum == EPERM ? Fault::denied : Fault::none;
}

}  // namespace

Error loss_error(std::string_view what, const Error& loss) {
  int errnum = loss.errnum;
  if (errnum == ECANCELED) errnum = EINTR;
  if (errnum == ECONNRESET) errnum = EIO;
  if (errnum == EMSGSIZE) errnum = EBADMSG;
  return Error{errnum, fmt::format("{}: {}", what, loss.context), fault_of_loss(loss.errnum)};
}

namespace {

// The server may have carried out what it answers so.
bool leaves_doubt(const ServerError& refusal) {
  const Fault fault = fault_of(refusal);
  return (refusal.status >= 500 && fault != Fault::unsupported && fault != Fault::quota) || fault == Fault::not_a_store;
}

// The state of one blocking operation.
class Exchange {
 public:
  Exchange(const Link& link, Call call, const CallContext& context)
      : link_(link), call_(std::move(call)), stop_(context.stop), decider_(link, context), log_(call_.what) {}

  Answer run() {
    for (;;) {
      const auto pause = attempt();
      if (!pause) break;
      log_.repeated(*answer_.failure, *pause);
      if (!sleep_for(*pause, stop_)) {
        answer_.failure = Error{EINTR, call_.what + ": interrupted"};
        break;
      }
    }
    if (answer_.failure && decider_.attempts_made() > 1)
      answer_.failure->context += fmt::format(", after {} attempts", decider_.attempts_made());
    if (answer_.failure) answer_.failure->may_have_happened = uncertain_;
    log_.ended(answer_.response.headers);
    answer_.failure ? decider_.failed(*answer_.failure) : decider_.succeeded();
    return std::move(answer_);
  }

 private:
  // The pause before the next attempt, none when answer_ is final.
  std::optional<milliseconds> attempt() {
    answer_ = {};
    http::Request request = call_.request;
    decider_.limit(request, std::max(call_.bound, link_.options.first_byte));
    if (call_.repetition == Repetition::matters) request.dead_connection = http::DeadConnection::tell;
    if (auto authorized = link_.authorizer->authorize(request, call_.payload, stop_); !authorized) {
      answer_.failure = loss_error(call_.what, authorized.error());
      return std::nullopt;
    }
    auto response = call_.late ? link_.http->send(request, stop_, *call_.late) : link_.http->send(request, stop_);
    if (!response) return lost(response.error());
    answer_.response = *std::move(response);
    return judge(request);
  }

  std::optional<milliseconds> lost(const Error& loss) {
    answer_.failure = loss_error(call_.what, loss);
    // Without a connection nothing was sent.
    if (loss.errnum != ECONNREFUSED && loss.errnum != EHOSTUNREACH && loss.errnum != ENETUNREACH) uncertain_ = true;
    if (stop_.stop_requested()) return std::nullopt;
    return decider_.after_loss(loss);
  }

  std::optional<milliseconds> judge(const http::Request& request) {
    const http::Response& response = answer_.response;
    ServerError refusal;
    if (is_success(response.status)) {
      if (call_.kind == AnswerKind::plain || !parse_embedded_error(response.headers, response.body, refusal))
        return std::nullopt;
    } else {
      refusal = parse_server_error(response.status, response.headers, response.body);
    }
    answer_.refusal = refusal;
    answer_.failure = to_error(call_.what, refusal);
    if (auto target = decider_.redirected(request, refusal)) {
      call_.request.url = *std::move(target);
      return milliseconds(0);
    }
    if (decider_.credentials_changed(request, refusal, response.headers, stop_)) return milliseconds(0);
    if (leaves_doubt(refusal)) uncertain_ = true;
    // The answer to a HEAD never holds a code: head_object() looks closer.
    if (request.method == "HEAD" && refusal.status == 404) return std::nullopt;
    return decider_.after_refusal(refusal, response.headers);
  }

  const Link& link_;
  Call call_;
  StopToken stop_;
  RetryDecider decider_;
  RequestLog log_;
  Answer answer_;
  bool uncertain_ = false;  // an attempt without a clear answer may have been carried out
};

}  // namespace

Answer exchange(const Link& link, Call call, CallContext context) {
  const std::chrono::milliseconds bound = call.bound;
  return Exchange(link, std::move(call), as_one_operation(link, std::move(context), bound)).run();
}

Result<http::Response> response_of(Answer answer) {
  if (answer.failure) return *std::move(answer.failure);
  return std::move(answer.response);
}

}  // namespace pail::cos
