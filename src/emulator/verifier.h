// The server's half of AWS Signature Version 4: recomputes what a client must have signed.
//
// Written from the specification and not from the client's signer: code that checks itself agrees with its mistakes.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "emulator/api_error.h"
#include "emulator/request.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/secret.h"

namespace pail::emulator {

enum class PayloadKind { unsigned_payload, whole_hash, signed_chunks, unsigned_chunks_trailer, signed_chunks_trailer };

// What a verified request says about its body.
struct SignedPayload {
  PayloadKind kind = PayloadKind::unsigned_payload;
  std::string sha256_hex;  // whole_hash: of the body
  // For signed chunks: each chunk's signature continues from the one before, the first from `seed`.
  std::string seed, signing_key, timestamp, scope;
};

// Thread-safe. Any region is accepted: the key is derived from the scope the client names.
class Verifier {
 public:
  // With an empty key or secret nobody is let in.
  Verifier(std::string access_key, Secret secret) : access_key_(std::move(access_key)), secret_(std::move(secret)) {}

  // Checks the Authorization header or the X-Amz-Signature parameter. Errors: InvalidAccessKeyId, AccessDenied
  // (malformed, expired, or a header that must be signed was not), SignatureDoesNotMatch, RequestTimeTooSkewed.
  ApiResult<SignedPayload> verify(const Request& request, WallTime now) const;

 private:
  struct Claim;
  static ApiResult<Claim> claim_of_header(const Request& request);
  static ApiResult<Claim> claim_of_query(const Request& request);
  std::string signing_key(const std::string& date, const std::string& region) const PAIL_EXCLUDES(mutex_);

  std::string access_key_;
  Secret secret_;
  mutable Mutex mutex_;
  mutable std::map<std::string, std::string> keys_ PAIL_GUARDED_BY(mutex_);  // by date/region; a few
};

std::string hmac_sha256(std::string_view key, std::string_view text);  // 32 raw bytes
bool equal_in_constant_time(std::string_view a, std::string_view b);

}  // namespace pail::emulator
