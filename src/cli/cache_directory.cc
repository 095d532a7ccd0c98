#include "cli/cache_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/trusted_directory.h"
#include "cli/connect.h"

namespace pail::cli {
namespace {

constexpr unsigned kMaxSiblings = 64;  // mounts of one view at a time

// The name is the same for every mount of the view; the parts cannot run into each other, none contains a newline.
std::string view_name(std::string_view url, const Source& source) {
  return xxh3_name(bytes_of(fmt::format("{}\n{}\n{}", url, source.bucket, source.prefix)));
}

}  // namespace

Result<std::filesystem::path> default_cache_root() {
  if (::geteuid() == 0) return std::filesystem::path("/var/cache/pailfs");
  if (const char* xdg = std::getenv("XDG_CACHE_HOME"); xdg != nullptr && *xdg == '/')
    return std::filesystem::path(xdg) / "pailfs";
  const std::filesystem::path home = home_directory();
  if (home.empty()) return Error{ENOENT, "there is no home directory to keep the cache in; say -o cache_dir=DIR"};
  return home / ".cache" / "pailfs";
}

Result<CacheDirectory> take_cache_directory(const std::filesystem::path& root, std::string_view url,
                                            const Source& source) {
  const std::string name = view_name(url, source);
  for (unsigned sibling = 1; sibling <= kMaxSiblings; ++sibling) {
    const std::string own = sibling == 1 ? name : fmt::format("{}-{}", name, sibling);
    PAIL_TRY(const auto path, make_trusted_directory(root / own));
    PAIL_TRY(UniqueFd lock, open_file(path / "mount.lock", O_RDWR | O_CREAT));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) == 0) return CacheDirectory{path, std::move(lock)};
    if (errno != EWOULDBLOCK) return errno_error(errno, path.string());
  }
  return Error{EBUSY, fmt::format("{}: {} mounts of this bucket are in the way", root.string(), kMaxSiblings)};
}

}  // namespace pail::cli
