#include "local/codec.h"

#include <cassert>
#include <cstring>

namespace pail::local {

void RecordWriter::fixed64(std::uint64_t value) {
  for (int shift = 0; shift < 64; shift += 8) byte(static_cast<std::uint8_t>(value >> shift));
}

void RecordWriter::number(std::uint64_t value) {
  while (value >= 0x80) {
    byte(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  byte(static_cast<std::uint8_t>(value));
}

void RecordWriter::time(WallTime value) {
  const std::int64_t ns = value.time_since_epoch().count();
  number((static_cast<std::uint64_t>(ns) << 1) ^ static_cast<std::uint64_t>(ns >> 63));
}

void RecordWriter::text(std::string_view value) {
  number(value.size());
  bytes_.append(value);
}

std::uint8_t RecordReader::byte() {
  if (rest_.empty()) intact_ = false;
  if (!intact_) return 0;
  const auto value = static_cast<std::uint8_t>(rest_.front());
  rest_.remove_prefix(1);
  return value;
}

std::uint64_t RecordReader::fixed64() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 8) value |= std::uint64_t{byte()} << shift;
  return intact_ ? value : 0;
}

std::uint64_t RecordReader::number() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t next = byte();
    value |= std::uint64_t{next & 0x7fu} << shift;
    if ((next & 0x80) == 0) return intact_ ? value : 0;
  }
  intact_ = false;
  return 0;
}

WallTime RecordReader::time() {
  const std::uint64_t zigzag = number();
  const auto ns = static_cast<std::int64_t>((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  return WallTime(std::chrono::nanoseconds(ns));
}

std::string RecordReader::text() {
  const std::uint64_t size = number();
  if (size > rest_.size()) intact_ = false;
  if (!intact_) return {};
  std::string value(rest_.substr(0, size));
  rest_.remove_prefix(size);
  return value;
}

void IndexKey::add(std::uint64_t number) {
  char bytes[sizeof(number)];
  for (std::size_t i = 0; i < sizeof(number); ++i) bytes[i] = static_cast<char>(number >> (56 - 8 * i));
  add(std::string_view(bytes, sizeof(bytes)));
}

void IndexKey::add(std::string_view text) {
  assert(text.size() <= kLimit - size_);
  if (text.empty()) return;
  std::memcpy(bytes_.data() + size_, text.data(), text.size());
  size_ += text.size();
}

std::uint64_t number_in_key(std::string_view key, std::size_t at) {
  if (key.size() < at + sizeof(std::uint64_t)) return 0;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < sizeof(number); ++i) number = number << 8 | static_cast<unsigned char>(key[at + i]);
  return number;
}

}  // namespace pail::local
