// The bytes of an object, shared and not copied: a copy of a large object costs nothing, and a run
// of zeros takes no memory, so that objects beyond the limits of a store can be made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pailfs/base/bytes.h"

namespace pail::fake {

// A value. Reading is thread-safe.
class Content {
 public:
  Content() = default;
  explicit Content(std::string bytes);
  static Content zeros(ByteCount size);

  ByteCount size() const { return size_; }
  void append(const Content& other);
  // `extent` lies within.
  Content slice(Extent extent) const;
  std::string bytes() const;

  // 16 bytes. Runs of zeros that were not written byte by byte count as a description of
  // themselves: the digest is the same for the same content, but no MD5.
  std::string md5() const;

 private:
  struct Piece {
    std::shared_ptr<const std::string> bytes;  // null: zeros
    std::uint64_t begin = 0;
    std::uint64_t length = 0;
  };

  std::vector<Piece> pieces_;
  ByteCount size_;
};

}  // namespace pail::fake
