// Turns a request into one that the store accepts: a signature, a bearer token, or nothing.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "pailfs/auth/credentials.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"
#include "pailfs/http/client.h"
#include "pailfs/http/message.h"

namespace pail::auth {

// What a signature says about the body.
class PayloadHash {
 public:
  static PayloadHash unsigned_payload();              // TLS, Content-MD5 or a checksum header protects it
  static PayloadHash empty();                         // there is no body
  static PayloadHash of(std::string_view body);       // SHA-256 of bytes at hand
  static PayloadHash sha256_hex(std::string digest);  // 64 lower-case digits, computed by the caller
  const std::string& text() const { return text_; }   // as in x-amz-content-sha256

 private:
  explicit PayloadHash(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Why a request could not be authorized. Errors: EACCES the key is unknown or locked, with the text
// of the token service; ETIMEDOUT, ECONNREFUSED, EHOSTUNREACH, ... no token could be had;
// ECANCELED a stop was requested; EPROTO a token would travel in clear text.
struct Unauthorized {
  Error why;
  // The trouble may pass: nothing is sent to the token service before this time is over.
  std::optional<std::chrono::milliseconds> try_again;
};

// The request as it may be sent now.
using Authorization = std::variant<http::Request, Unauthorized>;

// Thread-safe. Authorize each attempt anew: signatures and tokens grow old. Nothing here waits, except
// where it says so.
class Authorizer {
 public:
  virtual ~Authorizer() = default;

  // Adds what proves who we are; replaces what an earlier call added. URL, method and headers must be
  // final: all x-amz-*, ibm-*, content-*, range and if-* headers are signed.
  // Ready at once, or none: `later` is then called once with the answer, on any thread, also before
  // this call has returned, and as soon as `stop` is requested. It must not wait.
  virtual std::optional<Authorization> authorize(http::Request request, const PayloadHash& payload,
                                                 const StopToken& stop, std::function<void(Authorization)> later) = 0;

  // After 401 or 403 to a request with this Authorization field, empty when it had none: true when
  // other credentials are at hand now, so that one more attempt makes sense. At once or later, as
  // authorize(). At most one new token a minute is fetched for this reason.
  virtual std::optional<bool> refresh_after_refusal(std::string_view refused, const StopToken& stop,
                                                    std::function<void(bool)> later) = 0;

  // The same, waiting, for at most 25 s of trouble that may pass. Not on a network thread.
  Result<Unit> authorize(http::Request& request, const PayloadHash& payload, StopToken stop = {});
  bool refresh_after_refusal(const http::Request& refused, StopToken stop = {});

  // Tells the server's time (its Date header), to correct signatures for a wrong local clock. Differences below
  // 30 seconds are noise. True when the correction changed, so that an attempt refused for skew is worth repeating.
  virtual bool note_server_date(WallTime server) = 0;

  // What kind and where from, for people; never a secret.
  virtual std::string describe() const = 0;

  // The service instance that IAM credentials belong to, for ibm-service-instance-id; empty when there is none.
  // authorize() itself does not add the header.
  virtual std::string service_instance_id() const = 0;
};

// For credentials that stay as they are. `region` is the scope of signatures ("us-south"); IBM COS accepts any.
// `client` fetches tokens; it and `clock` are borrowed and outlive the authorizer.
std::unique_ptr<Authorizer> make_authorizer(Credentials credentials, std::string region, http::Client& client,
                                            const Clock& clock = system_clock());

// For credentials from files: looks at most once a second whether the file that was taken has changed, and resolves
// `sources` again when it has. A file that became unreadable or malformed is logged, and the old credentials stay.
// `resolved` is what resolve_credentials(sources) returned.
std::unique_ptr<Authorizer> make_reloading_authorizer(Sources sources, Resolved resolved, std::string region,
                                                      http::Client& client, const Clock& clock = system_clock());

// A URL that lets its holder send one request without credentials until `lifetime` has passed.
// `url` is absolute and percent-encoded, its query may hold parameters (response-content-type, versionId).
// Errors: EINVAL `url` is malformed or lifetime is not positive.
Result<std::string> presign(const HmacKeys& keys, std::string_view region, std::string_view method,
                            std::string_view url, std::chrono::seconds lifetime, WallTime now);

}  // namespace pail::auth
