#include "cos/ranged_get.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "cos/request_log.h"
#include "pailfs/base/stop.h"

namespace pail::cos {
namespace {

using std::chrono::milliseconds;

// A transfer that moved this far before it broke has earned a fresh budget. Less would let a server that sends a byte
// an answer keep a reader for ever.
constexpr ByteCount kProgress = 16_KiB;
// Answers that break the protocol are asked for again this often: a proxy may have cut them.
constexpr unsigned kBrokenAnswers = 3;
// A rest of this size is read and dropped; a larger one costs less when the connection is closed.
constexpr ByteCount kDrained = 256_KiB;

class RangedGet final : public http::ResponseHandler, public std::enable_shared_from_this<RangedGet> {
 public:
  RangedGet(const GetEnvironment& environment, GetRequest request, std::shared_ptr<GetHandler> handler,
            const CallContext& context)
      : environment_(environment),
        what_("GET " + target_text(request.bucket, request.key)),
        request_(std::move(request)),
        pinned_(request_.if_match),
        position_(request_.range.begin),
        handler_(std::move(handler)),
        decider_(environment.link, context),
        log_(what_) {}

  void begin(const StopToken& stop) {
    running_ = environment_.running.enter();
    const auto cancel = [this] { cancelled_.request_stop(); };
    on_user_stop_.emplace(stop, cancel);
    on_client_stop_.emplace(environment_.running.stop_token(), cancel);
    if (auto valid = check(); !valid) return finish(std::move(valid).error());
    attempt();
  }

  bool on_head(int status, const http::Headers& headers) override {
    status_ = status;
    answer_headers_ = headers;
    if (status == 206) return accept_part(headers);
    if (status == 200) return accept_whole(headers);
    return true;
  }

  bool on_data(std::span<const std::byte> bytes) override {
    if (phase_ == Phase::refused) return keep_error_body(bytes);
    const std::size_t skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_.n, bytes.size()));
    skip_.n -= skipped;
    bytes = bytes.subspan(skipped);
    const ByteCount wanted = end_ - position_;
    const bool surplus = bytes.size() > wanted.n;
    if (surplus) bytes = bytes.first(static_cast<std::size_t>(wanted.n));
    if (!bytes.empty()) {
      position_ = position_ + ByteCount{bytes.size()};
      decider_.budget().renew();
      if (!handler_->on_data(bytes)) {
        refused_by_handler_ = true;
        return false;
      }
    }
    if (!surplus && position_ < end_) return true;
    return drain_;
  }

  void on_done(Result<Unit> outcome) override {
    if (refused_by_handler_ || cancelled_.stop_requested()) return finish(interrupted());
    if (broken_) return again_after_broken_answer();
    if (phase_ == Phase::delivering) return finish_delivery(outcome);
    // The head alone tells what a refusal is, whether or not its body arrived.
    if (outcome || status_ != 0) return judge_refusal();
    again(loss_error(what_, outcome.error()), decider_.after_loss(outcome.error()));
  }

 private:
  enum class Phase { refused, delivering };  // until a good head has come, an answer counts as a refusal

  Result<Unit> check() const {
    PAIL_CHECK(check_bucket(request_.bucket));
    PAIL_CHECK(check_key(request_.key));
    if (request_.range.empty()) return Error{EINVAL, what_ + ": the range is empty"};
    return Unit{};
  }

  void attempt() {
    waiting_.reset();
    if (cancelled_.stop_requested()) return finish(interrupted());
    phase_ = Phase::refused;
    status_ = 0;
    broken_.reset();
    skip_ = {};
    drain_ = true;
    error_body_.clear();
    attempt_began_at_ = position_;
    answer_headers_ = {};
    sent_ = make_request();
    auto authorized = environment_.link.authorizer->authorize(sent_, auth::PayloadHash::empty(), cancelled_.token());
    if (!authorized && authorized.error().errnum == EDEADLK && !off_network_thread_) {
      // A token must be waited for, and this thread serves other transfers.
      off_network_thread_ = true;
      environment_.timer.run_now([self = shared_from_this()] { self->attempt(); });
      return;
    }
    if (!authorized) return finish(loss_error(what_, authorized.error()));
    environment_.link.http->start(sent_, shared_from_this(), cancelled_.token());
  }

  http::Request make_request() const {
    http::Request request;
    request.method = "GET";
    request.url =
        redirected_to_.empty() ? environment_.addresses.object(request_.bucket, request_.key, {}) : redirected_to_;
    request.headers.set("Range", range_text({position_, request_.range.end}));
    if (!pinned_.empty()) request.headers.set("If-Match", pinned_.text);
    decider_.limit(request, environment_.link.options.first_byte);
    return request;
  }

  // ---- heads ----

  bool accept_part(const http::Headers& headers) {
    const auto field = headers.find("Content-Range");
    const auto range = field ? parse_content_range(*field) : std::nullopt;
    if (!range || range->extent.empty()) return reject("an answer 206 without a valid Content-Range");
    const ByteOffset object_end = range->knows_total() ? ByteOffset{range->total.n} : request_.range.end;
    const ByteOffset expected_end = std::min(request_.range.end, object_end);
    if (range->extent.begin != position_ || range->extent.end != expected_end)
      return reject(
          fmt::format("asked for {}, got {}", range_text({position_, request_.range.end}), range_text(range->extent)));
    const auto length = byte_count_header(headers, "Content-Length");
    if (length && *length != range->extent.size()) return reject("Content-Length and Content-Range disagree");
    return accept(headers, range->extent.end, range->knows_total() ? range->total : ByteCount{range->extent.end.n});
  }

  // The whole object although a range was asked for: the bytes before it are skipped, those behind it dropped.
  bool accept_whole(const http::Headers& headers) {
    const auto length = byte_count_header(headers, "Content-Length");
    if (!length) return reject("an answer 200 to a ranged GET without Content-Length");
    const ByteOffset end = std::min(request_.range.end, ByteOffset{length->n});
    if (end < position_ && position_ > request_.range.begin) return changed();
    skip_ = ByteCount{std::min(position_.n, length->n)};
    const ByteCount rest = ByteCount{length->n - std::min(end.n, length->n)};
    drain_ = rest <= kDrained;
    return accept(headers, std::max(end, position_), *length);
  }

  bool accept(const http::Headers& headers, ByteOffset end, ByteCount object_size) {
    ObjectInfo info = object_info(headers);
    // Every store tells the version it sends. What comes without is no object: a proxy's page, an error's text.
    if (info.etag.empty()) return reject("the answer has no ETag");
    if (!pinned_.empty() && !same_version(info.etag, pinned_)) return changed();
    info.size = object_size;
    pinned_ = info.etag;
    if (info_ && info_->size != info.size) return changed();
    info_ = std::move(info);
    end_ = end;
    phase_ = Phase::delivering;
    return true;
  }

  bool reject(std::string why) {
    broken_ = not_a_store(fmt::format("{}: {}", what_, why));
    return false;
  }

  bool changed() { return fail(Error{ESTALE, what_ + ": the object changed while it was read", Fault::precondition}); }

  bool fail(Error error) {
    final_failure_ = true;
    broken_ = std::move(error);
    return false;
  }

  // ---- ends ----

  void finish_delivery(const Result<Unit>& outcome) {
    if (position_ == end_) return finish(*info_);
    const Error loss = outcome ? Error{ECONNRESET, "the answer ended before its last byte"} : Error{outcome.error()};
    if (position_ - attempt_began_at_ >= kProgress) decider_.start_anew();
    again(loss_error(what_, loss), decider_.after_loss(loss));
  }

  void again_after_broken_answer() {
    if (final_failure_ || ++broken_answers_ >= kBrokenAnswers) return finish(*broken_);
    again(*broken_, decider_.after_loss(Error{ECONNRESET, ""}));
  }

  bool keep_error_body(std::span<const std::byte> bytes) {
    const std::size_t room = static_cast<std::size_t>(kMaxErrorBody.n) - error_body_.size();
    error_body_.append(reinterpret_cast<const char*>(bytes.data()), std::min(room, bytes.size()));
    return error_body_.size() < kMaxErrorBody.n;
  }

  void judge_refusal() {
    if (status_ == 412)
      return finish(
          Error{ESTALE, what_ + ": the object is no longer the version that was asked for", Fault::precondition});
    if (status_ == 416) return judge_unsatisfiable();
    const ServerError refusal = parse_server_error(status_, answer_headers_, error_body_);
    if (auto target = decider_.redirected(sent_, refusal)) {
      redirected_to_ = *std::move(target);
      return again(to_error(what_, refusal), milliseconds(0));
    }
    if (decider_.may_be_credentials(refusal)) return try_other_credentials(refusal);
    again(to_error(what_, refusal), decider_.after_refusal(refusal, answer_headers_));
  }

  // Nothing of the range is in the object.
  void judge_unsatisfiable() {
    if (position_ > request_.range.begin)
      return finish(Error{ESTALE, what_ + ": the object became shorter", Fault::precondition});
    const auto field = answer_headers_.find("Content-Range");
    const ContentRange range = (field ? parse_content_range(*field) : std::nullopt).value_or(ContentRange{});
    const bool empty_object = request_.range.begin.n == 0;
    if (!empty_object && !range.knows_total())
      return finish(to_error(what_, parse_server_error(416, answer_headers_, error_body_)));
    ObjectInfo info = object_info(answer_headers_);
    if (range.knows_total()) info.size = range.total;
    if (info.etag.empty()) info.etag = pinned_;
    finish(std::move(info));
  }

  // Waits for a token, which a network thread must not do.
  void try_other_credentials(ServerError refusal) {
    environment_.timer.run_now([self = shared_from_this(), refusal = std::move(refusal)] {
      RetryDecider& decider = self->decider_;
      const bool changed =
          decider.credentials_changed(self->sent_, refusal, self->answer_headers_, self->cancelled_.token());
      self->again(to_error(self->what_, refusal),
                  changed ? milliseconds(0) : decider.after_refusal(refusal, self->answer_headers_));
    });
  }

  // Another attempt after `pause`, or the end with `failure`.
  void again(Error failure, std::optional<milliseconds> pause) {
    if (!pause) {
      if (decider_.attempts_made() > 1) failure.context += fmt::format(", after {} attempts", decider_.attempts_made());
      return finish(std::move(failure));
    }
    log_.repeated(failure, *pause);
    // The callback must not outlive this wait, nor be made twice: the task itself removes it.
    runtime::Timer& timer = environment_.timer;
    const runtime::Timer::Id id = timer.announce();
    waiting_.emplace(cancelled_.token(), [&timer, id] { timer.hurry(id); });
    timer.run_after(*pause, id, [self = shared_from_this()] { self->attempt(); });
  }

  Error interrupted() const { return Error{EINTR, what_ + ": interrupted"}; }

  void finish(Result<ObjectInfo> outcome) {
    on_user_stop_.reset();
    on_client_stop_.reset();
    log_.ended(answer_headers_);
    outcome ? decider_.succeeded() : decider_.failed(outcome.error());
    const std::shared_ptr<GetHandler> handler = std::move(handler_);
    // Once it is gone the client may go, and all that environment_ names.
    const std::shared_ptr<void> running = std::move(running_);
    handler->on_done(std::move(outcome));
  }

  const GetEnvironment environment_;
  const std::string what_;
  const GetRequest request_;
  ETag pinned_;
  std::string redirected_to_;  // empty: where the address says
  ByteOffset position_;        // the next byte to deliver
  ByteOffset end_;             // where this answer's part of the range ends
  std::shared_ptr<GetHandler> handler_;
  std::shared_ptr<void> running_;
  RetryDecider decider_;
  RequestLog log_;
  StopSource cancelled_;
  std::optional<StopCallback> on_user_stop_, on_client_stop_, waiting_;

  // Of the attempt under way:
  Phase phase_ = Phase::refused;
  int status_ = 0;
  http::Request sent_;
  http::Headers answer_headers_;
  std::string error_body_;
  std::optional<Error> broken_;  // the answer breaks the protocol, or cannot be used
  ByteCount skip_;               // bytes of the body before the range
  bool drain_ = true;            // read what follows the range, so that the connection can be used again
  ByteOffset attempt_began_at_;

  std::optional<ObjectInfo> info_;
  bool final_failure_ = false;
  bool refused_by_handler_ = false;
  bool off_network_thread_ = false;
  unsigned broken_answers_ = 0;
};

}  // namespace

std::shared_ptr<void> RunningTransfers::enter() {
  {
    MutexLock lock(mutex_);
    ++running_;
  }
  return {this, [](RunningTransfers* all) { all->leave(); }};
}

void RunningTransfers::leave() {
  MutexLock lock(mutex_);
  --running_;
  changed_.notify_all();
}

void RunningTransfers::stop_all() {
  stop_.request_stop();
  MutexLock lock(mutex_);
  while (running_ > 0) changed_.wait(mutex_);
}

void start_ranged_get(const GetEnvironment& environment, GetRequest request, std::shared_ptr<GetHandler> handler,
                      CallContext context) {
  context = as_one_operation(environment.link, std::move(context));
  std::make_shared<RangedGet>(environment, std::move(request), std::move(handler), context)->begin(context.stop);
}

}  // namespace pail::cos
