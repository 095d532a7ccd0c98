#include "cos/exchange.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace pail::cos {
namespace {

using std::chrono::milliseconds;

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

// Without a connection nothing was sent.
bool may_have_been_sent(const Error& loss) {
  return loss.errnum != ECONNREFUSED && loss.errnum != EHOSTUNREACH && loss.errnum != ENETUNREACH;
}

Error named(std::string_view what, Error error) {
  error.context = fmt::format("{}: {}", what, error.context);
  return error;
}

// The server may have carried out what it answers so, or what somebody on the way to it answers in its place.
bool leaves_doubt(const ServerError& refusal) {
  const Fault fault = fault_of(refusal);
  const bool trouble = refusal.status >= 500 && fault != Fault::unsupported && fault != Fault::quota;
  const bool is_of_store = refusal.has_store_code || refusal.has_store_header;
  return trouble || fault == Fault::not_a_store || !is_of_store;
}

bool leaves_doubt(const Verdict& verdict) {
  if (const auto* refused = std::get_if<Refused>(&verdict)) return leaves_doubt(refused->refusal);
  const auto* lost = std::get_if<Lost>(&verdict);
  return lost == nullptr || may_have_been_sent(lost->loss);
}

// Answers that only a store gives which has the bucket.
bool shows_bucket(const std::optional<Error>& failure) {
  if (!failure) return true;
  const Fault fault = failure->fault;
  return fault == Fault::no_key || fault == Fault::no_upload || fault == Fault::precondition;
}

}  // namespace

void exchange(Service& service, Call call, std::shared_ptr<Sink> sink, CallContext context,
              std::function<void(Answer)> then) {
  context = as_one_operation(service, std::move(context), call.bound);
  std::make_shared<Exchange>(service, std::move(call), std::move(sink), context, std::move(then))->begin();
}

void exchange(Service& service, Call call, CallContext context, std::function<void(Answer)> then) {
  exchange(service, std::move(call), nullptr, std::move(context), std::move(then));
}

Result<http::Response> response_of(Answer answer) {
  if (answer.failure) return *std::move(answer.failure);
  return std::move(answer.response);
}

Exchange::Exchange(Service& service, Call call, std::shared_ptr<Sink> sink, const CallContext& context,
                   std::function<void(Answer)> then)
    : service_(service),
      call_(std::make_unique<const Call>(std::move(call))),
      sink_(std::move(sink)),
      caller_stop_(context.stop),
      lane_(context.lane),
      running_(service.running().enter()),
      decider_(service, context),
      log_(call_->what, *service.options().clock),
      then_(std::move(then)) {
  answer_.what = call_->what;
}

void Exchange::begin() {
  const std::weak_ptr<Exchange> weak = weak_from_this();
  on_service_stop_.emplace(service_.running().stop_token(), [ends = ends_] { ends.request_stop(); });
  if (!call_->late)
    on_caller_stop_.emplace(caller_stop_, [ends = ends_] { ends.request_stop(); });
  else
    on_caller_stop_.emplace(caller_stop_, [weak] {
      // Whoever asks for the stop must not carry out what follows.
      if (const auto self = weak.lock()) self->service_.timer().run_now([self] { self->leave(); });
    });
  attempt();
}

// ---- one attempt ----

void Exchange::attempt() {
  if (stopped()) return service_.timer().run_now([self = shared_from_this()] { self->end_stopped(); });
  answer_.response = {};
  answer_.verdict = Unsent{};
  state_ = Authorizing{};
  http::Request request = make_request();
  auto ready = service_.authorizer().authorize(
      std::move(request), call_->payload, ends_.token(), [self = shared_from_this()](auth::Authorization later) {
        self->service_.timer().run_now([self, later = std::move(later)] { self->authorized(later); });
      });
  if (!ready) return;
  if (auto* request = std::get_if<http::Request>(&*ready)) return send(std::move(*request));
  service_.timer().run_now([self = shared_from_this(), failed = *std::move(ready)] { self->authorized(failed); });
}

http::Request Exchange::make_request() const {
  http::Request request;
  request.method = call_->method;
  request.url =
      redirected_to_.empty() ? service_.addresses().of(call_->bucket, call_->key, call_->query) : redirected_to_;
  request.headers = call_->headers;
  request.body = call_->body;
  request.lane = lane_;
  if (sink_ != nullptr) sink_->ask(request.headers);
  if (call_->repetition == Repetition::matters) request.dead_connection = http::DeadConnection::tell;
  decider_.limit(request, std::max(call_->bound, service_.options().first_byte));
  return request;
}

void Exchange::authorized(auth::Authorization answer) {
  if (auto* request = std::get_if<http::Request>(&answer)) {
    if (stopped()) return end_stopped();
    return decider_.out_of_time() ? end_late() : send(std::move(*request));
  }
  const auto& failure = std::get<auth::Unauthorized>(answer);
  if (stopped()) answer_.verdict = Stopped{};
  const bool again = failure.try_again && !stopped();
  end_or_pause(loss_error(call_->what, failure.why), again ? decider_.without_token(*failure.try_again) : std::nullopt);
}

void Exchange::send(http::Request request) {
  state_ = InFlight{{request.url, Secret(std::string(request.headers.find("Authorization").value_or("")))}};
  auto reader = sink_ != nullptr ? sink_->reader() : read_whole(call_->largest_answer, call_->kind);
  auto attempt = std::make_shared<Attempt>(
      std::move(reader), [self = shared_from_this()](Judged judged) { self->judge(std::move(judged)); });
  service_.network().start(std::move(request), std::move(attempt), ends_.token());
}

// ---- what became of it ----

void Exchange::judge(Judged judged) {
  answer_.response = {judged.status, std::move(judged.headers), {}};
  answer_.verdict = std::move(judged.verdict);
  if (auto* complete = std::get_if<Complete>(&answer_.verdict)) {
    answer_.response.body = std::move(complete->body);
    return end(std::nullopt);
  }
  if (leaves_doubt(answer_.verdict)) uncertain_ = true;
  if (stopped()) return end_stopped();
  std::visit(overloaded{
                 [&](const Refused& v) { judge_refusal(v.refusal); },
                 [&](const Lost& v) { judge_loss(v); },
                 [&](const Unusable& v) { end_or_pause(named(call_->what, v.why), decider_.after_unusable_answer()); },
                 [&](const Final& v) { end(named(call_->what, v.why)); },
                 [&](const TooLarge& v) {
                   end(not_a_store(fmt::format("{}: the answer is larger than {} bytes", call_->what, v.limit.n)));
                 },
                 [&](const Stopped&) { end_stopped(); },
                 [](const auto&) {},
             },
             Verdict(answer_.verdict));
}

void Exchange::judge_loss(const Lost& lost) {
  if (lost.moved) decider_.start_anew();
  end_or_pause(loss_error(call_->what, lost.loss), decider_.after_loss(lost.loss));
}

void Exchange::judge_refusal(const ServerError& refusal) {
  if (auto target = decider_.redirected(std::get<InFlight>(state_).sent.url, refusal)) {
    redirected_to_ = *std::move(target);
    return again(to_error(call_->what, refusal));
  }
  if (decider_.tries_credentials(refusal)) return refresh();
  end_refused(refusal);
}

void Exchange::end_refused(const ServerError& refusal) {
  // The answer to a HEAD never holds a code: whoever asked looks closer.
  const bool unsaid = call_->method == "HEAD" && refusal.status == 404;
  end_or_pause(to_error(call_->what, refusal),
               unsaid ? std::nullopt : decider_.after_refusal(refusal, answer_.response.headers));
}

void Exchange::refresh() {
  bool clock_corrected = false;
  if (const auto date = answer_.response.headers.find("Date"))
    if (const auto server_time = http::parse_http_date(*date))
      clock_corrected = service_.authorizer().note_server_date(*server_time);
  const Secret refused = std::move(std::get<InFlight>(state_).sent.authorization);
  state_ = Refreshing{clock_corrected};
  const auto changed = service_.authorizer().refresh_after_refusal(
      refused.reveal(), ends_.token(), [self = shared_from_this()](bool changed) {
        self->service_.timer().run_now([self, changed] { self->refreshed(changed); });
      });
  if (changed) refreshed(*changed);
}

void Exchange::refreshed(bool changed) {
  if (stopped()) return end_stopped();
  const ServerError refusal = *answer_.refusal();  // what follows forgets the answer
  if (changed || std::get<Refreshing>(state_).clock_corrected) return again(to_error(call_->what, refusal));
  end_refused(refusal);
}

// ---- what follows ----

void Exchange::again(const Error& failure) {
  log_.repeated(failure, milliseconds(0));
  attempt();
}

void Exchange::end_or_pause(Error failure, std::optional<milliseconds> pause) {
  if (!pause) return end(std::move(failure));
  log_.repeated(failure, *pause);
  runtime::Timer& timer = service_.timer();
  const runtime::Timer::Id id = timer.announce();
  state_ = std::make_unique<StopCallback>(ends_.token(), [&timer, id] { timer.hurry(id); });
  timer.run_after(*pause, id, [self = shared_from_this()] { self->attempt(); });
}

// The store was not asked, and is not to blame.
void Exchange::end_late() {
  const Error late{ETIMEDOUT, "the token service was so slow that no time was left to ask the store"};
  end(loss_error(call_->what, late));
}

void Exchange::end_stopped() {
  answer_.verdict = Stopped{};
  end(Error{EINTR, call_->what + ": interrupted", Fault::stopped});
}

void Exchange::end(std::optional<Error> failure) {
  state_ = Ended{};
  on_caller_stop_.reset();
  on_service_stop_.reset();
  log_.ended(answer_.response.headers);
  if (failure) {
    if (decider_.attempts_made() > 1) failure->context += fmt::format(", after {} attempts", decider_.attempts_made());
    failure->may_have_happened = uncertain_;
    decider_.failed(*failure);
  } else {
    decider_.succeeded();
  }
  if (!call_->bucket.empty() && shows_bucket(failure)) service_.bucket_seen().seen(call_->bucket);
  answer_.failure = std::move(failure);
  // Once it is gone the service may go, and with it all that a completion does not hold.
  const std::shared_ptr<void> running = std::move(running_);
  if (const auto then = take_completion())
    then(std::move(answer_));
  else if (!answer_.failure)
    call_->late(answer_.response);
}

void Exchange::leave() {
  if (const auto then = take_completion()) {
    Answer answer;
    answer.what = call_->what;
    answer.verdict = Stopped{};
    answer.failure = Error{EINTR, call_->what + ": interrupted", Fault::stopped};
    answer.failure->may_have_happened = true;
    then(std::move(answer));
  }
}

std::function<void(Answer)> Exchange::take_completion() {
  const MutexLock lock(mutex_);
  return std::exchange(then_, nullptr);
}

}  // namespace pail::cos
