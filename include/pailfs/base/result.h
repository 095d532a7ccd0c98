// Result<T>: a value, or the reason there is none. Errors are errno values with a story for the person who reads them.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace pail {

// What a failure means to a program. The kinds are named by the layer that tells them apart.
enum class Fault : std::uint8_t;

// The errno is for the kernel, the text for people. What a program decides, it decides on the fault.
struct Error {
  int errnum;                      // > 0: what the kernel or the caller will see
  std::string context;             // one line for people: operation, object, server's code, request id; no secret
  Fault fault{};                   // Fault{}: no more is known than the errno says
  bool may_have_happened = false;  // what failed may have been carried out, by an attempt without answer
};

// What a function returns that has nothing to return but may fail.
struct Unit {};

template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) { assert(this->error().errnum > 0); }

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  // Defined only while has_value().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Defined only while !has_value().
  Error& error() & { return *std::get_if<1>(&state_); }
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Error> state_;
};

// The errno of a result, 0 when it has a value.
template <class T>
int errnum_of(const Result<T>& result) {
  return result ? 0 : result.error().errnum;
}

// The fault of a result, Fault{} when it has a value or no fault is known.
template <class T>
Fault fault_of(const Result<T>& result) {
  return result ? Fault{} : result.error().fault;
}

}  // namespace pail

#define PAIL_CONCAT_INNER(a, b) a##b
#define PAIL_CONCAT(a, b) PAIL_CONCAT_INNER(a, b)

// Declares a variable from a Result, or returns its error from the enclosing function.
//   PAIL_TRY(auto info, bucket.head(key));
#define PAIL_TRY(declaration, ...)                                                                         \
  auto PAIL_CONCAT(pail_result_, __LINE__) = (__VA_ARGS__);                                                \
  if (!PAIL_CONCAT(pail_result_, __LINE__)) return std::move(PAIL_CONCAT(pail_result_, __LINE__)).error(); \
  declaration = *std::move(PAIL_CONCAT(pail_result_, __LINE__))

// Returns the error of a Result whose value is of no interest.
#define PAIL_CHECK(...)                                                                        \
  do {                                                                                         \
    if (auto pail_result = (__VA_ARGS__); !pail_result) return std::move(pail_result).error(); \
  } while (false)
