#include "cos/operations/listing.h"

#include <fmt/format.h>

#include "cos/answers.h"

namespace pail::cos::op {
namespace {

// The largest page that follows the protocol: 1000 keys of 1024 bytes, each byte written as "%XX",
// and their entries.
constexpr ByteCount kMaxListing = 8_MiB;

Query list_query(const Continuation& from, const ListRequest& request) {
  Query query;
  const bool v2 = from.version == ListVersion::v2;
  if (v2) query.emplace_back("list-type", "2");
  if (!request.prefix.empty()) query.emplace_back("prefix", request.prefix);
  if (!request.delimiter.empty()) query.emplace_back("delimiter", request.delimiter);
  query.emplace_back("max-keys", fmt::to_string(request.max_keys));
  query.emplace_back("encoding-type", "url");
  const std::string& marker = from.text.empty() ? request.start_after : from.text;
  if (v2 && !from.text.empty())
    query.emplace_back("continuation-token", from.text);
  else if (!marker.empty())
    query.emplace_back(v2 ? "start-after" : "marker", marker);
  return query;
}

// A page asked for in one version of the protocol.
struct ListBy {
  ListObjects list;
  Continuation from;  // its text is empty on the first page

  Call call() const;
  Result<ListPage> read(Service& service, Answer answer) const;
};

Call ListBy::call() const {
  Call call = bucket_call("GET", list.bucket, list_query(from, list.request));
  call.what = fmt::format("LIST {}", target_text(list.bucket, list.request.prefix));
  call.largest_answer = kMaxListing;
  return call;
}

void knows_v2(Service& service) {
  service.dialect()->proven_there(Ability::list_v2);
}

void lacks_v2(Service& service) {
  service.dialect()->proven_missing(Ability::list_v2);
}

Result<ListPage> ListBy::read(Service& service, Answer answer) const {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  PAIL_TRY(ParsedListing listing, in_call(what, parse_listing(response.body, list.request, from.version)));
  if (from.version == ListVersion::v2) listing.answered_as_v1 ? lacks_v2(service) : knows_v2(service);
  return std::move(listing.page);
}

bool may_mean_no_v2(const Answer& answer) {
  const ServerError* refusal = answer.refusal();
  return refusal != nullptr && (fault_of(*refusal) == Fault::unsupported || refusal->code == "InvalidArgument");
}

void list_by_v1(Service& service, ListObjects operation, const CallContext& context, Completion<ListPage> then) {
  ListBy by{std::move(operation), {ListVersion::v1, ""}};
  Call call = by.call();
  exchange(service, std::move(call), context, [&service, by = std::move(by), then = std::move(then)](Answer answer) {
    auto page = by.read(service, std::move(answer));
    if (page) lacks_v2(service);
    then(std::move(page));
  });
}

Result<Continuation> first_or_next(Service& service, const ListRequest& request) {
  if (request.max_keys < 1 || request.max_keys > 1000) return Error{EINVAL, "a page of a listing has 1 to 1000 keys"};
  if (!request.continuation.empty()) return read_continuation(request.continuation);
  const bool by_v1 =
      service.options().list_version == ListVersion::v1 || service.dialect()->known(Ability::list_v2) == Known::missing;
  return Continuation{by_v1 ? ListVersion::v1 : ListVersion::v2, ""};
}

}  // namespace

void start(Service& service, ListObjects operation, CallContext context, Completion<ListPage> then) {
  if (auto valid = check_bucket(operation.bucket); !valid)
    return fail(service, std::move(valid).error(), std::move(then));
  auto from = first_or_next(service, operation.request);
  if (!from) return fail(service, std::move(from).error(), std::move(then));
  context = as_one_operation(service, std::move(context));
  ListBy by{std::move(operation), *std::move(from)};
  const bool first_by_v2 = by.from.version == ListVersion::v2 && by.from.text.empty();
  Call call = by.call();
  exchange(service, std::move(call), context,
           [&service, by = std::move(by), first_by_v2, context, then = std::move(then)](Answer answer) {
             if (first_by_v2 && may_mean_no_v2(answer)) return list_by_v1(service, by.list, context, then);
             then(by.read(service, std::move(answer)));
           });
}

}  // namespace pail::cos::op
