#include "fake_store/content.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::fake {

Content::Content(std::string bytes) {
  size_ = {bytes.size()};
  if (size_.n > 0)
    pieces_.push_back({std::make_shared<const std::string>(std::move(bytes)), 0, size_.n});
}

Content Content::zeros(ByteCount size) {
  Content content;
  content.size_ = size;
  if (size.n > 0) content.pieces_.push_back({nullptr, 0, size.n});
  return content;
}

void Content::append(const Content& other) {
  const std::vector<Piece> more = other.pieces_;  // may be this one's
  pieces_.insert(pieces_.end(), more.begin(), more.end());
  size_ = size_ + other.size_;
}

Content Content::slice(Extent extent) const {
  Content content;
  std::uint64_t at = 0;  // of the piece
  for (const Piece& piece : pieces_) {
    const std::uint64_t begin = std::max(extent.begin.n, at);
    const std::uint64_t end = std::min(extent.end.n, at + piece.length);
    if (begin < end)
      content.pieces_.push_back({piece.bytes, piece.begin + (begin - at), end - begin});
    at += piece.length;
  }
  content.size_ = extent.size();
  return content;
}

std::string Content::bytes() const {
  std::string all;
  all.reserve(size_.n);
  for (const Piece& piece : pieces_) {
    if (piece.bytes)
      all.append(*piece.bytes, piece.begin, piece.length);
    else
      all.append(piece.length, '\0');
  }
  return all;
}

std::string Content::md5() const {
  Digest digest(DigestKind::md5);
  for (const Piece& piece : pieces_) {
    const std::string description = piece.bytes ? "" : fmt::format("zeros {}", piece.length);
    const std::string_view part =
        piece.bytes ? std::string_view(*piece.bytes).substr(piece.begin, piece.length)
                    : std::string_view(description);
    digest.update(bytes_of(part));
  }
  return digest.result();
}

}  // namespace pail::fake
