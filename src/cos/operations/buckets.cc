#include "cos/operations/buckets.h"

#include "cos/answers.h"
#include "cos/operations/listing.h"
#include "cos/operations/service.h"

namespace pail::cos::op {

Result<Call> CreateBucket::call(Service& service) const {
  PAIL_CHECK(check_bucket(bucket));
  Call call = bucket_call("PUT", bucket);
  add_instance_id(service, call);
  if (!location.empty()) set_xml_body(call, create_bucket_body(location));
  call.repetition = Repetition::matters;
  return call;
}

void start(Service& service, CreateBucket operation, CallContext context, Completion<Unit> then) {
  auto call = operation.call(service);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  context = as_one_operation(service, std::move(context));
  const auto judge = [&service, bucket = operation.bucket, context, then](const Answer& answer) {
    if (!answer.failure) return then(Unit{});
    // The first attempt may have made it; the store says "exists" also to its owner.
    const Error failure = *answer.failure;
    if (!failure.may_have_happened || failure.fault != Fault::exists) return then(failure);
    start(service, HeadBucket{bucket}, context,
          [then, failure](Result<Unit> there) { then(there ? std::move(there) : failure); });
  };
  exchange(service, *std::move(call), context, judge);
}

Result<Call> HeadBucket::call(Service&) const {
  PAIL_CHECK(check_bucket(bucket));
  return bucket_call("HEAD", bucket);
}

void start(Service& service, HeadBucket operation, CallContext context, Completion<Unit> then) {
  auto call = operation.call(service);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  context = as_one_operation(service, std::move(context));
  const auto judge = [&service, bucket = operation.bucket, context, then](Answer answer) {
    if (!answer.failure) return then(Unit{});
    // A HEAD has no body to say that it is the bucket that is missing, and not the store.
    if (answer.refusal() == nullptr || answer.refusal()->status != 404) return then(*std::move(answer.failure));
    start(service, ListObjects{bucket, {.max_keys = 1}}, context,
          [then](Result<ListPage> page) { then(page ? Result<Unit>(Unit{}) : std::move(page).error()); });
  };
  exchange(service, *std::move(call), context, judge);
}

Result<Call> DeleteBucket::call(Service&) const {
  PAIL_CHECK(check_bucket(bucket));
  Call call = bucket_call("DELETE", bucket);
  call.repetition = Repetition::matters;
  return call;
}

Result<Unit> DeleteBucket::read(Answer answer) const {
  if (!answer.failure) return Unit{};
  if (answer.failure->may_have_happened && answer.failure->fault == Fault::no_bucket) return Unit{};
  return *std::move(answer.failure);
}

Result<Call> BucketLocation::call(Service&) const {
  PAIL_CHECK(check_bucket(bucket));
  return bucket_call("GET", bucket, {{"location", ""}});
}

Result<std::string> BucketLocation::read(Answer answer) const {
  return parse_body(std::move(answer), parse_location);
}

}  // namespace pail::cos::op
