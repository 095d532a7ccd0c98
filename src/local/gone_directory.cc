#include "local/gone_directory.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>

namespace pail::local {

std::optional<Error> gone_directory(const std::filesystem::path& directory) {
  struct stat status {};
  const bool gone = ::stat(directory.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
  if (!gone) return std::nullopt;
  return Error{EIO, fmt::format("{}: the directory is gone: somebody removed it, or the state_dir that it lies in, "
                                "under the running mount. Nothing more can be written; unmount, and mount again",
                                directory.string())};
}

}  // namespace pail::local
