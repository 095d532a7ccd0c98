#include "auth/json.h"

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/log.h"

namespace pail::auth {
namespace {

using Json = nlohmann::json;

// No token of any service lives longer; a larger number is a mistake or an attack.
constexpr std::chrono::seconds kLongestLifetime = std::chrono::hours(24 * 30);
constexpr std::size_t kLongestToken = 64 << 10;

Json parse_quietly(std::string_view text) {
  return Json::parse(text, nullptr, false);
}

// A string member, empty when it is absent or something else.
std::string text_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::optional<std::int64_t> number_member(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

Result<Json> parse_with_line(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {  // its text quotes the content: only the place is told
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(error.byte, text.size()));
    return Error{EINVAL, fmt::format("line {}: not valid JSON", 1 + std::count(text.begin(), end, '\n'))};
  }
}

bool is_token_text(std::string_view text) {
  return !text.empty() && text.size() <= kLongestToken &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

Result<Credentials> parse_service_credential(std::string_view text) {
  PAIL_TRY(const Json document, parse_with_line(text));
  const Json* object = &document;
  if (object->is_array() && object->size() == 1) object = &object->front();
  if (object->is_object() && object->contains("credentials")) object = &object->at("credentials");
  if (!object->is_object()) return Error{EINVAL, "not a service credential: no JSON object"};

  if (const auto found = object->find("cos_hmac_keys"); found != object->end() && !found->is_null()) {
    if (!found->is_object()) return Error{EINVAL, "cos_hmac_keys is not an object"};
    HmacKeys keys{text_member(*found, "access_key_id"), Secret(text_member(*found, "secret_access_key")), Secret()};
    if (keys.access_key_id.empty() || keys.secret_access_key.empty())
      return Error{EINVAL, "cos_hmac_keys needs access_key_id and secret_access_key"};
    return Credentials(std::move(keys));
  }
  IamApiKey key{Secret(text_member(*object, "apikey")), text_member(*object, "resource_instance_id")};
  if (key.key.empty()) return Error{EINVAL, "neither cos_hmac_keys nor apikey is in it"};
  if (std::string endpoint = text_member(*object, "iam_auth_endpoint"); !endpoint.empty())
    key.token_endpoint = std::move(endpoint);
  return Credentials(std::move(key));
}

Result<TokenAnswer> parse_token_answer(std::string_view text, WallTime now) {
  const Json answer = parse_quietly(text);
  if (!answer.is_object()) return Error{EPROTO, "the token service's answer is not a JSON object"};
  std::string token = text_member(answer, "access_token");
  if (!is_token_text(token)) return Error{EPROTO, "the token service's answer has no access_token"};
  std::optional<std::int64_t> seconds = number_member(answer, "expires_in");
  if (!seconds)
    if (const auto end = number_member(answer, "expiration"))
      seconds = *end - std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  if (!seconds || *seconds <= 0)
    return Error{EPROTO, "the token service's answer does not say how long the token lives"};
  return TokenAnswer{Secret(std::move(token)), std::min(std::chrono::seconds(*seconds), kLongestLifetime)};
}

TokenRefusal parse_token_refusal(std::string_view text) {
  const Json answer = parse_quietly(text);
  if (!answer.is_object()) return {};
  return {text_member(answer, "errorCode"), text_member(answer, "errorMessage")};
}

}  // namespace pail::auth
