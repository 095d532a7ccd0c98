#include "auth/iam.h"

#include <cerrno>

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
// The pauses between flights; how long a caller waits in all is kPatience.
constexpr http::RetryPolicy kPauses{milliseconds(500), milliseconds(30'000), std::chrono::hours(24 * 365), ~0U};
constexpr milliseconds kPatience{25'000};
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
  const bool cancelled = !token && token.error().errnum == ECANCELED;
  const MutexLock lock(mutex_);
  in_flight_ = false;
  changed_.notify_all();
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
  if (!cancelled)
    spdlog::warn("IAM: {}{}", failure_->context, token_ ? "; the present token stays in use while it is valid" : "");
}

Result<TokenKeeper::Token> TokenKeeper::token_of(const http::Response& reply, SteadyTime asked) const {
  if (reply.status != 200) return refusal_of(reply);
  PAIL_TRY(TokenAnswer answer, parse_token_answer(reply.body, clock_.wall()));
  return Token{Secret(std::string("Bearer ").append(answer.access_token.reveal())), asked, asked + answer.lifetime};
}

// A server that echoes what it was sent must not bring the key into a log.
std::string TokenKeeper::scrub(std::string text) const {
  for (std::size_t at; !key_.key.empty() && (at = text.find(key_.key.reveal())) != std::string::npos;)
    text.replace(at, key_.key.reveal().size(), "[key]");
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

bool TokenKeeper::join_flight(const StopToken& stop) {
  while (in_flight_ && !stop.stop_requested()) changed_.wait(mutex_);
  return !stop.stop_requested();
}

bool TokenKeeper::sit_out_pause(const StopToken& stop) {
  const auto until = system_clock().steady() + (not_before_ - clock_.steady());
  while (!in_flight_ && failure_ && !stop.stop_requested() && system_clock().steady() < until)
    (void)changed_.wait_until(mutex_, std::chrono::time_point_cast<std::chrono::steady_clock::duration>(until));
  return !stop.stop_requested();
}

Result<Secret> TokenKeeper::bearer(const StopToken& stop) {
  PAIL_CHECK(check_protected(key_.token_endpoint));
  const auto deadline = system_clock().steady() + kPatience;
  const StopCallback wake(stop, [this]() PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);  // between a waiter's look at `stop` and its sleep nothing may be missed
    changed_.notify_all();
  });
  const MutexLock lock(mutex_);
  for (;;) {
    const Freshness state = freshness(clock_.steady());
    if (state == Freshness::fresh) return token_->bearer;
    const bool pausing = clock_.steady() < not_before_;
    if (!pausing && !in_flight_) launch();
    const bool may_wait = !client_.on_network_thread();
    if (state == Freshness::renew_soon || (state == Freshness::renew_now && (pausing || !may_wait)))
      return token_->bearer;
    if (!may_wait) return Error{EDEADLK, "waiting for a token on the network thread that has to receive it"};
    if (state == Freshness::unusable && pausing && failure_) {
      if (!failure_may_pass_ || system_clock().steady() >= deadline) return *failure_;
      if (!sit_out_pause(stop)) return cancelled(failure_);
    }
    if (!join_flight(stop)) return cancelled(failure_);
  }
}

bool TokenKeeper::renew_after_refusal(std::string_view refused_bearer, const StopToken& stop) {
  const StopCallback wake(stop, [this]() PAIL_EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    changed_.notify_all();
  });
  const MutexLock lock(mutex_);
  const auto have_another = [&]() PAIL_REQUIRES(mutex_) {
    return token_ && token_->end > clock_.steady() && token_->bearer.reveal() != refused_bearer;
  };
  if (have_another()) return true;
  if (!in_flight_) {
    const SteadyTime now = clock_.steady();
    if (now < next_forced_ || now < not_before_) return false;
    next_forced_ = now + kPauseAfterForced;
    launch();
  }
  if (client_.on_network_thread()) return false;
  return join_flight(stop) && have_another();
}

namespace {

class IamAuthorizer : public Authorizer {
 public:
  IamAuthorizer(IamApiKey key, http::Client& client, const Clock& clock)
      : keeper_(std::make_shared<TokenKeeper>(std::move(key), client, clock)) {}
  ~IamAuthorizer() override { keeper_->stop(); }

  Result<Unit> authorize(http::Request& request, const PayloadHash&, StopToken stop) override {
    PAIL_CHECK(check_protected(request.url));
    PAIL_TRY(const Secret bearer, keeper_->bearer(stop));
    request.headers.set("Authorization", std::string(bearer.reveal()));
    return Unit{};
  }

  bool refresh_after_refusal(const http::Request& refused, StopToken stop) override {
    return keeper_->renew_after_refusal(refused.headers.find("Authorization").value_or(""), stop);
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
