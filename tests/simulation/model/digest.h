// A number that tells values apart, the same in every run.
#pragma once

#include <cstdint>
#include <string_view>

namespace pail::simulation::model {

class ValueDigest {
 public:
  ValueDigest& add(std::uint64_t value) {
    state_ = mix(state_ ^ mix(value + 0x9e3779b97f4a7c15));
    return *this;
  }
  ValueDigest& add(std::string_view text) {
    add(text.size());
    std::uint64_t word = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      word = word << 8 | static_cast<unsigned char>(text[i]);
      if (i % 8 == 7) add(word);
    }
    return add(word);
  }
  std::uint64_t value() const { return state_; }

 private:
  // The finalizer of splitmix64.
  static std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
  }

  std::uint64_t state_ = 0;
};

}  // namespace pail::simulation::model
