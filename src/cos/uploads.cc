// Multipart uploads.
#include <fmt/format.h>

#include <algorithm>

#include "base/encoding.h"
#include "base/log.h"
#include "cos/answers.h"
#include "cos/store.h"

namespace pail::cos {
namespace {

Result<Unit> check_part(unsigned number, ByteCount size) {
  if (number < 1 || number > kMaxParts)
    return Error{EINVAL, fmt::format("part number {}: 1 to {} are allowed", number, kMaxParts)};
  if (size > kMaxPartSize) return Error{EFBIG, fmt::format("a part of {} bytes is too large", size.n)};
  return Unit{};
}

Result<Unit> check_parts(const std::vector<CompletedPart>& parts) {
  if (parts.empty() || parts.size() > kMaxParts) return Error{EINVAL, "an upload has 1 to 10000 parts"};
  const auto out_of_order = [](const CompletedPart& a, const CompletedPart& b) { return a.number >= b.number; };
  if (std::ranges::adjacent_find(parts, out_of_order) != parts.end())
    return Error{EINVAL, "the parts of an upload are completed in ascending order"};
  return Unit{};
}

// An earlier attempt may have completed the upload.
bool in_doubt(const Error& failure) {
  return failure.may_have_happened &&
         (failure.fault == Fault::no_upload || failure.fault == Fault::precondition || failure.fault == Fault::lost);
}

}  // namespace

Result<UploadId> Store::create_upload(std::string_view bucket, std::string_view key, const ObjectHeaders& headers,
                                      const Preconditions& conditions, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  Call call = object_call("POST", bucket, key, {{"uploads", ""}});
  call.what += " (begin upload)";
  // An upload that nobody knows of would be stored and billed: there is no second one, and none whose caller has left.
  call.repetition = Repetition::matters;
  call.late = {.take = [this, running = running_.enter(), bucket = std::string(bucket), key = std::string(key)](
                           const http::Response& response) { end_late_upload(bucket, key, response); },
               .end = running_.stop_token()};
  const std::string what = call.what;
  PAIL_CHECK(in_call(what, add_object_headers(headers, call.request.headers)));
  add_preconditions(conditions, call.request.headers);
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  return in_call(what, parse_initiate(response.body));
}

// On a network thread, which must not wait for the answer.
void Store::end_late_upload(const std::string& bucket, const std::string& key, const http::Response& response) {
  const auto id = parse_initiate(response.body);
  if (response.status != 200 || !id) return;
  cleaner_.run([this, bucket, key, id = *id] {
    const auto ended = abort_upload(bucket, key, id, {running_.stop_token(), Effort::full});
    if (!ended) spdlog::warn("an unfinished upload stays in the bucket: {}", ended.error().context);
  });
}

Result<CompletedPart> Store::upload_part(std::string_view bucket, std::string_view key, const UploadId& id,
                                         unsigned number, std::shared_ptr<http::BodySource> body,
                                         std::string_view content_md5, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  PAIL_CHECK(check_part(number, body == nullptr ? ByteCount{} : body->size()));
  Call call = object_call("PUT", bucket, key, {{"partNumber", fmt::to_string(number)}, {"uploadId", id.text}});
  call.what += fmt::format(" (part {})", number);
  const std::string what = call.what;
  PAIL_TRY(const CheckedBody checked, in_call(what, check_body(body.get(), content_md5)));
  call.request.headers.set("Content-MD5", checked.content_md5);
  if (body != nullptr) call.payload = auth::PayloadHash::unsigned_payload();
  call.request.body = std::move(body);
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  PAIL_CHECK(compare_etag(what, response.headers, checked));
  ETag etag = object_info(response.headers).etag;
  if (etag.empty()) return not_a_store(what + ": the answer has no ETag");
  return CompletedPart{number, std::move(etag)};
}

Result<CompletedPart> Store::upload_part_copy(std::string_view bucket, std::string_view key, const UploadId& id,
                                              unsigned number, const CopyRequest& source, Extent range,
                                              CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  const std::string_view source_bucket = source.source_bucket.empty() ? bucket : source.source_bucket;
  PAIL_CHECK(check_bucket(source_bucket));
  PAIL_CHECK(check_key(source.source_key));
  if (range.empty()) return Error{EINVAL, "the range of a part copy is empty"};
  PAIL_CHECK(check_part(number, range.size()));
  Call call = object_call("PUT", bucket, key, {{"partNumber", fmt::to_string(number)}, {"uploadId", id.text}});
  call.what += fmt::format(" (part {}, copy of {})", number, target_text(source_bucket, source.source_key));
  call.kind = AnswerKind::may_hold_error;
  call.bound = server_work_bound(link_);
  const std::string what = call.what;
  call.request.headers.set("x-amz-copy-source", copy_source(source_bucket, source.source_key));
  call.request.headers.set("x-amz-copy-source-range", range_text(range));
  if (!source.source_if_match.empty())
    call.request.headers.set("x-amz-copy-source-if-match", source.source_if_match.text);
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  PAIL_TRY(CopyResult copied, in_call(what, parse_copy(response.body)));
  return CompletedPart{number, std::move(copied.etag)};
}

Result<PutResult> Store::complete_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                         const std::vector<CompletedPart>& parts, const Preconditions& conditions,
                                         CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  PAIL_CHECK(check_parts(parts));
  Call call = object_call("POST", bucket, key, {{"uploadId", id.text}});
  call.what += " (complete upload)";
  call.kind = AnswerKind::may_hold_error;
  call.repetition = Repetition::matters;
  call.bound = server_work_bound(link_);
  context = as_one_operation(link_, std::move(context), call.bound);
  const std::string what = call.what;
  set_xml_body(call, complete_body(parts));
  add_preconditions(conditions, call.request.headers);
  Answer answer = send(std::move(call), context);
  // A completed upload is gone: a repeated request is refused although its own first attempt succeeded.
  if (answer.failure && in_doubt(*answer.failure)) {
    const ETag expected = multipart_etag(parts).value_or(ETag{"(not known)"});
    return find_own_write(bucket, key, expected, {}, *std::move(answer.failure), std::move(context));
  }
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_TRY(ETag etag, in_call(what, parse_complete(response.body)));
  return PutResult{std::move(etag), object_info(response.headers).version_id, answer_date(response.headers)};
}

Result<Unit> Store::abort_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                 CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  Call call = object_call("DELETE", bucket, key, {{"uploadId", id.text}});
  call.what += " (abort upload)";
  Answer answer = send(std::move(call), std::move(context));
  if (!answer.failure || answer.failure->fault == Fault::no_upload) return Unit{};
  return *std::move(answer.failure);
}

Result<PartsPage> Store::list_parts(std::string_view bucket, std::string_view key, const UploadId& id,
                                    unsigned after_part, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  PAIL_CHECK(check_key(key));
  Query query{{"uploadId", id.text}};
  if (after_part > 0) query.emplace_back("part-number-marker", fmt::to_string(after_part));
  Call call = object_call("GET", bucket, key, query);
  call.what += " (list parts)";
  const std::string what = call.what;
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  PAIL_TRY(PartsPage page, in_call(what, parse_parts(response.body)));
  if (page.next_marker != 0 && page.next_marker <= after_part)
    return not_a_store(what + ": the list of parts does not advance");
  return page;
}

Result<UploadsPage> Store::list_uploads(std::string_view bucket, std::string_view prefix, std::string_view key_marker,
                                        std::string_view upload_id_marker, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  Query query{{"uploads", ""}, {"encoding-type", "url"}};
  if (!prefix.empty()) query.emplace_back("prefix", prefix);
  if (!key_marker.empty()) query.emplace_back("key-marker", key_marker);
  if (!key_marker.empty() && !upload_id_marker.empty()) query.emplace_back("upload-id-marker", upload_id_marker);
  Call call = bucket_call("GET", bucket, query);
  call.what = fmt::format("LIST UPLOADS {}", target_text(bucket, prefix));
  const std::string what = call.what;
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  PAIL_TRY(UploadsPage page, in_call(what, parse_uploads(response.body, prefix)));
  if (!page.next_key_marker.empty() && page.next_key_marker == key_marker &&
      page.next_upload_id_marker == upload_id_marker)
    return not_a_store(what + ": the list of uploads does not advance");
  return page;
}

}  // namespace pail::cos
