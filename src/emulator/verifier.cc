#include "emulator/verifier.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>

#include "base/checksum.h"
#include "base/encoding.h"
#include "emulator/conditions.h"

namespace pail::emulator {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::int64_t kAllowedSkewSeconds = 15 * 60;
constexpr std::size_t kCachedKeys = 16;

ApiError denied(std::string why) {
  return {"AccessDenied", std::move(why)};
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  for (;;) {
    const std::size_t end = text.find(at);
    out.emplace_back(trim(text.substr(0, end)));
    if (end == std::string_view::npos) return out;
    text.remove_prefix(end + 1);
  }
}

// A header that could change what a request means, and that nobody signed, is somebody else's.
ApiResult<Unit> check_signed(const Request& request, const std::vector<std::string>& signed_names) {
  for (const auto& [name, value] : request.headers) {
    const bool must_be_signed = name == "host" || name.starts_with("x-amz-");
    if (must_be_signed && std::find(signed_names.begin(), signed_names.end(), name) == signed_names.end())
      return denied("There were headers present in the request which were not signed: " + name);
  }
  return Unit{};
}

// Runs of spaces count as one in what is signed.
std::string collapse(std::string_view value) {
  std::string out;
  for (const char c : trim(value))
    if (c != ' ' || out.empty() || out.back() != ' ') out += c;
  return out;
}

std::string canonical_query(const Fields& query) {
  Fields encoded;
  for (const auto& [name, value] : query)
    if (name != "X-Amz-Signature") encoded.emplace_back(percent_encode(name), percent_encode(value));
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

std::string joined_header(const Request& request, std::string_view name) {
  std::string out;
  bool first = true;
  for (const auto& [field, value] : request.headers) {
    if (field != name) continue;
    if (!first) out += ',';
    out += collapse(value);
    first = false;
  }
  return out;
}

std::string sha256_hex(std::string_view text) {
  return to_hex(bytes_of(Digest::of(DigestKind::sha256, bytes_of(text))));
}

bool is_sha256_hex(std::string_view text) {
  return text.size() == 64 && from_hex(text).has_value();
}

ApiResult<PayloadKind> payload_kind(std::string_view value) {
  if (value == "UNSIGNED-PAYLOAD") return PayloadKind::unsigned_payload;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") return PayloadKind::signed_chunks;
  if (value == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") return PayloadKind::unsigned_chunks_trailer;
  if (value == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") return PayloadKind::signed_chunks_trailer;
  if (is_sha256_hex(value)) return PayloadKind::whole_hash;
  return ApiError("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form or a SHA-256.");
}

}  // namespace

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string out(32, '\0');
  unsigned size = 32;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), reinterpret_cast<const unsigned char*>(text.data()),
       text.size(), reinterpret_cast<unsigned char*>(out.data()), &size);
  return out;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// What a request claims: who signed, when, for which scope, over which headers.
struct Verifier::Claim {
  std::string access_key, date, region, signature, timestamp, payload;
  std::vector<std::string> signed_headers;
  std::optional<std::int64_t> lifetime_seconds;  // of a presigned request

  std::string scope() const { return date + "/" + region + "/s3/aws4_request"; }

  ApiResult<Unit> set_credential(std::string_view text) {
    const std::vector<std::string> fields = split(text, '/');
    if (fields.size() != 5 || fields[3] != "s3" || fields[4] != "aws4_request")
      return denied("The credential must be <key>/<date>/<region>/s3/aws4_request.");
    access_key = fields[0];
    date = fields[1];
    region = fields[2];
    return Unit{};
  }
};

ApiResult<Verifier::Claim> Verifier::claim_of_header(const Request& request) {
  const std::string authorization = request.header_or("authorization", "");
  if (!authorization.starts_with(kAlgorithm)) return denied("Please use AWS4-HMAC-SHA256.");
  Claim claim;
  for (const std::string& item : split(std::string_view(authorization).substr(kAlgorithm.size()), ',')) {
    const std::size_t equals = item.find('=');
    if (equals == std::string::npos) return denied("The Authorization header is malformed.");
    const std::string name = item.substr(0, equals), value = item.substr(equals + 1);
    if (name == "Credential") PAIL_CHECK(claim.set_credential(value));
    if (name == "SignedHeaders") claim.signed_headers = split(value, ';');
    if (name == "Signature") claim.signature = value;
  }
  claim.timestamp = request.header_or("x-amz-date", "");
  if (claim.timestamp.empty()) {
    const auto date = parse_date(request.header_or("date", ""));
    if (!date) return denied("A signed request needs an x-amz-date or Date header.");
    std::string iso = iso_date(*date * 1'000'000'000);  // 2016-08-25T17:38:38.549Z to 20160825T173838Z
    iso = iso.substr(0, 19) + "Z";
    std::erase_if(iso, [](char c) { return c == '-' || c == ':'; });
    claim.timestamp = iso;
  }
  PAIL_CHECK(check_signed(request, claim.signed_headers));
  // Without the header the hash is that of an empty body; a body then fails against it.
  claim.payload = request.header_or("x-amz-content-sha256", kEmptySha256);
  return claim;
}

ApiResult<Verifier::Claim> Verifier::claim_of_query(const Request& request) {
  Claim claim;
  if (request.parameter("X-Amz-Algorithm") != kAlgorithm) return denied("Please use AWS4-HMAC-SHA256.");
  PAIL_CHECK(claim.set_credential(request.parameter("X-Amz-Credential").value_or("")));
  claim.signed_headers = split(request.parameter("X-Amz-SignedHeaders").value_or(""), ';');
  claim.signature = request.parameter("X-Amz-Signature").value_or("");
  claim.timestamp = request.parameter("X-Amz-Date").value_or("");
  const auto lifetime = parse_number(request.parameter("X-Amz-Expires").value_or(""));
  if (!lifetime || *lifetime > INT32_MAX) return denied("X-Amz-Expires must be a number of seconds.");
  claim.lifetime_seconds = static_cast<std::int64_t>(*lifetime);
  if (std::find(claim.signed_headers.begin(), claim.signed_headers.end(), "host") == claim.signed_headers.end())
    return denied("The host header must be signed.");
  PAIL_CHECK(check_signed(request, claim.signed_headers));
  const std::string by_parameter = request.parameter("X-Amz-Content-Sha256").value_or("UNSIGNED-PAYLOAD");
  claim.payload = request.header_or("x-amz-content-sha256", by_parameter);
  return claim;
}

std::string Verifier::signing_key(const std::string& date, const std::string& region) const {
  const std::string name = date + "/" + region;
  MutexLock lock(mutex_);
  if (const auto found = keys_.find(name); found != keys_.end()) return found->second;
  if (keys_.size() >= kCachedKeys) keys_.clear();
  std::string key = hmac_sha256("AWS4" + std::string(secret_.reveal()), date);
  for (const std::string_view step :
       {std::string_view(region), std::string_view("s3"), std::string_view("aws4_request")})
    key = hmac_sha256(key, step);
  keys_[name] = key;
  return key;
}

ApiResult<SignedPayload> Verifier::verify(const Request& request, WallTime now) const {
  PAIL_TRY(const Claim claim,
           request.has_parameter("X-Amz-Signature") ? claim_of_query(request) : claim_of_header(request));
  // A credential without HMAC keys lets nobody in by them: an empty key is no key.
  if (access_key_.empty() || secret_.empty() || claim.access_key != access_key_)
    return ApiError("InvalidAccessKeyId", "The access key id you provided does not exist in our records.");

  const auto signed_at = parse_date(claim.timestamp);
  if (!signed_at || claim.timestamp.size() != 16 || !claim.timestamp.starts_with(claim.date))
    return denied("The request's date is malformed or differs from its credential's.");
  const std::int64_t seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
  if (claim.lifetime_seconds && seconds > *signed_at + *claim.lifetime_seconds) return denied("Request has expired.");
  if (*signed_at > seconds + kAllowedSkewSeconds ||
      (!claim.lifetime_seconds && *signed_at < seconds - kAllowedSkewSeconds))
    return ApiError("RequestTimeTooSkewed", "The difference between the request time and the server's is too large.");

  PAIL_TRY(const PayloadKind kind, payload_kind(claim.payload));
  std::string canonical =
      request.method + "\n" + percent_encode(request.path, "/") + "\n" + canonical_query(request.query) + "\n";
  std::string names;
  for (const std::string& name : claim.signed_headers) {
    canonical += name + ":" + joined_header(request, name) + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + claim.payload;
  const std::string to_sign =
      std::string(kAlgorithm) + "\n" + claim.timestamp + "\n" + claim.scope() + "\n" + sha256_hex(canonical);
  std::string key = signing_key(claim.date, claim.region);
  if (!equal_in_constant_time(to_hex(bytes_of(hmac_sha256(key, to_sign))), claim.signature))
    return ApiError(
        "SignatureDoesNotMatch",
        "The signature we computed does not match the one you provided. Check your key and signing method.");
  return SignedPayload{kind,
                       kind == PayloadKind::whole_hash ? lower_case(claim.payload) : std::string(),
                       claim.signature,
                       std::move(key),
                       claim.timestamp,
                       claim.scope()};
}

}  // namespace pail::emulator
