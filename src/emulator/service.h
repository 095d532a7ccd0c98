// From a request's header to its answer: who asks, what is asked, and the parts that all operations share.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "emulator/body_reader.h"
#include "emulator/state.h"

namespace pail::emulator {

enum class SignedBy { hmac, iam };

// One request while it is carried out.
struct Call {
  State& state;
  Request request;
  std::string request_id;
  SignedBy signed_by = SignedBy::hmac;
  SignedPayload payload;
  std::string text;               // the body of operations that take a document
  std::unique_ptr<NewData> data;  // the body of operations that take an object's bytes
  BodyDigests digests;
};

enum class BodyUse { none, text, object, part };
enum class Cost { quick, slow };  // slow: may read or write much, so it runs on threads of its own

// One operation of the service. `check`, when there is one, refuses before the body is read.
struct Operation {
  std::string_view name;
  BodyUse body = BodyUse::none;
  Cost cost = Cost::quick;
  BodyReader::Integrity integrity = BodyReader::Integrity::optional;
  std::span<const std::string_view> parameters = {};  // of the query; with others it is not this operation
  ApiResult<Unit> (*check)(Call&) = nullptr;
  ApiResult<Response> (*run)(Call&) = nullptr;
};

const Operation& operation_of(const Request& request);

// A request from its header to its answer. One thread at a time.
class Exchange {
 public:
  Exchange(State& state, Request request);

  const Operation& operation() const { return operation_; }
  const Request& request() const { return call_.request; }
  const std::string& request_id() const { return call_.request_id; }
  // Already refused: the answer will not depend on the body, which may be left unread.
  bool refused() const { return refusal_.has_value(); }
  void refuse(ApiError error);
  // The client has proven who it is. Before that it is not trusted with memory.
  bool authenticated() const { return authenticated_; }

  // The next bytes of the body. After a refusal they are dropped.
  void feed(std::span<const std::byte> bytes);
  // After the last byte: carries the operation out.
  Response finish();
  // The answer to send for an error, with all common headers.
  Response error_response(int status, std::string_view code, std::string_view message) const;
  std::string_view error_code() const { return error_code_; }

 private:
  ApiResult<Unit> start();
  ApiResult<Unit> authenticate();
  ApiResult<Unit> refuse_unknown() const;
  ApiResult<Unit> prepare_body();
  ApiResult<Response> carry_out();
  ApiResult<Response> carry_out_or_fail();
  Response complete(Response response) const;

  Call call_;
  const Operation& operation_;
  std::optional<BodyReader> reader_;
  std::optional<ApiError> refusal_;
  bool authenticated_ = false;
  std::string_view error_code_;
};

}  // namespace pail::emulator
