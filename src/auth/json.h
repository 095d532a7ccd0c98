// The JSON documents of authentication: service credentials and answers of the token service.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "pailfs/auth/credentials.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"

namespace pail::auth {

// A service credential as IBM Cloud hands it out, bare or wrapped in "credentials" as its command line prints it.
// HMAC keys win over the API key. Errors: EINVAL "line N: ..." or which member is missing, never the content.
Result<Credentials> parse_service_credential(std::string_view text);

struct TokenAnswer {
  Secret access_token;
  std::chrono::seconds lifetime;
};
// Errors: EPROTO. `now` serves answers that say when a token ends, not how long it lives.
Result<TokenAnswer> parse_token_answer(std::string_view text, WallTime now);

struct TokenRefusal {
  std::string code, message;  // both may be empty; untrusted
};
TokenRefusal parse_token_refusal(std::string_view text);

}  // namespace pail::auth
