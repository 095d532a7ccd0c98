// Operations on whole objects.
#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "cos/answers.h"
#include "cos/store.h"

namespace pail::cos {
namespace {

// Metadata that was asked for and is there; other fields may be there too.
bool holds_metadata(const ObjectInfo& info, const ObjectHeaders& wanted) {
  return std::ranges::all_of(wanted.metadata, [&](const http::Header& field) {
    return std::ranges::any_of(info.headers.metadata, [&](const http::Header& stored) {
      return http::same_name(stored.name, field.name) && stored.value == field.value;
    });
  });
}

// Parsers of other servers give up at control characters, even at escaped ones: such keys are deleted one by one.
bool survives_xml(std::string_view key) {
  return std::ranges::none_of(key, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// A 404 that does not say what was not found.
bool is_bare_404(const Answer& answer) {
  return answer.refusal && answer.refusal->status == 404 && !answer.refusal->has_store_code;
}

Error no_such_key(std::string_view what, ServerError refusal) {
  refusal.code = "NoSuchKey";
  refusal.has_store_code = true;
  return to_error(what, refusal);
}

Result<ObjectInfo> info_of_head(const std::string& what, Answer answer) {
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  const auto size = byte_count_header(response.headers, "Content-Length");
  if (!size) return not_a_store(what + ": the answer has no Content-Length");
  ObjectInfo info = object_info(response.headers);
  if (info.etag.empty() && info.last_modified == WallTime{})
    return not_a_store(what + ": the answer has neither ETag nor Last-Modified");
  info.size = *size;
  return info;
}

}  // namespace

Result<ObjectInfo> Store::head_object(std::string_view bucket, std::string_view key, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  context = as_one_operation(link_, std::move(context));
  const Call call = object_call("HEAD", bucket, key, {});
  // The second look is for an object that came between HEAD and GET.
  constexpr unsigned kLooks = 2;
  for (unsigned look = 1; look <= kLooks; ++look) {
    Answer answer = send(call, context);
    if (!is_bare_404(answer)) return info_of_head(call.what, std::move(answer));
    PAIL_CHECK(prove_absence(call.what, bucket, key, *answer.refusal, context));
  }
  return Error{EIO,
               call.what +
                   ": answered 404, although GET finds the object; check url= and the "
                   "proxy on the way",
               Fault::not_a_store};
}

// The answer to a HEAD has no body to say what is missing: the key, the bucket, or the store.
Result<Unit> Store::prove_absence(const std::string& what, std::string_view bucket, std::string_view key,
                                  const ServerError& refusal, CallContext context) {
  if (refusal.has_store_header && bucket_seen_.lately(bucket)) return no_such_key(what, refusal);
  Call call = object_call("GET", bucket, key, {});
  call.what += " (to see what is missing)";
  call.request.headers.set("Range", "bytes=0-0");
  call.request.max_response_body = kMaxErrorBody;
  Answer answer = send(std::move(call), std::move(context));
  const bool larger_than_an_error = answer.failure && !answer.refusal && answer.failure->errnum == EBADMSG;
  const bool empty_object = answer.refusal && answer.refusal->status == 416;
  if (!answer.failure || larger_than_an_error || empty_object) return Unit{};
  if (answer.failure->fault == Fault::no_key) return no_such_key(what, *answer.refusal);
  return *std::move(answer.failure);
}

Result<std::string> Store::get_object(std::string_view bucket, std::string_view key, ByteCount limit,
                                      CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  Call call = object_call("GET", bucket, key, {});
  call.request.max_response_body = std::max(limit, kMaxErrorBody);
  const std::string what = call.what;
  Answer answer = send(std::move(call), std::move(context));
  const auto size = byte_count_header(answer.response.headers, "Content-Length");
  const bool too_large =
      answer.failure ? answer.failure->errnum == EBADMSG && !answer.refusal : answer.response.body.size() > limit.n;
  if (too_large) return Error{EFBIG, fmt::format("{}: larger than {} bytes", what, limit.n)};
  PAIL_TRY(http::Response response, response_of(std::move(answer)));
  if (response.status != 200 || (size && size->n != response.body.size()))
    return not_a_store(fmt::format("{}: the answer is not the whole object", what));
  return std::move(response.body);
}

void Store::get_object_async(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) {
  start_ranged_get({link_, addresses_, timer_, running_}, std::move(request), std::move(handler), std::move(context));
}

Result<PutResult> Store::put_object(std::string_view bucket, const PutRequest& request, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(request.key));
  context = as_one_operation(link_, std::move(context));
  Call call = object_call("PUT", bucket, request.key, {});
  const std::string what = call.what;
  if (request.body != nullptr && request.body->size() > kMaxSinglePut)
    return Error{EFBIG, fmt::format("{}: {} bytes are too many for one request", what, request.body->size().n)};
  PAIL_TRY(const CheckedBody body, in_call(what, check_body(request.body.get(), request.content_md5)));
  PAIL_CHECK(in_call(what, add_object_headers(request.headers, call.request.headers)));
  add_preconditions(request.conditions, call.request.headers);
  call.request.headers.set("Content-MD5", body.content_md5);
  call.request.body = request.body;
  if (request.body != nullptr) call.payload = auth::PayloadHash::unsigned_payload();
  call.repetition = Repetition::matters;  // its own first execution makes the conditions fail
  Answer answer = send(std::move(call), context);
  if (answer.failure && answer.failure->may_have_happened && answer.failure->fault == Fault::precondition)
    return find_own_write(bucket, request.key, ETag{'"' + body.hex + '"'}, request.headers, *std::move(answer.failure),
                          std::move(context));
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_CHECK(compare_etag(what, response.headers, body));
  const ObjectInfo info = object_info(response.headers);
  if (info.etag.empty()) return not_a_store(what + ": the answer has no ETag");
  return PutResult{info.etag, info.version_id, answer_date(response.headers)};
}

Result<PutResult> Store::find_own_write(std::string_view bucket, std::string_view key, const ETag& expected,
                                        const ObjectHeaders& headers, Error failure, CallContext context) {
  const auto info = head_object(bucket, key, std::move(context));
  if (info && same_version(info->etag, expected) && holds_metadata(*info, headers))
    return PutResult{info->etag, info->version_id, {}};
  failure.context += "; the answer to an earlier attempt was lost, and what is stored now is not what was sent";
  return failure;
}

Result<CopyResult> Store::copy_object(std::string_view bucket, const CopyRequest& request, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(request.key));
  const std::string_view source_bucket = request.source_bucket.empty() ? bucket : request.source_bucket;
  PAIL_CHECK(check_bucket(source_bucket));
  PAIL_CHECK(check_key(request.source_key));
  Call call = object_call("PUT", bucket, request.key, {});
  call.what += fmt::format(" (copy of {})", target_text(source_bucket, request.source_key));
  call.kind = AnswerKind::may_hold_error;
  call.repetition = Repetition::matters;
  call.bound = server_work_bound(link_);
  context = as_one_operation(link_, std::move(context), call.bound);
  const std::string what = call.what;
  http::Headers& headers = call.request.headers;
  headers.set("x-amz-copy-source", copy_source(source_bucket, request.source_key));
  const bool replace = request.directive == MetadataDirective::replace;
  headers.set("x-amz-metadata-directive", replace ? "REPLACE" : "COPY");
  if (!request.source_if_match.empty()) headers.set("x-amz-copy-source-if-match", request.source_if_match.text);
  if (replace) PAIL_CHECK(in_call(what, add_object_headers(request.headers, headers)));
  add_preconditions(request.conditions, headers);
  Answer answer = send(std::move(call), context);
  if (answer.failure && answer.failure->may_have_happened && answer.failure->fault == Fault::precondition) {
    // A first attempt that was carried out makes the conditions of the second one fail: its own copy stands there. The
    // ETag of a multipart object changes when it is copied onto itself.
    const bool onto_itself = source_bucket == bucket && request.source_key == request.key;
    const auto info = head_object(bucket, request.key, std::move(context));
    if (info && (onto_itself || same_version(info->etag, request.source_if_match)) &&
        (!replace || holds_metadata(*info, request.headers)))
      return CopyResult{info->etag, info->last_modified};
  }
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  return in_call(what, parse_copy(response.body));
}

Result<Unit> Store::delete_object(std::string_view bucket, std::string_view key, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  Answer answer = send(object_call("DELETE", bucket, key, {}), std::move(context));
  if (!answer.failure || answer.failure->fault == Fault::no_key) return Unit{};
  return *std::move(answer.failure);
}

Result<std::vector<DeleteRefusal>> Store::delete_objects(std::string_view bucket, const std::vector<std::string>& keys,
                                                         CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  if (keys.size() > kMaxDeleteKeys)
    return Error{EINVAL, fmt::format("{} keys in one delete: {} are allowed", keys.size(), kMaxDeleteKeys)};
  std::vector<std::string> together;
  std::vector<DeleteRefusal> refusals;
  for (const std::string& key : keys) {
    PAIL_CHECK(check_key(key));
    if (survives_xml(key)) {
      together.push_back(key);
    } else if (auto deleted = delete_object(bucket, key, context); !deleted) {
      if (deleted.error().errnum == EINTR) return std::move(deleted).error();
      refusals.push_back({key, "", deleted.error().context});
    }
  }
  if (together.empty()) return refusals;
  Call call = bucket_call("POST", bucket, {{"delete", ""}});
  call.what += fmt::format(" (delete of {} keys)", together.size());
  const std::string what = call.what;
  set_xml_body(call, delete_body(together));
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  PAIL_TRY(std::vector<DeleteRefusal> refused, in_call(what, parse_delete(response.body)));
  std::ranges::move(refused, std::back_inserter(refusals));
  return refusals;
}

}  // namespace pail::cos
