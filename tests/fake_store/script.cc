#include "fake_store/script.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <type_traits>

#include "base/thread.h"
#include "cos/errors.h"
#include "pailfs/base/clock.h"

namespace pail::fake {
namespace {

// How a store says it.
struct Words {
  Fault fault;
  int status;
  std::string_view code;  // empty: no word of a store
};

constexpr auto kWords = std::to_array<Words>({
    {Fault::no_key, 404, "NoSuchKey"},
    {Fault::no_version, 404, "NoSuchVersion"},
    {Fault::no_bucket, 404, "NoSuchBucket"},
    {Fault::no_upload, 404, "NoSuchUpload"},
    {Fault::exists, 409, "ObjectAlreadyExists"},
    {Fault::not_empty, 409, "BucketNotEmpty"},
    {Fault::precondition, 412, "PreconditionFailed"},
    {Fault::redirect, 307, "TemporaryRedirect"},
    {Fault::denied, 403, "AccessDenied"},
    {Fault::unknown_key_id, 403, "InvalidAccessKeyId"},
    {Fault::wrong_signature, 403, "SignatureDoesNotMatch"},
    {Fault::wrong_clock, 403, "RequestTimeTooSkewed"},
    {Fault::wrong_token, 400, "ExpiredToken"},
    {Fault::credentials, 403, "InvalidSecurity"},
    {Fault::retained, 451, ""},
    {Fault::archived, 403, "InvalidObjectState"},
    {Fault::busy, 503, "SlowDown"},
    {Fault::trouble, 500, "InternalError"},
    {Fault::quota, 507, "VaultQuotaExceeded"},
    {Fault::unsupported, 501, "NotImplemented"},
    {Fault::refused, 400, "InvalidArgument"},
    {Fault::not_a_store, 404, ""},
});

// What the client says beside any of these: an attempt may have been carried out.
bool leaves_doubt(Fault fault) {
  return fault == Fault::lost || fault == Fault::trouble || fault == Fault::busy ||
         fault == Fault::not_a_store;
}

Error in_words(const std::string& what, Fault fault) {
  const auto words = std::ranges::find(kWords, fault, &Words::fault);
  if (fault == Fault::stopped) return cos::loss_error(what, {ECANCELED, "interrupted"});
  if (words == kWords.end()) return cos::loss_error(what, {ETIMEDOUT, "no answer came"});
  cos::ServerError error;
  error.status = words->status;
  error.code = words->code;
  error.has_store_code = !words->code.empty();
  return cos::to_error(what, error);
}

}  // namespace

Error error_of(const std::string& what, const Trouble& trouble) {
  Error error = in_words(what, trouble.fault);
  const bool perhaps = trouble.at == Moment::after || leaves_doubt(trouble.fault);
  error.may_have_happened = trouble.may_have_happened.value_or(perhaps);
  return error;
}

// ---- who waits for whom ----

std::uint64_t Wake::generation() const {
  const MutexLock lock(mutex_);
  return generation_;
}

void Wake::bump() {
  const MutexLock lock(mutex_);
  ++generation_;
  changed_.notify_all();
}

void Wake::wait_beyond(std::uint64_t generation) const {
  const MutexLock lock(mutex_);
  while (generation_ <= generation) changed_.wait(mutex_);
}

void Gate::arrive() {
  const MutexLock lock(mutex_);
  ++arrived_;
  changed_.notify_all();
}

void Gate::open() {
  const MutexLock lock(mutex_);
  open_ = true;
}

bool Gate::is_open() const {
  const MutexLock lock(mutex_);
  return open_;
}

bool Gate::await(unsigned requests) const {
  const auto until = system_clock().steady() + std::chrono::seconds(10);
  const MutexLock lock(mutex_);
  while (arrived_ < requests)
    if (!changed_.wait_until(mutex_, until)) return arrived_ >= requests;
  return true;
}

Hold::Hold(std::shared_ptr<Wake> wake) : handle_(std::make_shared<Handle>()) {
  handle_->wake = std::move(wake);
}

void Hold::Handle::release() const {
  gate->open();
  wake->bump();
}

// ---- the rules ----

void Script::add(Match match, Action action) {
  rules_.push_back({std::move(match), std::move(action)});
}

// Counts the request.
bool Script::strikes(Rule& rule) {
  const unsigned before = rule.matched++;
  return before >= rule.match.after && before - rule.match.after < rule.match.times;
}

Plan Script::plan(Operation operation, const std::string& key) {
  Plan plan;
  const auto way = [&](Moment moment) -> Plan::Way& {
    return moment == Moment::before ? plan.there : plan.back;
  };
  for (Rule& rule : rules_) {
    const bool meant = (!rule.match.operation || *rule.match.operation == operation) &&
                       (rule.match.key.empty() || rule.match.key == key);
    if (!meant || !strikes(rule)) continue;
    std::visit(
        [&](const auto& action) {
          using A = std::decay_t<decltype(action)>;
          if constexpr (std::is_same_v<A, Trouble>) {
            if (!plan.trouble) plan.trouble = action;
          } else if constexpr (std::is_same_v<A, Cut>) {
            if (!plan.cut) plan.cut = action;
          } else if constexpr (std::is_same_v<A, Delay>) {
            way(action.moment).delay += action.time;
          } else {
            way(action.moment).gates.push_back(action.gate);
          }
        },
        rule.action);
  }
  return plan;
}

std::optional<Trouble> Script::trouble_of(const std::string& deleted_key) {
  for (Rule& rule : rules_) {
    const auto* trouble = std::get_if<Trouble>(&rule.action);
    const bool meant = rule.match.operation == Operation::delete_objects &&
                       rule.match.key == deleted_key && trouble != nullptr;
    if (meant && strikes(rule)) return *trouble;
  }
  return std::nullopt;
}

}  // namespace pail::fake
