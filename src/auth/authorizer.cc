#include "pailfs/auth/authorizer.h"
#include "pailfs/base/stop.h"

#include <atomic>
#include <cstdlib>

#include "auth/iam.h"
#include "auth/sigv4.h"
#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"

namespace pail::auth {
namespace {

// Server dates have whole seconds, and answers take their time: what is below is noise. Stores accept 15 minutes.
constexpr std::chrono::seconds kSkewNoise{30};

class AnonymousAuthorizer : public Authorizer {
 public:
  Result<Unit> authorize(http::Request& request, const PayloadHash&, StopToken) override {
    request.headers.remove("Authorization");
    return Unit{};
  }
  bool refresh_after_refusal(const http::Request&, StopToken) override { return false; }
  bool note_server_date(WallTime) override { return false; }
  std::string describe() const override { return auth::describe(Credentials(Anonymous{})); }
  std::string service_instance_id() const override { return {}; }
};

class HmacAuthorizer : public Authorizer {
 public:
  HmacAuthorizer(HmacKeys keys, std::string region, const Clock& clock)
      : signer_(std::move(keys), std::move(region)), clock_(clock) {}

  Result<Unit> authorize(http::Request& request, const PayloadHash& payload, StopToken) override {
    return signer_.sign(request, payload, clock_.wall() + skew_.load());
  }

  bool refresh_after_refusal(const http::Request&, StopToken) override { return false; }

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
