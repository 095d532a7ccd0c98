#include "cos/store.h"

#include <fmt/format.h>

#include "base/checksum.h"
#include "base/encoding.h"
#include "pailfs/http/url.h"

namespace pail::cos {
namespace {

// Answers that only a store gives which has the bucket.
bool shows_bucket(Fault fault) {
  return fault == Fault::no_key || fault == Fault::no_upload || fault == Fault::precondition;
}

}  // namespace

Result<std::unique_ptr<Client>> Client::create(std::shared_ptr<http::Client> http,
                                               std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options) {
  PAIL_TRY(http::Url url, http::parse_url(options.url));
  if (url.path != "/" || !url.query.empty())
    return Error{EINVAL, fmt::format("{}: the URL of a store has neither path nor query", readable(options.url))};
  if (http == nullptr || authorizer == nullptr) return Error{EINVAL, "a client needs a network and an authorizer"};
  Addresses addresses(std::move(url), options.addressing);
  auto health = std::make_shared<StoreHealth>(addresses.origin());
  Link link{std::move(http), std::move(authorizer), std::move(options), std::move(health)};
  return std::unique_ptr<Client>(std::make_unique<Store>(std::move(link), std::move(addresses)));
}

Call Store::service_call(std::string_view method, const Query& query) const {
  Call call{.what = fmt::format("{} {}/", method, addresses_.origin()), .bucket = {}, .request = {}};
  call.request.method = method;
  call.request.url = addresses_.service(query);
  return call;
}

Call Store::bucket_call(std::string_view method, std::string_view bucket, const Query& query) const {
  Call call{
      .what = fmt::format("{} {}", method, target_text(bucket, "")), .bucket = std::string(bucket), .request = {}};
  call.request.method = method;
  call.request.url = addresses_.bucket(bucket, query);
  return call;
}

Call Store::object_call(std::string_view method, std::string_view bucket, std::string_view key,
                        const Query& query) const {
  Call call{
      .what = fmt::format("{} {}", method, target_text(bucket, key)), .bucket = std::string(bucket), .request = {}};
  call.request.method = method;
  call.request.url = addresses_.object(bucket, key, query);
  return call;
}

Answer Store::send(Call call, CallContext context) {
  const std::string bucket = call.bucket;
  Answer answer = exchange(link_, std::move(call), std::move(context));
  if (!bucket.empty() && (!answer.failure || shows_bucket(answer.failure->fault))) bucket_seen_.seen(bucket);
  return answer;
}

void SeenBucket::seen(std::string_view bucket) {
  const MutexLock lock(mutex_);
  bucket_ = bucket;
  when_ = system_clock().steady();
}

bool SeenBucket::lately(std::string_view bucket) const {
  constexpr std::chrono::seconds kLately{2};
  const MutexLock lock(mutex_);
  return bucket_ == bucket && system_clock().steady() - when_ < kLately;
}

void Store::add_instance_id(Call& call) const {
  const std::string instance = link_.authorizer->service_instance_id();
  if (!instance.empty()) call.request.headers.set("ibm-service-instance-id", instance);
}

Result<CheckedBody> check_body(http::BodySource* body, std::string_view given) {
  constexpr std::size_t kMd5Bytes = 16;
  if (!given.empty()) {
    const auto raw = from_base64(given);
    if (!raw || raw->size() != kMd5Bytes) return Error{EINVAL, "the Content-MD5 given is no MD5"};
    return CheckedBody{std::string(given), to_hex(bytes_of(*raw))};
  }
  Digest digest(DigestKind::md5);
  std::vector<std::byte> buffer(body == nullptr ? 0 : 256 << 10);
  for (ByteOffset at; body != nullptr && at.n < body->size().n;) {
    PAIL_TRY(const std::size_t got, body->read_at(at, buffer));
    if (got == 0) return Error{EIO, "the body ended before its size"};
    digest.update(std::span(buffer).first(got));
    at = at + ByteCount{got};
  }
  const std::string raw = digest.result();
  return CheckedBody{to_base64(bytes_of(raw)), to_hex(bytes_of(raw))};
}

void set_xml_body(Call& call, std::string xml) {
  const std::string md5 = Digest::of(DigestKind::md5, bytes_of(xml));
  call.request.headers.set("Content-MD5", to_base64(bytes_of(md5)));
  call.request.headers.set("Content-Type", "application/xml");
  // Small enough to be signed whole, which some stores ask for where the answer depends on the body.
  call.payload = auth::PayloadHash::of(xml);
  call.request.body = http::body_from_string(std::move(xml));
}

Result<Unit> compare_etag(std::string_view what, const http::Headers& headers, const CheckedBody& body) {
  // With keys of the customer or of a key service an ETag of the same shape is no MD5 of the content.
  for (const auto* name : {"x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm",
                           "ibm-sse-kp-enabled", "x-amz-server-side-encryption-aws-kms-key-id"})
    if (headers.contains(name)) return Unit{};
  const auto stored = md5_of_etag(ETag{std::string(headers.find("ETag").value_or(""))});
  if (!stored || *stored == body.hex) return Unit{};
  return Error{EIO,
               fmt::format("{}: the store kept other bytes than were sent (MD5 {}, sent {})", what, *stored, body.hex),
               Fault::trouble};
}

}  // namespace pail::cos
