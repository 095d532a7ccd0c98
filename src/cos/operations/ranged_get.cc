#include "cos/operations/ranged_get.h"

#include "cos/range_sink.h"

namespace pail::cos::op {
namespace {

Result<Unit> check(const GetRequest& request) {
  PAIL_CHECK(check_object(request.bucket, request.key));
  if (request.range.empty())
    return Error{EINVAL, "GET " + target_text(request.bucket, request.key) + ": the range is empty"};
  return Unit{};
}

}  // namespace

void start_ranged_get(Service& service, GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) {
  if (auto valid = check(request); !valid)
    return fail<ObjectInfo>(service, std::move(valid).error(),
                            [handler](Result<ObjectInfo> outcome) { handler->on_done(std::move(outcome)); });
  context = as_one_operation(service, std::move(context));
  Call call = object_call("GET", request.bucket, request.key);
  const auto sink = std::make_shared<RangeSink>(std::move(request), handler, context.budget);
  exchange(service, std::move(call), sink, std::move(context),
           [sink, handler](Answer answer) { handler->on_done(sink->outcome(std::move(answer))); });
}

}  // namespace pail::cos::op
