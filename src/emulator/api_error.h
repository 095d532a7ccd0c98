// Refusals as the service words them: an S3 error code, its HTTP status and a message.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "pailfs/base/result.h"

namespace pail::emulator {

struct ApiError {
  // `code` is one of the service's codes and has static storage.
  ApiError(std::string_view error_code, std::string text) : code(error_code), message(std::move(text)) {}
  // The disk or the index failed: InternalError, whose cause goes to the log and not to the client.
  ApiError(const Error& cause);  // NOLINT: implicit, so that PAIL_TRY works across both kinds

  int status() const;

  std::string_view code;
  std::string message;
};

// 400 for codes this table does not know.
int status_of(std::string_view code);

// A T or the refusal to send.
template <class T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  ApiResult(ApiError error) : state_(std::in_place_index<1>, std::move(error)) {}
  ApiResult(const Error& error) : state_(std::in_place_index<1>, ApiError(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }
  ApiError& error() & { return *std::get_if<1>(&state_); }
  const ApiError& error() const& { return *std::get_if<1>(&state_); }
  ApiError&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, ApiError> state_;
};

}  // namespace pail::emulator
