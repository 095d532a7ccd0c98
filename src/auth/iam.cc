#include "auth/iam.h"

#include <cerrno>
#include <utility>

#include "auth/json.h"
#include "base/encoding.h"
#include "base/log.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/url.h"

namespace pail::auth {
namespace {

using std::chrono::milliseconds;

constexpr ByteCount kLargestAnswer = 256_KiB;
constexpr http::Deadlines kDeadlines{milliseconds(5'000), milliseconds(10'000), milliseconds(5'000)};
// The pauses between flights.
constexpr http::RetryPolicy kPauses{milliseconds(500), milliseconds(30'000), std::chrono::hours(24 * 365), ~0U};
// A refused key is not asked about again for this long: a locked account stays locked.
constexpr milliseconds kPauseAfterRefusal{10'000};
constexpr milliseconds kPauseAfterForced{60'000};

bool is_loopback(std::string_view host) {
  return host == "localhost" || host == "[::1]" || host.starts_with("127.");
}

// Keys and tokens are worth money: they travel over TLS, or not beyond this machine.
Result<Unit> check_protected(std::string_view url) {
  if (url.starts_with("https://")) return Unit{};
  PAIL_TRY(const http::Url parsed, http::parse_url(url));
  if (parsed.scheme == "https" || is_loopback(parsed.host)) return Unit{};
  return Error{EPROTO, fmt::format("{}: an API key or its token is sent over https only (or to this machine itself)",
                                   quote(parsed.origin()))};
}

// "https://iam.cloud.ibm.com" alone means its usual path.
std::string full_endpoint(const std::string& endpoint) {
  const auto url = http::parse_url(endpoint);
  if (!url || url->path != "/" || !url->query.empty()) return endpoint;
  return url->origin() + "/identity/token";
}

// With what the last request for a token failed of, as that is what was waited for.
Error cancelled(const std::optional<Error>& failure) {
  constexpr std::string_view kCancelled = "cancelled while waiting for a token";
  return {ECANCELED, failure ? fmt::format("{}: {}", kCancelled, failure->context) : std::string(kCancelled)};
}

}  // namespace

// Receives one answer of the token service.
class TokenFlight : public http::ResponseHandler {
 public:
  TokenFlight(std::shared_ptr<TokenKeeper> keeper, SteadyTime asked) : keeper_(std::move(keeper)), asked_(asked) {}

  bool on_head(int status, const http::Headers& headers) override {
    reply_.status = status;
    reply_.headers = headers;
    return true;
  }
  bool on_data(std::span<const std::byte> bytes) override {
    if (reply_.body.size() + bytes.size() > kLargestAnswer.n) return false;
    reply_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return true;
  }
  void on_done(Result<Unit> outcome) override {
    if (outcome)
      keeper_->finish_flight(std::move(reply_), asked_);
    else
      keeper_->finish_flight(std::move(outcome).error(), asked_);
  }

 private:
  const std::shared_ptr<TokenKeeper> keeper_;
  const SteadyTime asked_;
  http::Response reply_;
};

// Given up or told of the landing: whichever takes `then` first.
struct TokenKeeper::Waiter {
  explicit Waiter(std::function<void(Flight)> then) : then(std::move(then)) {}

  std::function<void(Flight)> then;
  std::optional<StopCallback> on_stop;
};

TokenKeeper::TokenKeeper(IamApiKey key, http::Client& client, const Clock& clock)
    : key_{std::move(key.key), std::move(key.instance_id), full_endpoint(key.token_endpoint)},
      client_(client),
      clock_(clock),
      not_before_(clock.steady()),
      next_forced_(clock.steady()) {}

TokenKeeper::Freshness TokenKeeper::freshness(SteadyTime now) const {
  if (!token_ || now >= token_->end) return Freshness::unusable;
  const auto life = token_->end - token_->begin, left = token_->end - now;
  if (left * 100 < life * 17) return Freshness::renew_now;
  return left * 4 < life ? Freshness::renew_soon : Freshness::fresh;
}

void TokenKeeper::launch() {
  in_flight_ = true;
  http::Request request;
  request.method = "POST";
  request.url = key_.token_endpoint;
  request.deadlines = kDeadlines;
  request.headers = {{"Accept", "application/json"},
                     {"Content-Type", "application/x-www-form-urlencoded"},
                     {"Authorization", "Basic Yng6Yng="},  // client "bx", as IBM's own tools say
                     {"Cache-Control", "no-cache"}};
  request.body =
      http::body_from_string("grant_type=urn:ibm:params:oauth:grant-type:apikey&response_type=cloud_iam&apikey=" +
                             percent_encode(key_.key.reveal()));
  client_.start(std::move(request), std::make_shared<TokenFlight>(shared_from_this(), clock_.steady()),
                flight_stop_.token());
}

void TokenKeeper::finish_flight(Result<http::Response> reply, SteadyTime asked) {
  const http::Outcome outcome = reply ? http::Outcome::of(*reply, clock_.wall()) : http::Outcome::of(reply.error());
  Result<Token> token = reply ? token_of(*reply, asked) : Result<Token>(std::move(reply).error());
  std::vector<std::shared_ptr<Waiter>> waiters;
  {
    const MutexLock lock(mutex_);
    in_flight_ = false;
    waiters.swap(waiters_);
    take(std::move(token), outcome);
  }
  for (const auto& waiter : waiters) std::exchange(waiter->then, nullptr)(Flight::landed);
}

void TokenKeeper::take(Result<Token> token, const http::Outcome& outcome) {
  if (token) {
    token_ = *std::move(token);
    failure_.reset();
    backoff_.reset();
    not_before_ = clock_.steady();
    return;
  }
  failure_ = std::move(token).error();
  failure_may_pass_ = outcome.kind == http::Outcome::Kind::try_again;
  if (!backoff_) backoff_.emplace(kPauses, clock_);
  const auto pause = backoff_->next(outcome);
  not_before_ = clock_.steady() + pause.value_or(kPauseAfterRefusal);
  if (!flight_stop_.stop_requested())
    spdlog::warn("IAM: {}{}", failure_->context, token_ ? "; the present token stays in use while it is valid" : "");
}

Result<TokenKeeper::Token> TokenKeeper::token_of(const http::Response& reply, SteadyTime asked) const {
  if (reply.status != 200) return refusal_of(reply);
  PAIL_TRY(TokenAnswer answer, parse_token_answer(reply.body, clock_.wall()));
  return Token{Secret(std::string("Bearer ").append(answer.access_token.reveal())), asked, asked + answer.lifetime};
}

// A server that echoes what it was sent must not bring the key into a log.
std::string TokenKeeper::scrub(std::string text) const {
  constexpr std::string_view kInstead = "[key]";  // may hold the key again: what was replaced is not looked at
  const std::string_view key = key_.key.reveal();
  if (key.empty()) return text;
  for (std::size_t at = 0; (at = text.find(key, at)) != std::string::npos; at += kInstead.size())
    text.replace(at, key.size(), kInstead);
  return text;
}

Error TokenKeeper::refusal_of(const http::Response& reply) const {
  const TokenRefusal refusal = parse_token_refusal(reply.body);
  const bool refused = reply.status == 400 || reply.status == 401 || reply.status == 403;
  std::string text = fmt::format("{}: status {}", quote(key_.token_endpoint), reply.status);
  if (!refusal.message.empty()) text += fmt::format(", {}", quote(scrub(refusal.message)));
  if (!refusal.code.empty()) text += fmt::format(" ({})", quote(scrub(refusal.code)));
  if (refused && refusal.message.find("could not be found") != std::string::npos)
    text += "; the API key was deleted, is mistyped, or belongs to another cloud";
  return Error{refused ? EACCES : EIO, std::move(text)};
}

bool TokenKeeper::await_flight(const StopToken& stop, std::function<void(Flight)> then) {
  const auto waiter = std::make_shared<Waiter>(std::move(then));
  {
    const MutexLock lock(mutex_);
    if (!in_flight_) return false;
    waiters_.push_back(waiter);
  }
  // Outside of the lock, which it takes at once where `stop` was requested before.
  waiter->on_stop.emplace(stop, [keeper = weak_from_this(), waiting = std::weak_ptr(waiter)] {
    const auto self = keeper.lock();
    const auto who = waiting.lock();
    if (self && who) self->give_up(who);
  });
  return true;
}

void TokenKeeper::give_up(const std::shared_ptr<Waiter>& waiter) {
  {
    const MutexLock lock(mutex_);
    if (std::erase(waiters_, waiter) == 0) return;
  }
  std::exchange(waiter->then, nullptr)(Flight::given_up);
}

std::optional<TokenKeeper::Bearer> TokenKeeper::present_bearer() {
  const SteadyTime now = clock_.steady();
  const Freshness state = freshness(now);
  if (state == Freshness::fresh) return token_->bearer;
  const bool pausing = now < not_before_;
  if (!pausing && !in_flight_) launch();
  if (state == Freshness::renew_soon || (state == Freshness::renew_now && pausing)) return token_->bearer;
  if (!pausing || !failure_ || in_flight_) return std::nullopt;
  if (!failure_may_pass_) return Unauthorized{*failure_, std::nullopt};
  return Unauthorized{*failure_, std::chrono::ceil<milliseconds>(not_before_ - now)};
}

std::optional<TokenKeeper::Bearer> TokenKeeper::bearer(const StopToken& stop, std::function<void(Bearer)> later) {
  if (auto valid = check_protected(key_.token_endpoint); !valid)
    return Unauthorized{std::move(valid).error(), std::nullopt};
  for (;;) {
    std::optional<Error> failure;
    {
      const MutexLock lock(mutex_);
      if (auto present = present_bearer()) return present;
      failure = failure_;
    }
    if (stop.stop_requested()) return Unauthorized{cancelled(failure), std::nullopt};
    const auto ask_again = [self = shared_from_this(), stop, later, failure](Flight flight) {
      if (flight == Flight::given_up) return later(Unauthorized{cancelled(failure), std::nullopt});
      if (auto bearer = self->bearer(stop, later)) later(*std::move(bearer));
    };
    if (await_flight(stop, ask_again)) return std::nullopt;
  }
}

bool TokenKeeper::has_other_than(std::string_view refused_bearer) const {
  return token_ && token_->end > clock_.steady() && token_->bearer.reveal() != refused_bearer;
}

std::optional<bool> TokenKeeper::renew_after_refusal(std::string_view refused_bearer, const StopToken& stop,
                                                     std::function<void(bool)> later) {
  {
    const MutexLock lock(mutex_);
    if (has_other_than(refused_bearer)) return true;
    if (!in_flight_) {
      const SteadyTime now = clock_.steady();
      if (now < next_forced_ || now < not_before_) return false;
      next_forced_ = now + kPauseAfterForced;
      launch();
    }
  }
  const auto look = [self = shared_from_this(), refused = Secret(std::string(refused_bearer))] {
    const MutexLock lock(self->mutex_);
    return self->has_other_than(refused.reveal());
  };
  const auto landed = [look, later = std::move(later)](Flight flight) { later(flight == Flight::landed && look()); };
  if (await_flight(stop, landed)) return std::nullopt;
  return look();
}

namespace {

Authorization with_bearer(http::Request request, TokenKeeper::Bearer bearer) {
  if (auto* failure = std::get_if<Unauthorized>(&bearer)) return std::move(*failure);
  request.headers.set("Authorization", std::string(std::get<Secret>(bearer).reveal()));
  return request;
}

class IamAuthorizer : public Authorizer {
 public:
  IamAuthorizer(IamApiKey key, http::Client& client, const Clock& clock)
      : keeper_(std::make_shared<TokenKeeper>(std::move(key), client, clock)) {}
  ~IamAuthorizer() override { keeper_->stop(); }

  std::optional<Authorization> authorize(http::Request request, const PayloadHash&, const StopToken& stop,
                                         std::function<void(Authorization)> later) override {
    if (auto valid = check_protected(request.url); !valid) return Unauthorized{std::move(valid).error(), std::nullopt};
    auto bearer = keeper_->bearer(stop, [request, later = std::move(later)](TokenKeeper::Bearer answer) {
      later(with_bearer(request, std::move(answer)));
    });
    if (!bearer) return std::nullopt;
    return with_bearer(std::move(request), *std::move(bearer));
  }

  std::optional<bool> refresh_after_refusal(std::string_view refused, const StopToken& stop,
                                            std::function<void(bool)> later) override {
    return keeper_->renew_after_refusal(refused, stop, std::move(later));
  }

  bool note_server_date(WallTime) override { return false; }  // lifetimes are counted, not compared with dates

  std::string describe() const override { return auth::describe(Credentials(keeper_->key())); }
  std::string service_instance_id() const override { return keeper_->key().instance_id; }

 private:
  const std::shared_ptr<TokenKeeper> keeper_;
};

}  // namespace

std::unique_ptr<Authorizer> make_iam_authorizer(IamApiKey key, http::Client& client, const Clock& clock) {
  return std::make_unique<IamAuthorizer>(std::move(key), client, clock);
}

}  // namespace pail::auth
