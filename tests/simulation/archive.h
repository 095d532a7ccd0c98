// Values as bytes and back. Both ends are the same binary, so numbers are written as they lie in memory.
//
// A struct is archived member by member; kMembers says how many it has, and a wrong number does not compile.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "pailfs/http/message.h"

namespace pail::simulation {

template <class T>
inline constexpr std::size_t kMembers = 0;  // 0: no struct

template <class T>
auto members(T& value) {
  constexpr std::size_t kCount = kMembers<std::remove_const_t<T>>;
  static_assert(kCount > 0 && kCount <= 8, "a struct to be archived says how many members it has");
  if constexpr (kCount == 1) {
    auto& [a] = value;
    return std::tie(a);
  } else if constexpr (kCount == 2) {
    auto& [a, b] = value;
    return std::tie(a, b);
  } else if constexpr (kCount == 3) {
    auto& [a, b, c] = value;
    return std::tie(a, b, c);
  } else if constexpr (kCount == 4) {
    auto& [a, b, c, d] = value;
    return std::tie(a, b, c, d);
  } else if constexpr (kCount == 5) {
    auto& [a, b, c, d, e] = value;
    return std::tie(a, b, c, d, e);
  } else if constexpr (kCount == 6) {
    auto& [a, b, c, d, e, f] = value;
    return std::tie(a, b, c, d, e, f);
  } else if constexpr (kCount == 7) {
    auto& [a, b, c, d, e, f, g] = value;
    return std::tie(a, b, c, d, e, f, g);
  } else {
    auto& [a, b, c, d, e, f, g, h] = value;
    return std::tie(a, b, c, d, e, f, g, h);
  }
}

template <class T>
inline constexpr bool kIsNumber = std::is_arithmetic_v<T> || std::is_enum_v<T>;

class ArchiveWriter {
 public:
  template <class T>
  requires kIsNumber<T>
  void put(const T& number) { bytes_.append(reinterpret_cast<const char*>(&number), sizeof number); }
  void put(const std::string& text) {
    put(text.size());
    bytes_ += text;
  }
  template <class Count, class Period>
  void put(const std::chrono::duration<Count, Period>& time) {
    put(time.count());
  }
  template <class Clock, class Unit>
  void put(const std::chrono::time_point<Clock, Unit>& time) {
    put(time.time_since_epoch());
  }
  template <class T>
  void put(const std::optional<T>& value) {
    put(value.has_value());
    if (value) put(*value);
  }
  template <class T>
  void put(const std::vector<T>& values) {
    put(values.size());
    for (const T& value : values) put(value);
  }
  void put(const http::Headers& fields) {
    put(fields.size());
    for (const http::Header& field : fields) {
      put(field.name);
      put(field.value);
    }
  }
  template <class... Kinds>
  void put(const std::variant<Kinds...>& value) {
    put(value.index());
    std::visit([&](const auto& kind) { put(kind); }, value);
  }
  template <class T>
  requires std::is_empty_v<T>
  void put(const T&) {}
  template <class T>
  requires(kMembers<T> > 0) void put(const T& value) {
    std::apply([&](const auto&... each) { (put(each), ...); }, members(value));
  }

  std::string take() && { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Never reads beyond its bytes: what is missing, or makes no sense, fails it for good.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::string_view bytes) : bytes_(bytes) {}

  // Whether everything was read, and nothing is left.
  bool complete() const { return !failed_ && bytes_.empty(); }

  template <class T>
  requires kIsNumber<T>
  void get(T& number) {
    if (const std::string_view taken = take(sizeof number); !taken.empty())
      std::memcpy(&number, taken.data(), sizeof number);
  }
  void get(bool& flag) {
    unsigned char byte = 0;
    get(byte);
    if (byte > 1) failed_ = true;
    flag = byte == 1;
  }
  void get(std::string& text) { text = take(get_size()); }
  template <class Count, class Period>
  void get(std::chrono::duration<Count, Period>& time) {
    Count count{};
    get(count);
    time = std::chrono::duration<Count, Period>(count);
  }
  template <class Clock, class Unit>
  void get(std::chrono::time_point<Clock, Unit>& time) {
    Unit since{};
    get(since);
    time = std::chrono::time_point<Clock, Unit>(since);
  }
  template <class T>
  void get(std::optional<T>& value) {
    bool there = false;
    get(there);
    if (there) get(value.emplace());
  }
  template <class T>
  void get(std::vector<T>& values) {
    for (std::size_t left = get_size(); left > 0 && !failed_; --left) get(values.emplace_back());
  }
  void get(http::Headers& fields) {
    for (std::size_t left = get_size(); left > 0 && !failed_; --left) {
      http::Header field;
      get(field.name);
      get(field.value);
      fields.add(std::move(field.name), std::move(field.value));
    }
  }
  template <class... Kinds>
  void get(std::variant<Kinds...>& value) {
    get_kind(value, get_number(), std::index_sequence_for<Kinds...>());
  }
  template <class T>
  requires std::is_empty_v<T>
  void get(T&) {}
  template <class T>
  requires(kMembers<T> > 0) void get(T& value) {
    std::apply([&](auto&... each) { (get(each), ...); }, members(value));
  }

 private:
  std::string_view take(std::size_t size) {
    if (failed_ || size > bytes_.size()) {
      failed_ = true;
      return {};
    }
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }
  std::size_t get_number() {
    std::size_t number = 0;
    get(number);
    return number;
  }
  // Of a text or vector, whose elements have a byte at least.
  std::size_t get_size() {
    const std::size_t size = get_number();
    if (size > bytes_.size()) failed_ = true;
    return failed_ ? 0 : size;
  }
  template <class Variant, std::size_t... Index>
  void get_kind(Variant& value, std::size_t wanted, std::index_sequence<Index...>) {
    const bool known = ((wanted == Index && (get(value.template emplace<Index>()), true)) || ...);
    if (!known) failed_ = true;
  }

  std::string_view bytes_;
  bool failed_ = false;
};

}  // namespace pail::simulation
