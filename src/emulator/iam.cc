#include "emulator/iam.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "emulator/verifier.h"

namespace pail::emulator {
namespace {

constexpr std::int64_t kRefreshLifetimeSeconds = 30 * 24 * 3600;

std::int64_t seconds_of(WallTime now) {
  return std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
}

std::string base64_url(std::string_view text) {
  std::string out = to_base64(bytes_of(text));
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  std::erase(out, '=');
  return out;
}

std::string form_value(const std::string& form, std::string_view name) {
  std::string_view rest = form;
  while (!rest.empty()) {
    const std::string_view item = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(item.size() + 1, rest.size()));
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || item.substr(0, equals) != name) continue;
    std::string value(item.substr(equals + 1));
    std::replace(value.begin(), value.end(), '+', ' ');
    return percent_decode(value).value_or("");
  }
  return {};
}

Response json_answer(int status, std::string body, const std::string& request_id) {
  Response out;
  out.status = status;
  out.set("Content-Type", "application/json");
  out.set("Cache-Control", "no-store");
  out.set("Transaction-Id", request_id);
  out.body = std::move(body);
  return out;
}

Response refusal(std::string_view code, std::string_view message, const std::string& request_id) {
  return json_answer(400,
                     fmt::format(R"({{"errorCode":"{}","errorMessage":"{}","context":{{"requestId":"{}"}}}})", code,
                                 message, request_id),
                     request_id);
}

}  // namespace

// A JWT in shape: clients look at it as text only.
std::string Iam::make(std::string_view kind, std::int64_t expires) const {
  const std::string payload =
      fmt::format(R"({{"kind":"{}","exp":{},"generation":{}}})", kind, expires, generation_.load());
  const std::string text = base64_url(R"({"alg":"HS256","typ":"JWT"})") + "." + base64_url(payload);
  return text + "." + base64_url(hmac_sha256(api_key_.reveal(), text));
}

bool Iam::valid(std::string_view kind, std::string_view token, WallTime now) const {
  const std::size_t last = token.rfind('.');
  if (last == std::string_view::npos || api_key_.empty()) return false;
  const std::string_view text = token.substr(0, last);
  if (!equal_in_constant_time(base64_url(hmac_sha256(api_key_.reveal(), text)), token.substr(last + 1))) return false;
  std::string payload(text.substr(text.find('.') + 1));
  std::replace(payload.begin(), payload.end(), '-', '+');
  std::replace(payload.begin(), payload.end(), '_', '/');
  while (payload.size() % 4 != 0) payload += '=';
  const std::string json = from_base64(payload).value_or("");
  const std::string start = fmt::format(R"({{"kind":"{}","exp":)", kind);
  if (!json.starts_with(start)) return false;
  const std::string_view rest = std::string_view(json).substr(start.size());
  const auto expires = parse_number(rest.substr(0, rest.find(',')));
  return expires && static_cast<std::int64_t>(*expires) > seconds_of(now) &&
         json.ends_with(fmt::format(R"("generation":{}}})", generation_.load()));
}

bool Iam::accepts(std::string_view bearer, WallTime now) const {
  return valid("access", bearer, now);
}

Response Iam::token(const std::string& form, WallTime now, const std::string& request_id) const {
  const std::string grant = form_value(form, "grant_type");
  if (grant == "urn:ibm:params:oauth:grant-type:apikey") {
    if (api_key_.empty() || !equal_in_constant_time(form_value(form, "apikey"), api_key_.reveal()))
      return refusal("BXNIM0415E", "Provided API key could not be found.", request_id);
  } else if (grant == "refresh_token") {
    if (!valid("refresh", form_value(form, "refresh_token"), now))
      return refusal("BXNIM0408E", "Provided refresh_token is expired or not valid.", request_id);
  } else {
    return refusal("BXNIM0109E", "Property missing or empty: grant_type.", request_id);
  }
  const std::int64_t lifetime = lifetime_, expires = seconds_of(now) + lifetime;
  return json_answer(200,
                     fmt::format(R"({{"access_token":"{}","refresh_token":"{}","token_type":"Bearer",)"
                                 R"("expires_in":{},"expiration":{},"scope":"ibm openid"}})",
                                 make("access", expires), make("refresh", seconds_of(now) + kRefreshLifetimeSeconds),
                                 lifetime, expires),
                     request_id);
}

}  // namespace pail::emulator
