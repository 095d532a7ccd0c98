// Fields of records and keys as bytes and back. docs/format.md has the conventions.
//
// Decoding trusts nothing: what is cut off or malformed reads as nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "pailfs/base/clock.h"

namespace pail::local {

// Appends fields to a record. Integers are LEB128 unless they say otherwise, texts are a length and bytes.
class RecordWriter {
 public:
  void byte(std::uint8_t value) { bytes_.push_back(static_cast<char>(value)); }
  void fixed64(std::uint64_t value);  // 8 bytes, little-endian
  void number(std::uint64_t value);
  void time(WallTime value);  // nanoseconds since the epoch, zigzag
  void text(std::string_view value);
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Takes fields from a record. After the first that is not there, all are zero and complete() is false.
class RecordReader {
 public:
  explicit RecordReader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t byte();
  std::uint64_t fixed64();
  std::uint64_t number();
  WallTime time();
  std::string text();
  // Everything was there and nothing is left.
  bool complete() const { return intact_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool intact_ = true;
};

// A key of the index: big-endian numbers and text, so that keys sort as their parts do. Never longer than LMDB allows.
class IndexKey {
 public:
  static constexpr std::size_t kLimit = 511;

  IndexKey() = default;
  explicit IndexKey(std::uint64_t first) { add(first); }
  IndexKey(std::uint64_t first, std::uint64_t second) {
    add(first);
    add(second);
  }
  void add(std::uint64_t number);
  void add(std::string_view text);
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kLimit> bytes_;
  std::size_t size_ = 0;
};

// The big-endian number at `at` of a key; 0 when the key is too short.
std::uint64_t number_in_key(std::string_view key, std::size_t at);

}  // namespace pail::local
