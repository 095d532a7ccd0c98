#include "cos/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

namespace pail::cos {
namespace {

using std::chrono::milliseconds;

bool is_success(int status) {
  return status >= 200 && status < 300;
}

// False when `stop` came first.
bool wait_for(milliseconds pause, std::stop_token stop) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

milliseconds elapsed(SteadyTime since, const Clock& clock) {
  return std::chrono::duration_cast<milliseconds>(clock.steady() - since);
}

}  // namespace

RetryDecider::RetryDecider(const Link& link) : link_(link) {
  start_anew();
}

void RetryDecider::start_anew() {
  started_ = clock_.steady();
  http::RetryPolicy policy;
  policy.budget = link_.options.deadline;
  backoff_.emplace(policy, clock_);
}

std::optional<milliseconds> RetryDecider::after_loss(const Error& loss) {
  return backoff_->next(http::Outcome::of(loss));
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
  return backoff_->next({http::Outcome::Kind::try_again, http::retry_after(headers, clock_.wall())});
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
                                       const http::Headers& headers, std::stop_token stop) {
  if (!may_be_credentials(refusal)) return false;
  credentials_tried_ = true;
  bool changed = false;
  if (const auto date = headers.find("Date"))
    if (const auto server_time = http::parse_http_date(*date))
      changed = link_.authorizer->note_server_date(*server_time);
  return link_.authorizer->refresh_after_refusal(request, std::move(stop)) || changed;
}

http::Deadlines RetryDecider::deadlines() const {
  constexpr milliseconds kLeast{1000};
  http::Deadlines deadlines;
  const milliseconds left = std::max(kLeast, link_.options.deadline - elapsed(started_, clock_));
  deadlines.connect = std::min(deadlines.connect, left);
  deadlines.first_byte = std::min(link_.options.first_byte, left);
  deadlines.stall = std::min(deadlines.stall, link_.options.first_byte);
  return deadlines;
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
  Exchange(const Link& link, Call call, std::stop_token stop)
      : link_(link), call_(std::move(call)), stop_(std::move(stop)), decider_(link) {}

  Answer run() {
    for (;;) {
      const auto pause = attempt();
      if (!pause) break;
      if (!wait_for(*pause, stop_)) {
        answer_.failure = Error{EINTR, call_.what + ": interrupted"};
        break;
      }
    }
    if (answer_.failure && decider_.attempts_made() > 1)
      answer_.failure->context += fmt::format(", after {} attempts", decider_.attempts_made());
    if (answer_.failure) answer_.failure->may_have_happened = uncertain_;
    return std::move(answer_);
  }

 private:
  // The pause before the next attempt, none when answer_ is final.
  std::optional<milliseconds> attempt() {
    answer_.failure.reset();
    answer_.refusal.reset();
    http::Request request = call_.request;
    request.deadlines = decider_.deadlines();
    if (call_.repetition == Repetition::matters) request.dead_connection = http::DeadConnection::tell;
    if (call_.first_byte > milliseconds(0)) request.deadlines.first_byte = call_.first_byte;
    if (auto authorized = link_.authorizer->authorize(request, call_.payload, stop_); !authorized) {
      answer_.failure = loss_error(call_.what, authorized.error());
      return std::nullopt;
    }
    const SteadyTime sent = system_clock().steady();
    auto response = link_.http->send(request, stop_);
    excuse_moving_body(request, sent);
    if (!response) return lost(response.error());
    answer_.response = *std::move(response);
    return judge(request);
  }

  // An attempt that outlasted the stall limit was moving its body.
  void excuse_moving_body(const http::Request& request, SteadyTime sent) {
    const auto spent = system_clock().steady() - sent;
    if (request.body != nullptr && spent > request.deadlines.stall) decider_.clock().excuse(spent);
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
    if (decider_.credentials_changed(request, refusal, response.headers, stop_)) return milliseconds(0);
    if (leaves_doubt(refusal)) uncertain_ = true;
    // The answer to a HEAD never holds a code: head_object() looks closer.
    if (request.method == "HEAD" && refusal.status == 404) return std::nullopt;
    return decider_.after_refusal(refusal, response.headers);
  }

  const Link& link_;
  Call call_;
  std::stop_token stop_;
  RetryDecider decider_;
  Answer answer_;
  bool uncertain_ = false;  // an attempt without a clear answer may have been carried out
};

}  // namespace

Answer exchange(const Link& link, Call call, std::stop_token stop) {
  return Exchange(link, std::move(call), std::move(stop)).run();
}

Result<http::Response> response_of(Answer answer) {
  if (answer.failure) return *std::move(answer.failure);
  return std::move(answer.response);
}

}  // namespace pail::cos
