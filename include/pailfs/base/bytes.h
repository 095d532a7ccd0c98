// Numbers of bytes and places in a file, as types of their own: an offset plus an offset does not compile.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>

namespace pail {

struct ByteCount {
  std::uint64_t n = 0;
  auto operator<=>(const ByteCount&) const = default;
};

struct ByteOffset {
  std::uint64_t n = 0;
  auto operator<=>(const ByteOffset&) const = default;
};

constexpr ByteCount operator+(ByteCount a, ByteCount b) {
  return {a.n + b.n};
}
constexpr ByteCount operator-(ByteCount a, ByteCount b) {
  return {a.n - b.n};
}
constexpr ByteOffset operator+(ByteOffset at, ByteCount by) {
  return {at.n + by.n};
}
constexpr ByteCount operator-(ByteOffset end, ByteOffset begin) {
  return {end.n - begin.n};
}

constexpr ByteCount operator""_KiB(unsigned long long n) {
  return {n << 10};
}
constexpr ByteCount operator""_MiB(unsigned long long n) {
  return {n << 20};
}
constexpr ByteCount operator""_GiB(unsigned long long n) {
  return {n << 30};
}

// Bytes [begin, end) of one object or file.
struct Extent {
  ByteOffset begin, end;
  auto operator<=>(const Extent&) const = default;
  constexpr ByteCount size() const { return end - begin; }
  constexpr bool empty() const { return end <= begin; }
};

// The part of `a` that lies in `b`, empty when there is none.
constexpr Extent intersect(Extent a, Extent b) {
  const Extent common{std::max(a.begin, b.begin), std::min(a.end, b.end)};
  return common.empty() ? Extent{common.begin, common.begin} : common;
}

}  // namespace pail
