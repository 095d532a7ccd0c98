#include "signer.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"
#include "emulator/verifier.h"

namespace pail::emulator {
namespace {

constexpr const char* kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

std::string names_of(const Fields& headers) {
  std::string out;
  for (const auto& [name, value] : headers) out += (out.empty() ? "" : ";") + name;
  return out;
}

std::string lines_of(const Fields& headers) {
  std::string out;
  for (const auto& [name, value] : headers) out += name + ":" + value + "\n";
  return out;
}

std::string query_of(Fields parameters) {
  for (auto& [name, value] : parameters) {
    name = percent_encode(name);
    value = percent_encode(value);
  }
  std::sort(parameters.begin(), parameters.end());
  std::string out;
  for (const auto& [name, value] : parameters) out += (out.empty() ? "" : "&") + name + "=" + value;
  return out;
}

Fields with_host(Fields headers) {
  headers.emplace_back("host", kSignedHost);
  std::sort(headers.begin(), headers.end());
  return headers;
}

}  // namespace

std::string Signer::signature(const std::string& canonical) const {
  std::string key = hmac_sha256("AWS4" + secret_, date_.substr(0, 8));
  for (const char* step : {"us-south", "s3", "aws4_request"}) key = hmac_sha256(key, step);
  const std::string digest = to_hex(bytes_of(Digest::of(DigestKind::sha256, bytes_of(canonical))));
  const std::string to_sign = "AWS4-HMAC-SHA256\n" + date_ + "\n" + scope() + "\n" + digest;
  return to_hex(bytes_of(hmac_sha256(key, to_sign)));
}

std::string Signer::request(const std::string& method, const std::string& path, Fields extra,
                            const std::string& date_header) const {
  if (date_header.empty()) {
    extra.emplace_back("x-amz-date", date_);
  } else {
    extra.emplace_back("date", date_header);
  }
  extra.emplace_back("x-amz-content-sha256", kEmptySha256);
  const Fields headers = with_host(std::move(extra));
  const std::string names = names_of(headers);
  const std::string proof =
      signature(method + "\n" + path + "\n\n" + lines_of(headers) + "\n" + names + "\n" + kEmptySha256);
  return method + " " + path + " HTTP/1.1\r\nContent-Length: 0\r\n" +
         "Authorization: AWS4-HMAC-SHA256 Credential=" + access_key_ + "/" + scope() + ",SignedHeaders=" + names +
         ",Signature=" + proof + "\r\n" +
         [&] {
           std::string lines;
           for (const auto& [name, value] : headers) lines += name + ": " + value + "\r\n";
           return lines;
         }() +
         "\r\n";
}

std::string Signer::presigned(const std::string& method, const std::string& path, const Fields& extra,
                              const Fields& more) const {
  const Fields headers = with_host(extra);
  Fields parameters = {{"X-Amz-Algorithm", "AWS4-HMAC-SHA256"},
                       {"X-Amz-Credential", access_key_ + "/" + scope()},
                       {"X-Amz-Date", date_},
                       {"X-Amz-Expires", "600"},
                       {"X-Amz-SignedHeaders", names_of(headers)}};
  parameters.insert(parameters.end(), more.begin(), more.end());
  const std::string query = query_of(parameters);
  const std::string proof = signature(method + "\n" + path + "\n" + query + "\n" + lines_of(headers) + "\n" +
                                      names_of(headers) + "\nUNSIGNED-PAYLOAD");
  return path + "?" + query + "&X-Amz-Signature=" + proof;
}

}  // namespace pail::emulator
