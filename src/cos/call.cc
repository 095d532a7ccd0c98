#include "cos/call.h"

#include <fmt/format.h>

#include <utility>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::cos {

Call service_call(std::string_view method, std::string_view origin, Query query) {
  Call call;
  call.what = fmt::format("{} {}/", method, origin);
  call.method = method;
  call.query = std::move(query);
  return call;
}

Call bucket_call(std::string_view method, std::string_view bucket, Query query) {
  return object_call(method, bucket, "", std::move(query));
}

Call object_call(std::string_view method, std::string_view bucket, std::string_view key, Query query) {
  Call call;
  call.what = fmt::format("{} {}", method, target_text(bucket, key));
  call.method = method;
  call.bucket = bucket;
  call.key = key;
  call.query = std::move(query);
  return call;
}

void set_xml_body(Call& call, std::string xml) {
  const std::string md5 = Digest::of(DigestKind::md5, bytes_of(xml));
  call.headers.set("Content-MD5", to_base64(bytes_of(md5)));
  call.headers.set("Content-Type", "application/xml");
  // Small enough to be signed whole, which some stores ask for where the answer depends on the body.
  call.payload = auth::PayloadHash::of(xml);
  call.body = http::body_from_string(std::move(xml));
}

}  // namespace pail::cos
