#include "cos/operations/delete.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "cos/answers.h"

namespace pail::cos::op {
namespace {

// Parsers of other servers give up at control characters, even at escaped ones.
bool survives_xml(std::string_view key) {
  return std::ranges::none_of(key, [](unsigned char c) { return c < 0x20 || c == 0x7F; });
}

// Deletes some keys one after the other, the rest together, and collects what was refused.
class DeleteMany final : public std::enable_shared_from_this<DeleteMany> {
 public:
  DeleteMany(Service& service, DeleteObjects operation, CallContext context,
             Completion<std::vector<DeleteRefusal>> then)
      : service_(service), bucket_(std::move(operation.bucket)), context_(std::move(context)), then_(std::move(then)) {
    for (std::string& key : operation.keys) (survives_xml(key) ? together_ : single_).push_back(std::move(key));
  }

  void next() {
    if (next_single_ == single_.size()) return delete_together();
    const std::string& key = single_[next_single_];
    start(service_, DeleteObject{bucket_, key}, context_,
          [self = shared_from_this(), &key](Result<Unit> deleted) { self->deleted_single(key, std::move(deleted)); });
  }

 private:
  void deleted_single(const std::string& key, Result<Unit> deleted) {
    const bool stopped = context_.stop.stop_requested() || service_.running().stop_token().stop_requested();
    if (!deleted && stopped) return then_(std::move(deleted).error());
    if (!deleted) refusals_.push_back({key, "", deleted.error().context});
    ++next_single_;
    next();
  }

  void delete_together() {
    if (together_.empty()) return end();
    Call call = bucket_call("POST", bucket_, {{"delete", ""}});
    call.what += fmt::format(" (delete of {} keys)", together_.size());
    set_xml_body(call, delete_body(together_));
    exchange(service_, std::move(call), context_,
             [self = shared_from_this()](Answer answer) { self->deleted_together(std::move(answer)); });
  }

  void deleted_together(Answer answer) {
    const std::string what = answer.what;
    auto response = response_of(std::move(answer));
    if (!response) return then_(std::move(response).error());
    auto refused = in_call(what, parse_delete(response->body));
    if (!refused) return then_(std::move(refused).error());
    std::ranges::move(*refused, std::back_inserter(refusals_));
    end();
  }

  // With nothing to delete this is inside of start().
  void end() {
    if (!single_.empty() || !together_.empty()) return then_(std::move(refusals_));
    service_.post([then = then_] { then(std::vector<DeleteRefusal>()); });
  }

  Service& service_;
  const std::string bucket_;
  const CallContext context_;
  const Completion<std::vector<DeleteRefusal>> then_;
  std::vector<std::string> single_, together_;
  std::size_t next_single_ = 0;
  std::vector<DeleteRefusal> refusals_;
};

Result<Unit> check(const DeleteObjects& operation) {
  PAIL_CHECK(check_bucket(operation.bucket));
  const std::size_t count = operation.keys.size();
  if (count > kMaxDeleteKeys)
    return Error{EINVAL, fmt::format("{} keys in one delete: {} are allowed", count, kMaxDeleteKeys)};
  for (const std::string& key : operation.keys) PAIL_CHECK(check_key(key));
  return Unit{};
}

}  // namespace

Result<Call> DeleteObject::call(Service&) const {
  PAIL_CHECK(check_object(bucket, key));
  return object_call("DELETE", bucket, key);
}

Result<Unit> DeleteObject::read(Answer answer) const {
  if (!answer.failure || answer.failure->fault == Fault::no_key) return Unit{};
  return *std::move(answer.failure);
}

void start(Service& service, DeleteObjects operation, CallContext context,
           Completion<std::vector<DeleteRefusal>> then) {
  if (auto valid = check(operation); !valid) return fail(service, std::move(valid).error(), std::move(then));
  std::make_shared<DeleteMany>(service, std::move(operation), std::move(context), std::move(then))->next();
}

}  // namespace pail::cos::op
