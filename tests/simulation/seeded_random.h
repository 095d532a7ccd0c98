// Numbers from a seed, the same on every machine.
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstdint>

namespace pail::simulation {

// Spreads a number over 64 bits; each number has an image of its own.
constexpr std::uint64_t mixed(std::uint64_t number) {
  number += 0x9e3779b97f4a7c15u;
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9u;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebu;
  return number ^ (number >> 31);
}

// One thread at a time.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mixed(seed)) {}

  std::uint64_t next() { return mixed(state_++); }
  // 0 up to, but not, `bound`, which is above 0.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  std::uint64_t between(std::uint64_t least, std::uint64_t most) { return least + below(most - least + 1); }
  bool one_in(std::uint64_t count) { return below(count) == 0; }
  bool per_million(unsigned chance) { return below(1'000'000) < chance; }
  bool percent(unsigned chance) { return below(100) < chance; }
  // At least `low` and at most `high`.
  std::chrono::nanoseconds between(std::chrono::nanoseconds low, std::chrono::nanoseconds high) {
    return low + std::chrono::nanoseconds(below(static_cast<std::uint64_t>((high - low).count()) + 1));
  }
  // The same, but each doubling between them is as likely as the others. `low` is above 0.
  std::chrono::nanoseconds magnitude(std::chrono::nanoseconds low, std::chrono::nanoseconds high) {
    const auto doublings = std::bit_width(static_cast<std::uint64_t>(high / low));
    const std::chrono::nanoseconds from = low * (std::int64_t{1} << below(static_cast<std::uint64_t>(doublings)));
    return between(from, std::min(high, 2 * from));
  }
  // Another sequence of its own.
  Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace pail::simulation
