#include "pailfs/auth/authorizer.h"
#include "pailfs/base/stop.h"

#include <atomic>
#include <cstdlib>

#include "auth/iam.h"
#include "auth/sigv4.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"
#include "base/promise.h"
#include "base/thread.h"

namespace pail::auth {
namespace {

// Server dates have whole seconds, and answers take their time: what is below is noise. Stores accept 15 minutes.
constexpr std::chrono::seconds kSkewNoise{30};

class AnonymousAuthorizer : public Authorizer {
 public:
  std::optional<Authorization> authorize(http::Request request, const PayloadHash&, const StopToken&,
                                         std::function<void(Authorization)>) override {
    request.headers.remove("Authorization");
    return request;
  }
  std::optional<bool> refresh_after_refusal(std::string_view, const StopToken&, std::function<void(bool)>) override {
    return false;
  }
  bool note_server_date(WallTime) override { return false; }
  std::string describe() const override { return auth::describe(Credentials(Anonymous{})); }
  std::string service_instance_id() const override { return {}; }
};

class HmacAuthorizer : public Authorizer {
 public:
  HmacAuthorizer(HmacKeys keys, std::string region, const Clock& clock)
      : signer_(std::move(keys), std::move(region)), clock_(clock) {}

  std::optional<Authorization> authorize(http::Request request, const PayloadHash& payload, const StopToken&,
                                         std::function<void(Authorization)>) override {
    if (auto done = signer_.sign(request, payload, clock_.wall() + skew_.load()); !done)
      return Unauthorized{std::move(done).error(), std::nullopt};
    return request;
  }

  std::optional<bool> refresh_after_refusal(std::string_view, const StopToken&, std::function<void(bool)>) override {
    return false;
  }

  bool note_server_date(WallTime server) override {
    const auto difference = std::chrono::duration_cast<std::chrono::nanoseconds>(server - clock_.wall());
    const auto present = skew_.load();
    if (std::chrono::abs(difference - present) < kSkewNoise) return false;
    skew_ = std::chrono::abs(difference) < kSkewNoise ? std::chrono::nanoseconds(0) : difference;
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(difference).count();
    if (skew_.load().count() != 0)
      spdlog::warn("the local clock is {} s {} the server's; signatures are corrected for it", std::abs(seconds),
                   seconds > 0 ? "behind" : "ahead of");
    return true;
  }

  std::string describe() const override { return auth::describe(Credentials(signer_.keys())); }
  std::string service_instance_id() const override { return {}; }

 private:
  Signer signer_;
  const Clock& clock_;
  std::atomic<std::chrono::nanoseconds> skew_{std::chrono::nanoseconds(0)};  // server's time minus ours
};

}  // namespace

PayloadHash PayloadHash::unsigned_payload() {
  return PayloadHash("UNSIGNED-PAYLOAD");
}

PayloadHash PayloadHash::empty() {
  return PayloadHash("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

PayloadHash PayloadHash::of(std::string_view body) {
  const std::string digest = Digest::of(DigestKind::sha256, bytes_of(body));
  return PayloadHash(to_hex(bytes_of(digest)));
}

PayloadHash PayloadHash::sha256_hex(std::string digest) {
  return PayloadHash(std::move(digest));
}

Result<Unit> Authorizer::authorize(http::Request& request, const PayloadHash& payload, StopToken stop) {
  constexpr std::chrono::milliseconds kPatience{25'000};
  const SteadyTime deadline = system_clock().steady() + kPatience;
  for (;;) {
    const Promise<Authorization> promise;
    auto ready = authorize(request, payload, stop, [promise](Authorization answer) { promise.set(std::move(answer)); });
    Authorization answer = ready ? *std::move(ready) : promise.wait();
    if (auto* authorized = std::get_if<http::Request>(&answer)) {
      request = std::move(*authorized);
      return Unit{};
    }
    Unauthorized& failure = std::get<Unauthorized>(answer);
    if (!failure.try_again || system_clock().steady() >= deadline) return std::move(failure.why);
    if (!sleep_for(*failure.try_again, stop))
      return Error{ECANCELED, "cancelled while waiting for a token: " + failure.why.context};
  }
}

bool Authorizer::refresh_after_refusal(const http::Request& refused, StopToken stop) {
  const Promise<bool> promise;
  const auto ready = refresh_after_refusal(refused.headers.find("Authorization").value_or(""), stop,
                                           [promise](bool changed) { promise.set(changed); });
  return ready ? *ready : promise.wait();
}

std::unique_ptr<Authorizer> make_authorizer(Credentials credentials, std::string region, http::Client& client,
                                            const Clock& clock) {
  if (auto* keys = std::get_if<HmacKeys>(&credentials))
    return std::make_unique<HmacAuthorizer>(std::move(*keys), std::move(region), clock);
  if (auto* key = std::get_if<IamApiKey>(&credentials)) return make_iam_authorizer(std::move(*key), client, clock);
  return std::make_unique<AnonymousAuthorizer>();
}

Result<std::string> presign(const HmacKeys& keys, std::string_view region, std::string_view method,
                            std::string_view url, std::chrono::seconds lifetime, WallTime now) {
  return Signer(keys, std::string(region)).presign(method, url, lifetime, now);
}

}  // namespace pail::auth
