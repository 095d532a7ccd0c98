// The identity service beside the store: API keys and refresh tokens in, bearer tokens out.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <string_view>

#include "emulator/request.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/secret.h"

namespace pail::emulator {

// Thread-safe. Tokens are signed with the API key, so they outlive a restart of the server. Without
// an API key there are no tokens: anybody could sign one with an empty key.
class Iam {
 public:
  Iam(Secret api_key, std::chrono::seconds lifetime) : api_key_(std::move(api_key)), lifetime_(lifetime.count()) {}

  // Answers POST /identity/token with this form as its body.
  Response token(const std::string& form, WallTime now, const std::string& request_id) const;
  // Is this a token of ours that has neither expired nor been revoked?
  bool accepts(std::string_view bearer, WallTime now) const;
  void revoke_all() { ++generation_; }
  void set_lifetime(std::chrono::seconds lifetime) { lifetime_ = lifetime.count(); }

 private:
  std::string make(std::string_view kind, std::int64_t expires) const;
  bool valid(std::string_view kind, std::string_view token, WallTime now) const;

  Secret api_key_;
  std::atomic<std::int64_t> lifetime_;  // seconds
  std::atomic<unsigned> generation_{0};
};

}  // namespace pail::emulator
