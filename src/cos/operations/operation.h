// How operations are written and started. An operation is a struct: its arguments, and
//
//   using Value = ...;                           // what it gives
//   Result<Call> call(Service&) const;           // how it is asked for; errors: of the arguments
//   Result<Value> read(Answer answer) const;     // what the answer says
//
// One that takes several requests has a start() of its own beside it, instead of call() and read().
// All are used alike, so a new family of operations touches no class:
//
//   start(service, op::HeadBucket{"bucket"}, context, [](Result<Unit> outcome) { ... });
//   Result<Unit> outcome = perform(service, op::HeadBucket{"bucket"}, context);  // waits
#pragma once

#include <memory>
#include <utility>

#include "base/promise.h"
#include "cos/completion.h"
#include "cos/exchange.h"

namespace pail::cos {

// Tells of a failure that was found before anything was sent.
template <class T>
void fail(Service& service, Error error, Completion<T> then) {
  service.post([error = std::move(error), then = std::move(then)] { then(error); });
}

template <class Operation>
void start(Service& service, Operation operation, CallContext context, Completion<typename Operation::Value> then) {
  auto call = operation.call(service);
  if (!call) return fail(service, std::move(call).error(), std::move(then));
  exchange(service, *std::move(call), std::move(context),
           [operation = std::move(operation), then = std::move(then)](Answer answer) {
             then(operation.read(std::move(answer)));
           });
}

// Blocks until the operation has ended. Errors: EDEADLK on a network thread, which has to receive
// the answer.
template <class Operation>
Result<typename Operation::Value> perform(Service& service, Operation operation, CallContext context) {
  if (service.network().on_network_thread())
    return Error{EDEADLK, "waiting for a store on the thread that has to receive its answer"};
  const Promise<Result<typename Operation::Value>> outcome;
  start(service, std::move(operation), std::move(context),
        [outcome](Result<typename Operation::Value> value) { outcome.set(std::move(value)); });
  return outcome.wait();
}

// A result whose error names the call it belongs to.
template <class T>
Result<T> in_call(const std::string& what, Result<T> result) {
  if (!result) result.error().context = what + ": " + result.error().context;
  return result;
}

// What `parse` makes of the body of a success.
template <class Parse>
auto parse_body(Answer answer, Parse parse) -> decltype(parse(std::string_view())) {
  const std::string what = answer.what;
  PAIL_TRY(const http::Response response, response_of(std::move(answer)));
  return in_call(what, parse(response.body));
}

}  // namespace pail::cos
