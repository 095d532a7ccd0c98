#include "fuse/page_write.h"

#include <cerrno>

namespace pail::fuse {

Result<ByteCount> write_pages(const WriteAt& write, ByteOffset at, std::span<const std::byte> pages) {
  ByteCount done;
  while (done.n < pages.size()) {
    PAIL_TRY(const ByteCount written, write(at + done, pages.subspan(done.n)));
    if (written.n == 0) return Error{EIO, "pages of a mapping: nothing was written"};
    done = done + written;
  }
  return done;
}

}  // namespace pail::fuse
