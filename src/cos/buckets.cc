// Operations on the service and on buckets, and listings of objects.
#include <fmt/format.h>

#include "cos/answers.h"
#include "cos/store.h"
#include "pailfs/base/stop.h"

namespace pail::cos {

Result<BucketsPage> Store::list_buckets(CallContext context) {
  Call call = service_call("GET", {});
  add_instance_id(call);
  const std::string what = call.what;
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  return in_call(what, parse_buckets(response.body));
}

Result<BucketsPage> Store::list_buckets_extended(std::string_view prefix, std::string_view marker,
                                                 CallContext context) {
  Query query{{"extended", ""}};
  if (!prefix.empty()) query.emplace_back("prefix", prefix);
  if (!marker.empty()) query.emplace_back("marker", marker);
  Call call = service_call("GET", query);
  add_instance_id(call);
  const std::string what = call.what;
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  return in_call(what, parse_buckets(response.body));
}

Result<Unit> Store::create_bucket(std::string_view bucket, std::string_view location, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  context = as_one_operation(link_, std::move(context));
  Call call = bucket_call("PUT", bucket, {});
  add_instance_id(call);
  if (!location.empty()) set_xml_body(call, create_bucket_body(location));
  call.repetition = Repetition::matters;
  Answer answer = send(std::move(call), context);
  if (!answer.failure) return Unit{};
  // The first attempt may have made it; the store says "exists" also to its owner.
  const Error& failure = *answer.failure;
  if (failure.may_have_happened && failure.fault == Fault::exists && head_bucket(bucket, std::move(context)))
    return Unit{};
  return *std::move(answer.failure);
}

Result<Unit> Store::head_bucket(std::string_view bucket, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  context = as_one_operation(link_, std::move(context));
  Answer answer = send(bucket_call("HEAD", bucket, {}), context);
  // A HEAD has no body to say that it is the bucket that is missing, and not the store.
  if (answer.refusal && answer.refusal->status == 404)
    PAIL_CHECK(list_objects(bucket, {.max_keys = 1}, std::move(context)));
  else
    PAIL_CHECK(response_of(std::move(answer)));
  return Unit{};
}

Result<Unit> Store::delete_bucket(std::string_view bucket, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  Call call = bucket_call("DELETE", bucket, {});
  call.repetition = Repetition::matters;
  Answer answer = send(std::move(call), std::move(context));
  if (!answer.failure) return Unit{};
  if (answer.failure->may_have_happened && answer.failure->fault == Fault::no_bucket) return Unit{};
  return *std::move(answer.failure);
}

Result<std::string> Store::bucket_location(std::string_view bucket, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  Call call = bucket_call("GET", bucket, {{"location", ""}});
  const std::string what = call.what;
  PAIL_TRY(const http::Response response, response_of(send(std::move(call), std::move(context))));
  return in_call(what, parse_location(response.body));
}

namespace {

// The largest page that follows the protocol: 1000 keys of 1024 bytes, each byte written as "%XX", and their entries.
constexpr ByteCount kMaxListing = 8_MiB;

Query list_query(ListVersion version, const ListRequest& request, std::string_view continuation) {
  Query query;
  const bool v2 = version == ListVersion::v2;
  if (v2) query.emplace_back("list-type", "2");
  if (!request.prefix.empty()) query.emplace_back("prefix", request.prefix);
  if (!request.delimiter.empty()) query.emplace_back("delimiter", request.delimiter);
  query.emplace_back("max-keys", fmt::to_string(request.max_keys));
  query.emplace_back("encoding-type", "url");
  if (v2 && !continuation.empty())
    query.emplace_back("continuation-token", continuation);
  else if (v2 && !request.start_after.empty())
    query.emplace_back("start-after", request.start_after);
  else if (const std::string_view marker = continuation.empty() ? request.start_after : continuation; !marker.empty())
    query.emplace_back("marker", marker);
  return query;
}

bool may_mean_no_v2(const Answer& answer) {
  return answer.refusal &&
         (fault_of(*answer.refusal) == Fault::unsupported || answer.refusal->code == "InvalidArgument");
}

}  // namespace

Result<ListPage> Store::list_by(ListVersion version, std::string_view bucket, const ListRequest& request,
                                std::string_view continuation, CallContext context) {
  Call call = bucket_call("GET", bucket, list_query(version, request, continuation));
  call.what = fmt::format("LIST {}", target_text(bucket, request.prefix));
  call.request.max_response_body = kMaxListing;
  const std::string what = call.what;
  Answer answer = send(std::move(call), context);
  if (version == ListVersion::v2 && continuation.empty() && may_mean_no_v2(answer)) {
    auto page = list_by(ListVersion::v1, bucket, request, "", std::move(context));
    if (page) knows_list_v2_ = false;
    return page;
  }
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_TRY(ParsedListing listing, in_call(what, parse_listing(response.body, request, version)));
  if (listing.answered_as_v1) knows_list_v2_ = false;
  return std::move(listing.page);
}

Result<ListPage> Store::list_objects(std::string_view bucket, const ListRequest& request, CallContext context) {
  PAIL_CHECK(check_bucket(bucket));
  if (request.max_keys < 1 || request.max_keys > 1000) return Error{EINVAL, "a page of a listing has 1 to 1000 keys"};
  if (!request.continuation.empty()) {
    PAIL_TRY(const Continuation from, read_continuation(request.continuation));
    return list_by(from.version, bucket, request, from.text, std::move(context));
  }
  context = as_one_operation(link_, std::move(context));
  const bool v2 = link_.options.list_version == ListVersion::v2 && knows_list_v2_;
  return list_by(v2 ? ListVersion::v2 : ListVersion::v1, bucket, request, "", std::move(context));
}

Result<std::optional<std::string>> find_bucket_location(Client& client, std::string_view bucket, StopToken stop) {
  // A prefix finds the bucket on the first page, unless a thousand others begin with its name.
  constexpr unsigned kPages = 10;
  std::string marker;
  for (unsigned page_number = 0; page_number < kPages; ++page_number) {
    PAIL_TRY(const BucketsPage page, client.list_buckets_extended(bucket, marker, stop));
    for (const BucketInfo& info : page.buckets)
      if (info.name == bucket && !info.location.empty()) return std::optional(info.location);
    if (page.next_marker.empty() || page.next_marker == marker) break;
    marker = page.next_marker;
  }
  return std::optional<std::string>();
}

}  // namespace pail::cos
