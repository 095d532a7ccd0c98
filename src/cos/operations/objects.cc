#include "cos/operations/objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::cos::op {
namespace {

// ---- HEAD ----

// A 404 that does not say what was not found.
bool is_bare_404(const ServerError& refusal) {
  return refusal.status == 404 && !refusal.has_store_code;
}

// Somebody refuses access, and nothing shows that it is the store.
bool is_strange_denial(const ServerError& refusal) {
  return no_access(fault_of(refusal)) && !refusal.has_store_code && !refusal.has_store_header;
}

Error no_such_key(std::string_view what, ServerError refusal) {
  refusal.code = "NoSuchKey";
  refusal.has_store_code = true;
  return to_error(what, refusal);
}

Result<ObjectInfo> info_of_head(Answer answer) {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  const auto size = byte_count_header(response.headers, "Content-Length");
  if (!size) return not_a_store(what + ": the answer has no Content-Length");
  ObjectInfo info = object_info(response.headers);
  if (info.etag.empty() && info.last_modified == WallTime{})
    return not_a_store(what + ": the answer has neither ETag nor Last-Modified");
  info.size = *size;
  return info;
}

// Looks at an object. Where the answer does not say what is missing (the key, the bucket, or the
// store), or who refuses access (the store, or a proxy), a GET is made to say it.
class Look final : public std::enable_shared_from_this<Look> {
 public:
  Look(Service& service, HeadObject object, CallContext context, Completion<ObjectInfo> then)
      : service_(service), object_(std::move(object)), context_(std::move(context)), then_(std::move(then)) {}

  void begin() {
    exchange(service_, object_call("HEAD", object_.bucket, object_.key), context_,
             [self = shared_from_this()](Answer answer) { self->looked(std::move(answer)); });
  }

 private:
  void looked(Answer answer) {
    const ServerError* refused = answer.refusal();
    const bool unclear = refused != nullptr && (is_bare_404(*refused) || is_strange_denial(*refused));
    if (!unclear) return then_(info_of_head(std::move(answer)));
    const ServerError& refusal = *refused;
    if (is_bare_404(refusal) && refusal.has_store_header && service_.bucket_seen().lately(object_.bucket))
      return then_(no_such_key(answer.what, refusal));
    ask_by_get(answer.what, refusal.status);
  }

  void ask_by_get(const std::string& what, int status) {
    Call get = object_call("GET", object_.bucket, object_.key);
    get.what = fmt::format("{} (to see who says {}, and of what)", what, status);
    get.headers.set("Range", "bytes=0-0");
    get.largest_answer = kMaxErrorBody;
    exchange(service_, std::move(get), context_, [self = shared_from_this(), what, status](Answer answer) {
      self->compared(what, status, std::move(answer));
    });
  }

  void compared(const std::string& what, int status, Answer get) {
    const ServerError* refusal = get.refusal();
    const bool empty_object = refusal != nullptr && refusal->status == 416;
    const bool large_object = std::holds_alternative<TooLarge>(get.verdict);
    if (!get.failure || empty_object || large_object) return found_by_get(what, status);
    if (get.failure->fault == Fault::no_key && refusal != nullptr) return then_(no_such_key(what, *refusal));
    if (refusal != nullptr && is_strange_denial(*refusal))
      return then_(Error{EIO,
                         get.failure->context + "; this is not the answer of an object store: check url= and the "
                                                "proxy on the way",
                         Fault::not_a_store});
    then_(*std::move(get.failure));
  }

  void found_by_get(const std::string& what, int status) {
    // The second look is for an object that came between HEAD and GET.
    constexpr unsigned kLooks = 2;
    if (++contradictions_ < kLooks) return begin();
    then_(Error{EIO,
                fmt::format("{}: answered {}, although GET finds the object; check url= and the proxy on the way", what,
                            status),
                Fault::not_a_store});
  }

  Service& service_;
  const HeadObject object_;
  const CallContext context_;
  const Completion<ObjectInfo> then_;
  unsigned contradictions_ = 0;  // HEAD finds nothing, GET the object
};

// ---- PUT ----

Result<Call> put_call(const PutObject& operation, const CheckedBody& body) {
  const PutRequest& request = operation.request;
  Call call = object_call("PUT", operation.bucket, request.key);
  PAIL_CHECK(in_call(call.what, add_object_headers(request.headers, call.headers)));
  add_preconditions(request.conditions, call.headers);
  call.headers.set("Content-MD5", body.content_md5);
  call.body = request.body;
  if (request.body != nullptr) call.payload = auth::PayloadHash::unsigned_payload();
  call.repetition = Repetition::matters;  // its own first execution makes the conditions fail
  return call;
}

Result<PutResult> read_put(Answer answer, const CheckedBody& body) {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_CHECK(in_call(what, compare_etag(response.headers, body)));
  const ObjectInfo info = object_info(response.headers);
  if (info.etag.empty()) return not_a_store(what + ": the answer has no ETag");
  return PutResult{info.etag, info.version_id, answer_date(response.headers)};
}

Result<CheckedBody> check_put(const PutObject& operation) {
  PAIL_CHECK(check_object(operation.bucket, operation.request.key));
  const std::string what = "PUT " + target_text(operation.bucket, operation.request.key);
  http::BodySource* body = operation.request.body.get();
  if (body != nullptr && body->size() > kMaxSinglePut)
    return Error{EFBIG, fmt::format("{}: {} bytes are too many for one request", what, body->size().n)};
  return in_call(what, check_body(body, operation.request.content_md5));
}

// The refusal may be about an earlier attempt, and the look that would tell has failed.
Error not_known(const Error& refused, Error look) {
  look.context = fmt::format("{}; the answer to an earlier attempt was lost, and what is stored now is not known: {}",
                             refused.context, look.context);
  look.may_have_happened = true;
  return look;
}

}  // namespace

void start(Service& service, HeadObject operation, CallContext context, Completion<ObjectInfo> then) {
  if (auto valid = check_object(operation.bucket, operation.key); !valid)
    return fail(service, std::move(valid).error(), std::move(then));
  context = as_one_operation(service, std::move(context));
  std::make_shared<Look>(service, std::move(operation), std::move(context), std::move(then))->begin();
}

Result<Call> GetObject::call(Service&) const {
  PAIL_CHECK(check_object(bucket, key));
  Call call = object_call("GET", bucket, key);
  call.largest_answer = limit;
  return call;
}

Result<std::string> GetObject::read(Answer answer) const {
  const std::string what = answer.what;
  if (std::holds_alternative<TooLarge>(answer.verdict))
    return Error{EFBIG, fmt::format("{}: larger than {} bytes", what, limit.n)};
  PAIL_TRY(http::Response response, response_of(std::move(answer)));
  const auto size = byte_count_header(response.headers, "Content-Length");
  if (response.status != 200 || (size && size->n != response.body.size()))
    return not_a_store(fmt::format("{}: the answer is not the whole object", what));
  return std::move(response.body);
}

void start(Service& service, PutObject operation, CallContext context, Completion<PutResult> then) {
  auto body = check_put(operation);
  if (!body) return fail(service, std::move(body).error(), std::move(then));
  auto call = put_call(operation, *body);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  context = as_one_operation(service, std::move(context));
  OwnWrite own{operation.bucket, operation.request.key, ETag{'"' + body->hex + '"'}, operation.request.headers, {}};
  exchange(service, *std::move(call), context,
           [&service, own = std::move(own), body = *std::move(body), context, then = std::move(then)](Answer answer) {
             const bool in_doubt =
                 answer.failure && answer.failure->may_have_happened && answer.failure->fault == Fault::precondition;
             if (!in_doubt) return then(read_put(std::move(answer), body));
             OwnWrite lost = own;
             lost.failure = *std::move(answer.failure);
             find_own_write(service, std::move(lost), context, then);
           });
}

void find_own_write(Service& service, OwnWrite write, CallContext context, Completion<PutResult> then) {
  HeadObject look{write.bucket, write.key};
  start(service, std::move(look), std::move(context),
        [write = std::move(write), then = std::move(then)](Result<ObjectInfo> info) {
          if (info && same_version(info->etag, write.expected) && holds_metadata(info->headers, write.headers))
            return then(PutResult{info->etag, info->version_id, {}});
          if (!info && info.error().fault != Fault::no_key) return then(not_known(write.failure, info.error()));
          Error failure = write.failure;
          failure.context +=
              "; the answer to an earlier attempt was lost, and what is stored now is not what "
              "was sent";
          then(std::move(failure));
        });
}

Result<CheckedBody> check_body(http::BodySource* body, std::string_view given) {
  constexpr std::size_t kMd5Bytes = 16;
  if (!given.empty()) {
    const auto raw = from_base64(given);
    if (!raw || raw->size() != kMd5Bytes) return Error{EINVAL, "the Content-MD5 given is no MD5"};
    return CheckedBody{std::string(given), to_hex(bytes_of(*raw))};
  }
  Digest digest(DigestKind::md5);
  const std::uint64_t size = body == nullptr ? 0 : body->size().n;
  std::vector<std::byte> buffer(std::min<std::uint64_t>(size, 256 << 10));
  for (ByteOffset at; at.n < size;) {
    PAIL_TRY(const std::size_t got, body->read_at(at, buffer));
    if (got == 0) return Error{EIO, "the body ended before its size"};
    digest.update(std::span(buffer).first(got));
    at = at + ByteCount{got};
  }
  const std::string raw = digest.result();
  return CheckedBody{to_base64(bytes_of(raw)), to_hex(bytes_of(raw))};
}

Result<Unit> compare_etag(const http::Headers& headers, const CheckedBody& body) {
  // With keys of the customer or of a key service an ETag of the same shape is no MD5 of the
  // content.
  for (const auto* name : {"x-amz-server-side-encryption", "x-amz-server-side-encryption-customer-algorithm",
                           "ibm-sse-kp-enabled", "x-amz-server-side-encryption-aws-kms-key-id"})
    if (headers.contains(name)) return Unit{};
  const auto stored = md5_of_etag(ETag{std::string(headers.find("ETag").value_or(""))});
  if (!stored || *stored == body.hex) return Unit{};
  return Error{EIO, fmt::format("the store kept other bytes than were sent (MD5 {}, sent {})", *stored, body.hex),
               Fault::trouble};
}

}  // namespace pail::cos::op
