#include "cos/operations/multipart.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "cos/answers.h"
#include "cos/operations/objects.h"

namespace pail::cos::op {
namespace {

Result<Unit> check_parts(const std::vector<CompletedPart>& parts) {
  if (parts.empty() || parts.size() > kMaxParts) return Error{EINVAL, "an upload has 1 to 10000 parts"};
  const auto out_of_order = [](const CompletedPart& a, const CompletedPart& b) { return a.number >= b.number; };
  if (std::ranges::adjacent_find(parts, out_of_order) != parts.end())
    return Error{EINVAL, "the parts of an upload are completed in ascending order"};
  return Unit{};
}

// An earlier attempt may have completed the upload.
bool in_doubt(const Answer& answer) {
  if (!answer.failure || !answer.failure->may_have_happened) return false;
  const Fault fault = answer.failure->fault;
  return fault == Fault::no_upload || fault == Fault::precondition || fault == Fault::lost;
}

// Aborts the upload whose begin was answered after its caller had left.
void end_late_upload(Service& service, const std::string& bucket, const std::string& key,
                     const http::Response& response) {
  auto id = parse_initiate(response.body);
  if (!id) return;
  const CallContext context{service.running().stop_token(), Effort::full};
  start(service, AbortUpload{bucket, key, *std::move(id)}, context, [](Result<Unit> ended) {
    if (!ended) spdlog::warn("an unfinished upload stays in the bucket: {}", ended.error().context);
  });
}

Result<CompletedPart> read_part(Answer answer, unsigned number, const CheckedBody& body) {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_CHECK(in_call(what, compare_etag(response.headers, body)));
  ETag etag = object_info(response.headers).etag;
  if (etag.empty()) return not_a_store(what + ": the answer has no ETag");
  return CompletedPart{number, std::move(etag)};
}

Result<PutResult> read_completed(Answer answer) {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_TRY(ETag etag, in_call(what, parse_complete(response.body)));
  return PutResult{std::move(etag), object_info(response.headers).version_id, answer_date(response.headers)};
}

}  // namespace

Result<Unit> check_part(unsigned number, ByteCount size) {
  if (number < 1 || number > kMaxParts)
    return Error{EINVAL, fmt::format("part number {}: 1 to {} are allowed", number, kMaxParts)};
  if (size > kMaxPartSize) return Error{EFBIG, fmt::format("a part of {} bytes is too large", size.n)};
  return Unit{};
}

Call part_call(const std::string& bucket, const std::string& key, const UploadId& upload, unsigned number) {
  return object_call("PUT", bucket, key, {{"partNumber", fmt::to_string(number)}, {"uploadId", upload.text}});
}

Result<Call> CreateUpload::call(Service& service) const {
  PAIL_CHECK(check_object(bucket, key));
  Call call = object_call("POST", bucket, key, {{"uploads", ""}});
  call.what += " (begin upload)";
  // An upload that nobody knows of would be stored and billed: there is no second one, and none
  // whose caller has left.
  call.repetition = Repetition::matters;
  call.late = [&service, bucket = bucket, key = key](const http::Response& response) {
    end_late_upload(service, bucket, key, response);
  };
  PAIL_CHECK(in_call(call.what, add_object_headers(headers, call.headers)));
  add_preconditions(conditions, call.headers);
  return call;
}

Result<UploadId> CreateUpload::read(Answer answer) const {
  return parse_body(std::move(answer), parse_initiate);
}

void start(Service& service, UploadPart operation, CallContext context, Completion<CompletedPart> then) {
  cos::UploadPart& part = operation.part;
  const auto checked = [&]() -> Result<std::pair<Call, CheckedBody>> {
    PAIL_CHECK(check_object(operation.bucket, part.key));
    PAIL_CHECK(check_part(part.number, part.body == nullptr ? ByteCount{} : part.body->size()));
    Call call = part_call(operation.bucket, part.key, part.upload, part.number);
    call.what += fmt::format(" (part {})", part.number);
    PAIL_TRY(CheckedBody body, in_call(call.what, check_body(part.body.get(), part.content_md5)));
    call.headers.set("Content-MD5", body.content_md5);
    if (part.body != nullptr) call.payload = auth::PayloadHash::unsigned_payload();
    call.body = std::move(part.body);
    return std::pair(std::move(call), std::move(body));
  };
  auto made = checked();
  if (!made) return fail(service, std::move(made).error(), std::move(then));
  exchange(service, std::move(made->first), std::move(context),
           [number = part.number, body = std::move(made->second), then = std::move(then)](Answer answer) {
             then(read_part(std::move(answer), number, body));
           });
}

Result<Call> CompleteUpload::call(Service& service) const {
  PAIL_CHECK(check_object(bucket, upload.key));
  PAIL_CHECK(check_parts(upload.parts));
  Call call = object_call("POST", bucket, upload.key, {{"uploadId", upload.upload.text}});
  call.what += " (complete upload)";
  call.kind = AnswerKind::may_hold_error;
  call.repetition = Repetition::matters;
  call.bound = server_work_bound(service);
  set_xml_body(call, complete_body(upload.parts));
  add_preconditions(upload.conditions, call.headers);
  return call;
}

void start(Service& service, CompleteUpload operation, CallContext context, Completion<PutResult> then) {
  auto call = operation.call(service);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  context = as_one_operation(service, std::move(context), call->bound);
  OwnWrite own{operation.bucket,
               operation.upload.key,
               multipart_etag(operation.upload.parts).value_or(ETag{"(not known)"}),
               {},
               {}};
  const auto judge = [&service, own = std::move(own), context, then](Answer answer) {
    // A completed upload is gone: a repeated request is refused although its own first attempt
    // succeeded.
    if (context.effort == Effort::once || !in_doubt(answer)) return then(read_completed(std::move(answer)));
    OwnWrite lost = own;
    lost.failure = *std::move(answer.failure);
    find_own_write(service, std::move(lost), context, then);
  };
  exchange(service, *std::move(call), context, judge);
}

Result<Call> AbortUpload::call(Service&) const {
  PAIL_CHECK(check_object(bucket, key));
  Call call = object_call("DELETE", bucket, key, {{"uploadId", upload.text}});
  call.what += " (abort upload)";
  return call;
}

Result<Unit> AbortUpload::read(Answer answer) const {
  if (!answer.failure || answer.failure->fault == Fault::no_upload) return Unit{};
  return *std::move(answer.failure);
}

Result<Call> ListParts::call(Service&) const {
  PAIL_CHECK(check_object(bucket, key));
  Query query{{"uploadId", upload.text}};
  if (after_part > 0) query.emplace_back("part-number-marker", fmt::to_string(after_part));
  Call call = object_call("GET", bucket, key, std::move(query));
  call.what += " (list parts)";
  return call;
}

Result<PartsPage> ListParts::read(Answer answer) const {
  const std::string what = answer.what;
  PAIL_TRY(PartsPage page, parse_body(std::move(answer), parse_parts));
  if (page.next_marker != 0 && page.next_marker <= after_part)
    return not_a_store(what + ": the list of parts does not advance");
  return page;
}

Result<Call> ListUploads::call(Service&) const {
  PAIL_CHECK(check_bucket(bucket));
  Query query{{"uploads", ""}, {"encoding-type", "url"}};
  if (!prefix.empty()) query.emplace_back("prefix", prefix);
  if (!key_marker.empty()) query.emplace_back("key-marker", key_marker);
  if (!key_marker.empty() && !upload_id_marker.empty()) query.emplace_back("upload-id-marker", upload_id_marker);
  Call call = bucket_call("GET", bucket, std::move(query));
  call.what = fmt::format("LIST UPLOADS {}", target_text(bucket, prefix));
  return call;
}

Result<UploadsPage> ListUploads::read(Answer answer) const {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_TRY(UploadsPage page, in_call(what, parse_uploads(response.body, prefix)));
  if (!page.next_key_marker.empty() && page.next_key_marker == key_marker &&
      page.next_upload_id_marker == upload_id_marker)
    return not_a_store(what + ": the list of uploads does not advance");
  return page;
}

}  // namespace pail::cos::op
