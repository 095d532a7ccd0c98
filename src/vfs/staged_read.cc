#include "vfs/staged_read.h"

#include <algorithm>
#include <memory>

namespace pail::vfs {

Result<ReadData> read_with_base(const local::StagedFile& file, Extent want, const FetchBase& fetch) {
  const ByteOffset end{std::min(want.end.n, std::max(want.begin.n, file.size().n))};
  auto bytes = std::make_shared<std::vector<std::byte>>((end - want.begin).n);
  std::size_t filled = 0;
  while (filled < bytes->size()) {
    const ByteOffset at = want.begin + ByteCount{filled};
    const auto out = std::span(*bytes).subspan(filled);
    PAIL_TRY(std::size_t got, file.read(at, out));
    const auto gaps = got == 0 ? file.missing({at, end}) : std::vector<Extent>();
    if (!gaps.empty() && gaps.front().begin == at) {
      const auto fetched = fetch(gaps.front());
      // Cut off, written or filled in since it was asked for: then its object may be stored over as well.
      if (!fetched && file.missing({at, end}) != gaps) continue;
      if (!fetched) return fetched.error();
      for (const auto piece : fetched->pieces) {
        std::ranges::copy(piece, out.subspan(got).begin());
        got += piece.size();
      }
    } else if (got == 0) {
      PAIL_TRY(got, file.read(at, out));  // it was filled between the two looks, or cut off
    }
    if (got == 0) break;
    filled += got;
  }
  ReadData data;
  if (filled > 0) data.pieces.emplace_back(bytes->data(), filled);
  data.owner = std::move(bytes);
  return data;
}

}  // namespace pail::vfs
