#include "base/disk_space.h"

#include <fcntl.h>

#include <cerrno>

#include "base/file.h"

namespace pail {

Result<Unit> reserve_space(int file, Extent extent, std::string_view what) {
  const auto begin = static_cast<off_t>(extent.begin.n), size = static_cast<off_t>(extent.size().n);
  while (::fallocate(file, FALLOC_FL_KEEP_SIZE, begin, size) != 0) {
    if (errno == EOPNOTSUPP) return Unit{};
    if (errno != EINTR) return errno_error(errno, what);
  }
  return Unit{};
}

}  // namespace pail
