// One call on the wire, from the signature to the verdict, without a thread that waits: authorize,
// send, read, judge, pause, try again, follow redirects, refresh credentials, end once. The only
// place that does any of these.
//
//   exchange(service, object_call("HEAD", "bucket", "key"), context, [](Answer answer) { ... });
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "base/mutex.h"
#include "cos/attempt.h"
#include "cos/request_log.h"
#include "cos/retry_decider.h"
#include "pailfs/base/secret.h"
#include "pailfs/base/stop.h"

namespace pail::cos {

// What a streamed call asks for and gets, over all its attempts.
class Sink {
 public:
  virtual ~Sink() = default;
  // Adds to a request what is still missing, such as the range.
  virtual void ask(http::Headers& headers) = 0;
  virtual std::unique_ptr<AnswerReader> reader() = 0;
};

// How a call ended.
struct Answer {
  std::string what;              // Call::what
  http::Response response;       // of the last attempt; its body when that was Complete
  Verdict verdict;               // of the last attempt; of Complete the body has been moved
  std::optional<Error> failure;  // unless Complete; names the call

  // The server's words where that was the end; else null.
  const ServerError* refusal() const {
    const auto* refused = std::get_if<Refused>(&verdict);
    return refused == nullptr ? nullptr : &refused->refusal;
  }
};

// `then` is called once, on a network thread or the timer's, never inside of this call. The whole
// body of a success is kept, or given to `sink`.
void exchange(Service& service, Call call, CallContext context, std::function<void(Answer)> then);
void exchange(Service& service, Call call, std::shared_ptr<Sink> sink, CallContext context,
              std::function<void(Answer)> then);

// The response, or the error of an operation that has nothing to add to it.
Result<http::Response> response_of(Answer answer);

// The state machine behind exchange(). What happens to it happens one after the other, on whichever
// thread; only the completion is also taken by who leaves early.
class Exchange final : public std::enable_shared_from_this<Exchange> {
 public:
  // `sink` may be null. `context` has a budget.
  Exchange(Service& service, Call call, std::shared_ptr<Sink> sink, const CallContext& context,
           std::function<void(Answer)> then);
  void begin();

 private:
  // Where an attempt went, and what proved who we are.
  struct Sent {
    std::string url;
    Secret authorization;
  };
  struct Authorizing {};
  struct InFlight {
    Sent sent;
  };
  struct Refreshing {  // after a refusal that other credentials may lift
    bool clock_corrected;
  };
  // Ended early by a stop. The task that ends the pause also ends this: the callback must not
  // outlive the timer.
  using Pausing = std::unique_ptr<StopCallback>;
  struct Ended {};
  using State = std::variant<Authorizing, InFlight, Refreshing, Pausing, Ended>;

  void attempt();
  http::Request make_request() const;
  void authorized(auth::Authorization answer);
  void send(http::Request request);

  void judge(Judged judged);
  void judge_loss(const Lost& lost);
  void judge_refusal(const ServerError& refusal);
  void refresh();
  void refreshed(bool changed);
  void end_refused(const ServerError& refusal);

  void again(const Error& failure);  // at once
  void end_or_pause(Error failure, std::optional<std::chrono::milliseconds> pause);
  void end_late();  // of the token
  void end_stopped();
  void end(std::optional<Error> failure);
  // The caller of a call that goes on has left.
  void leave() PAIL_EXCLUDES(mutex_);
  std::function<void(Answer)> take_completion() PAIL_EXCLUDES(mutex_);
  bool stopped() const { return ends_.stop_requested() || caller_stop_.stop_requested(); }

  Service& service_;  // outlives running_
  const std::unique_ptr<const Call> call_;
  const std::shared_ptr<Sink> sink_;
  const StopToken caller_stop_;
  const Lane lane_;
  std::shared_ptr<void> running_;
  RetryDecider decider_;
  RequestLog log_;
  StopSource ends_;  // what is under way
  std::optional<StopCallback> on_caller_stop_, on_service_stop_;

  State state_ = Authorizing{};
  std::string redirected_to_;  // empty: where the call's address is
  Answer answer_;              // of the last attempt
  bool uncertain_ = false;     // an attempt without a clear answer may have been carried out

  Mutex mutex_;
  std::function<void(Answer)> then_ PAIL_GUARDED_BY(mutex_);  // null: the caller has been told
};

}  // namespace pail::cos
