#include "cos/operations/copy.h"

#include <fmt/format.h>

#include "cos/answers.h"
#include "cos/operations/multipart.h"
#include "cos/operations/objects.h"

namespace pail::cos::op {
namespace {

const std::string& source_bucket(const CopyRequest& request, const std::string& bucket) {
  return request.source_bucket.empty() ? bucket : request.source_bucket;
}

void add_source(const CopyRequest& request, const std::string& bucket, http::Headers& to) {
  to.set("x-amz-copy-source", copy_source(source_bucket(request, bucket), request.source_key));
  if (!request.source_if_match.empty()) to.set("x-amz-copy-source-if-match", request.source_if_match.text);
}

std::string source_text(const CopyRequest& request, const std::string& bucket) {
  return target_text(source_bucket(request, bucket), request.source_key);
}

Result<CopyResult> read_copy(Answer answer) {
  return parse_body(std::move(answer), parse_copy);
}

// What stands there is what this copy makes.
bool is_own_copy(const CopyObject& operation, const ObjectInfo& info) {
  const CopyRequest& request = operation.request;
  const bool onto_itself =
      source_bucket(request, operation.bucket) == operation.bucket && request.source_key == request.key;
  // The ETag of a multipart object changes when it is copied onto itself: that of one request is not of parts.
  const bool etag_changed = onto_itself && request.source_if_match.is_of_parts() && !info.etag.is_of_parts();
  const bool replace = request.directive == MetadataDirective::replace;
  return (etag_changed || same_version(info.etag, request.source_if_match)) &&
         (!replace || holds_metadata(info.headers, request.headers));
}

// Of a copy that was made.
CopiedVersion copied_version(const CopyRequest& request) {
  return request.source_if_match.empty() ? CopiedVersion::unknown : CopiedVersion::asked_for;
}

}  // namespace

Result<Call> CopyObject::call(Service& service) const {
  PAIL_CHECK(check_object(bucket, request.key));
  PAIL_CHECK(check_object(source_bucket(request, bucket), request.source_key));
  Call call = object_call("PUT", bucket, request.key);
  call.what += fmt::format(" (copy of {})", source_text(request, bucket));
  call.kind = AnswerKind::may_hold_error;
  call.repetition = Repetition::matters;
  call.bound = server_work_bound(service);
  add_source(request, bucket, call.headers);
  const bool replace = request.directive == MetadataDirective::replace;
  call.headers.set("x-amz-metadata-directive", replace ? "REPLACE" : "COPY");
  if (replace) PAIL_CHECK(in_call(call.what, add_object_headers(request.headers, call.headers)));
  add_preconditions(request.conditions, call.headers);
  return call;
}

void start(Service& service, CopyObject operation, CallContext context, Completion<CopyResult> then) {
  auto call = operation.call(service);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  context = as_one_operation(service, std::move(context), call->bound);
  const auto judge = [&service, operation, context, then](Answer answer) {
    // A first attempt that was carried out makes the conditions of the second one fail: its own
    // copy stands there.
    const bool in_doubt =
        answer.failure && answer.failure->may_have_happened && answer.failure->fault == Fault::precondition;
    if (!in_doubt) {
      auto copied = read_copy(std::move(answer));
      if (copied) copied->version = copied_version(operation.request);
      return then(std::move(copied));
    }
    start(service, HeadObject{operation.bucket, operation.request.key}, context,
          [operation, then, failure = *answer.failure](Result<ObjectInfo> info) {
            if (!info || !is_own_copy(operation, *info)) return then(failure);
            then(CopyResult{info->etag, info->last_modified, copied_version(operation.request)});
          });
  };
  exchange(service, *std::move(call), context, judge);
}

Result<Call> CopyPart::call(Service& service) const {
  PAIL_CHECK(check_object(bucket, part.key));
  PAIL_CHECK(check_object(source_bucket(part.source, bucket), part.source.source_key));
  if (part.range.empty()) return Error{EINVAL, "the range of a part copy is empty"};
  PAIL_CHECK(check_part(part.number, part.range.size()));
  Call call = part_call(bucket, part.key, part.upload, part.number);
  call.what += fmt::format(" (part {}, copy of {})", part.number, source_text(part.source, bucket));
  call.kind = AnswerKind::may_hold_error;
  call.bound = server_work_bound(service);
  add_source(part.source, bucket, call.headers);
  call.headers.set("x-amz-copy-source-range", range_text(part.range));
  return call;
}

Result<CompletedPart> CopyPart::read(Answer answer) const {
  PAIL_TRY(CopyResult copied, read_copy(std::move(answer)));
  return CompletedPart{part.number, std::move(copied.etag)};
}

}  // namespace pail::cos::op
