#include "auth/sigv4.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::auth {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::size_t kDigestSize = 32;
using MacBytes = std::array<unsigned char, kDigestSize>;

struct FreeMacContext {
  void operator()(EVP_MAC_CTX* context) const noexcept { EVP_MAC_CTX_free(context); }
};
using MacContext = std::unique_ptr<EVP_MAC_CTX, FreeMacContext>;

std::string_view view(const MacBytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// An HMAC-SHA256 context with its key set; null when OpenSSL refuses.
MacContext keyed_mac(std::string_view key) {
  static EVP_MAC* const algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);  // once: a fetch costs several µs
  MacContext context(EVP_MAC_CTX_new(algorithm));
  char digest[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                                   OSSL_PARAM_construct_end()};
  if (!context ||
      EVP_MAC_init(context.get(), reinterpret_cast<const unsigned char*>(key.data()), key.size(), parameters) != 1)
    return nullptr;
  return context;
}

// HMAC of `text` with the context's key, which stays set.
bool mac_of(EVP_MAC_CTX* context, std::string_view text, MacBytes& out) {
  std::size_t size = 0;
  return EVP_MAC_init(context, nullptr, 0, nullptr) == 1 &&
         EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1 &&
         EVP_MAC_final(context, out.data(), &size, out.size()) == 1 && size == out.size();
}

std::string sha256_hex_of(std::string_view text) {
  const std::string digest = Digest::of(DigestKind::sha256, bytes_of(text));
  return to_hex(bytes_of(digest));
}

// Encoded anew: what was encoded too much or too little becomes what the server computes.
std::optional<std::string> encode_once(std::string_view encoded, std::string_view keep) {
  const auto plain = percent_decode(encoded);
  if (!plain) return std::nullopt;
  return percent_encode(*plain, keep);
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

bool is_signed(std::string_view lower_name) {
  static constexpr std::array<std::string_view, 11> kUnsigned{"authorization", "accept",           "accept-encoding",
                                                              "connection",    "content-length",   "expect",
                                                              "host",          "user-agent",       "te",
                                                              "via",           "transfer-encoding"};
  return std::find(kUnsigned.begin(), kUnsigned.end(), lower_name) == kUnsigned.end();
}

// Blanks at the ends removed, runs of blanks inside made one.
std::string squeeze(std::string_view value) {
  std::string result;
  for (const char c : value) {
    const bool blank = c == ' ' || c == '\t';
    if (!blank)
      result += c;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  }
  if (!result.empty() && result.back() == ' ') result.pop_back();
  return result;
}

Error crypto_error() {
  return Error{EIO, "OpenSSL refused to compute a signature"};
}

}  // namespace

std::string timestamp(WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  const auto day = std::chrono::floor<std::chrono::days>(seconds);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(seconds - day);
  return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                     clock.minutes().count(), clock.seconds().count());
}

Result<std::string> canonical_path(std::string_view path) {
  auto encoded = encode_once(path, "/");
  if (!encoded) return Error{EINVAL, "the URL's path has a % without two hexadecimal digits"};
  return encoded->empty() ? std::string("/") : *std::move(encoded);
}

Result<std::string> canonical_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> parameters;
  while (!query.empty()) {
    const std::string_view item = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(item.size() + 1, query.size()));
    if (item.empty()) continue;
    const std::size_t equals = std::min(item.find('='), item.size());
    auto name = encode_once(item.substr(0, equals), "");
    auto value = encode_once(item.substr(std::min(equals + 1, item.size())), "");
    if (!name || !value) return Error{EINVAL, "the URL's query has a % without two hexadecimal digits"};
    parameters.emplace_back(*std::move(name), *std::move(value));
  }
  std::sort(parameters.begin(), parameters.end());
  std::string result;
  for (const auto& [name, value] : parameters) {
    if (!result.empty()) result += '&';
    result.append(name).append("=").append(value);
  }
  return result;
}

CanonicalHeaders canonical_headers(const http::Headers& headers, std::string_view host) {
  std::vector<std::pair<std::string, std::string>> fields{{"host", std::string(host)}};
  for (const http::Header& field : headers)
    if (std::string name = lower(field.name); is_signed(name))
      fields.emplace_back(std::move(name), squeeze(field.value));
  // Stable: values of one name keep their order.
  std::stable_sort(fields.begin(), fields.end(), [](const auto& a, const auto& b) { return a.first < b.first; });

  CanonicalHeaders result;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const auto& [name, value] = fields[i];
    if (i > 0 && fields[i - 1].first == name) {
      result.block.back() = ',';
      result.block.append(value).append("\n");
      continue;
    }
    result.block.append(name).append(":").append(value).append("\n");
    if (!result.signed_names.empty()) result.signed_names += ';';
    result.signed_names += name;
  }
  return result;
}

struct Signer::DayKey {
  std::string date;
  MacContext mac;
};

Signer::Signer(HmacKeys keys, std::string region) : keys_(std::move(keys)), region_(std::move(region)) {}
Signer::~Signer() = default;

std::string Signer::scope(std::string_view date) const {
  return fmt::format("{}/{}/s3/aws4_request", date, region_);
}

Result<std::string> Signer::signature(std::string_view canonical_request, std::string_view time) {
  const std::string_view date = time.substr(0, 8);
  const std::string to_sign =
      fmt::format("{}\n{}\n{}\n{}", kAlgorithm, time, scope(date), sha256_hex_of(canonical_request));
  MacBytes bytes{};
  const MutexLock lock(mutex_);
  if (!day_key_ || day_key_->date != date) {
    Secret first(std::string("AWS4").append(keys_.secret_access_key.reveal()));
    MacContext mac = keyed_mac(first.reveal());
    for (const std::string_view step :
         {date, std::string_view(region_), std::string_view("s3"), std::string_view("aws4_request")}) {
      if (!mac || !mac_of(mac.get(), step, bytes)) return crypto_error();
      mac = keyed_mac(view(bytes));
    }
    OPENSSL_cleanse(bytes.data(), bytes.size());
    if (!mac) return crypto_error();
    day_key_ = std::make_unique<DayKey>(DayKey{std::string(date), std::move(mac)});
  }
  if (!mac_of(day_key_->mac.get(), to_sign, bytes)) return crypto_error();
  return to_hex(std::as_bytes(std::span(bytes)));
}

Result<Unit> Signer::sign(http::Request& request, const PayloadHash& payload, WallTime now) {
  PAIL_TRY(const http::Url url, http::parse_url(request.url));
  PAIL_TRY(const std::string path, canonical_path(url.path));
  PAIL_TRY(const std::string query, canonical_query(url.query));
  const std::string time = timestamp(now);
  request.headers.set("x-amz-date", time);
  request.headers.set("x-amz-content-sha256", payload.text());
  request.headers.remove("x-amz-security-token");
  if (!keys_.session_token.empty())
    request.headers.add("x-amz-security-token", std::string(keys_.session_token.reveal()));

  const CanonicalHeaders fields = canonical_headers(request.headers, url.host_header());
  const std::string canonical = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method, path, query, fields.block,
                                            fields.signed_names, payload.text());
  PAIL_TRY(const std::string signed_hex, signature(canonical, time));
  request.headers.set("Authorization", fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", kAlgorithm,
                                                   keys_.access_key_id, scope(std::string_view(time).substr(0, 8)),
                                                   fields.signed_names, signed_hex));
  return Unit{};
}

Result<std::string> Signer::presign(std::string_view method, std::string_view url_text, std::chrono::seconds lifetime,
                                    WallTime now) {
  if (lifetime.count() <= 0) return Error{EINVAL, "a presigned URL must be valid for at least one second"};
  PAIL_TRY(const http::Url url, http::parse_url(url_text));
  PAIL_TRY(const std::string path, canonical_path(url.path));
  const std::string time = timestamp(now);
  const std::string credential =
      percent_encode(fmt::format("{}/{}", keys_.access_key_id, scope(std::string_view(time).substr(0, 8))));
  std::string all = url.query.empty() ? std::string() : url.query + '&';
  all += fmt::format("X-Amz-Algorithm={}&X-Amz-Credential={}&X-Amz-Date={}&X-Amz-Expires={}&X-Amz-SignedHeaders=host",
                     kAlgorithm, credential, time, lifetime.count());
  if (!keys_.session_token.empty())
    all.append("&X-Amz-Security-Token=").append(percent_encode(keys_.session_token.reveal()));
  PAIL_TRY(const std::string query, canonical_query(all));
  const std::string canonical = fmt::format("{}\n{}\n{}\nhost:{}\n\nhost\n{}", method, path, query, url.host_header(),
                                            PayloadHash::unsigned_payload().text());
  PAIL_TRY(const std::string signed_hex, signature(canonical, time));
  return fmt::format("{}{}?{}&X-Amz-Signature={}", url.origin(), path, query, signed_hex);
}

}  // namespace pail::auth
