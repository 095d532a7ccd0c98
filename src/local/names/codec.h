// Index records as bytes and back. docs/format.md describes them; a change of one needs a new version byte.
//
// Decoding trusts nothing: bytes that are no record of a known version give nothing.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "local/records.h"

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
  // parent and name; a name too long for a key is cut and its SHA-256 appended, which makes the key kLimit bytes long.
  static IndexKey of_dirent(InodeNumber parent, std::string_view name);

  void add(std::uint64_t number);
  void add(std::string_view text);
  std::string_view view() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, kLimit> bytes_;
  std::size_t size_ = 0;
};

// The big-endian number at `at` of a key; 0 when the key is too short.
std::uint64_t number_in_key(std::string_view key, std::size_t at);

std::string encode(const InodeRecord& record);
std::optional<InodeRecord> decode_inode(InodeNumber number, std::string_view bytes);

// The name stands in the value too when the key cannot hold it.
std::string encode(std::string_view name, const Dirent& dirent);
std::optional<Dirent> decode_dirent(std::string_view name, std::string_view bytes);
// The name of an entry, from its key and its value; none when they are no entry.
std::optional<std::string> name_of_dirent(std::string_view key, std::string_view bytes);

// Tells two names of one inode apart when one is taken while the other was just bound (an exchange).
std::string name_tag(std::string_view name);

std::string encode(const Intent& intent);
std::optional<Intent> decode_intent(std::string_view bytes);

std::string encode(const UploadRecord& record);
std::optional<UploadRecord> decode_upload(std::string_view bytes);

std::string encode(const UploadPartRecord& part);
std::optional<UploadPartRecord> decode_upload_part(unsigned number, std::string_view bytes);

}  // namespace pail::local
