// The directory on local disk that belongs to one mounted bucket view.
#pragma once

#include <filesystem>
#include <string_view>

#include "base/unique_fd.h"
#include "cli/source.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// /var/cache/pailfs for root, else $XDG_CACHE_HOME/pailfs or ~/.cache/pailfs. Errors: ENOENT there is no home
// directory.
Result<std::filesystem::path> default_cache_root();

// A directory and the lock that keeps other mounts out of it, for as long as `lock` is open.
struct CacheDirectory {
  std::filesystem::path path;
  UniqueFd lock;
};

// Makes and locks the directory of this view below `root`. While another mount of the same view holds it, a sibling is
// taken, so that a bucket can be mounted several times. Errors: EACCES, also where other users could exchange the
// directory (base/trusted_directory.h); EROFS, ENOSPC ...; EBUSY all siblings are held.
Result<CacheDirectory> take_cache_directory(const std::filesystem::path& root, std::string_view url,
                                            const Source& source);

}  // namespace pail::cli
