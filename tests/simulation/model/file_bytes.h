// The bytes of a file as the writes that they came from: a copy is cheap, and two of them are compared without looking
// at a byte.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace pail::simulation::model {

// A value.
class FileBytes {
 public:
  // Which write, even and never 0, so that no two sources have one number.
  using Source = std::uint64_t;

  std::uint64_t size() const { return size_; }
  // Bytes between the end and `at` become zeros.
  void write(std::uint64_t at, Source source, std::shared_ptr<const std::string> bytes);
  void resize(std::uint64_t size);
  // Takes over what was shown, from `at` on, of the bytes that a write made of these.
  void renew(const FileBytes& written, std::uint64_t at, std::string_view shown);

  // The write of `length` bytes from `at` on failed, on a disk that may have each of them or what was there `before`.
  void doubt(const FileBytes& before, std::uint64_t at, std::uint64_t length, Source write);

  // What a write of these bytes put between `begin` and `end` is as it was `before` it.
  void take_back(const FileBytes& before, std::uint64_t begin, std::uint64_t end);

  std::string read(std::uint64_t at, std::uint64_t size) const;  // cut at the end; of bytes in doubt the new ones
  // The same; where bytes are in doubt, each is that of one of these.
  std::vector<std::string> read_all(std::uint64_t at, std::uint64_t size) const;
  std::string bytes() const { return read(0, size_); }
  bool equals(std::string_view bytes) const;
  // Whether `bytes` are these, but that zeros may stand where `base` has the same bytes from the same write.
  bool equals_but_for_holes(std::string_view bytes, const FileBytes& base) const;
  std::uint64_t digest() const;

 private:
  struct Piece {
    Source source = 0;  // 0: zeros
    std::shared_ptr<const std::string> text;
    std::uint64_t begin = 0;  // in the text
    std::uint64_t length = 0;
    std::vector<std::shared_ptr<const std::string>> others;  // that it may be as well, byte by byte

    bool may_be(std::uint64_t at, char byte) const;
  };

  void append(const Piece& piece);
  FileBytes slice(std::uint64_t begin, std::uint64_t end) const;
  void append(const FileBytes& other);
  bool shows(std::string_view bytes, std::uint64_t at, const Piece& piece) const;
  bool comes_from(std::uint64_t at, const Piece& piece, std::uint64_t offset) const;

  std::vector<Piece> pieces_;  // neighbours that could be one are one
  std::uint64_t size_ = 0;
};

}  // namespace pail::simulation::model
