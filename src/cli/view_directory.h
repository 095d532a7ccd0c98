// The directories on local disk that belong to one mounted bucket view: one for what may not be lost, one for the
// cache.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "cli/mount_options.h"
#include "cli/source.h"
#include "pailfs/base/result.h"

namespace pail::cli {

// /var/lib/pailfs for root, else $XDG_STATE_HOME/pailfs or ~/.local/state/pailfs. Errors: ENOENT there is no home
// directory.
Result<std::filesystem::path> default_state_root();
// /var/cache/pailfs for root, else $XDG_CACHE_HOME/pailfs or ~/.cache/pailfs. Errors: likewise.
Result<std::filesystem::path> default_cache_root();

// Where the directories of all views lie.
struct Roots {
  std::filesystem::path state, cache;
};
// Those of the options, or the usual ones. Errors: ENOENT as above; EINVAL that of state is that of the cache, or lies
// in it.
Result<Roots> roots_of(const MountOptions& options);

// A directory and the lock that keeps other mounts out of it, for as long as `lock` is open.
struct ViewDirectory {
  std::filesystem::path path;
  UniqueFd lock;
};

// What a mount is that takes a directory.
struct Taker {
  std::filesystem::path record;           // of mount_records.h, by which later ones learn how this mount ends
  std::chrono::milliseconds patience{0};  // with a mount that has been unmounted and still stores what is pending
};

// Makes and locks the directory of this view below `root`, that of state. While another mount of the same view holds
// it, a sibling is taken, so that a bucket can be mounted several times; but one that has been unmounted is waited for,
// with words on stderr. Errors: EACCES, also where other users could exchange the directory (base/trusted_directory.h);
// EROFS, ENOSPC
// ...; EBUSY all siblings are held.
Result<ViewDirectory> take_view_directory(const std::filesystem::path& root, std::string_view url, const Source& source,
                                          const Taker& taker = {});

struct ViewDirectories {
  ViewDirectory state, cache;
};

// Both of a view. What version 0.1.0 kept in directories of the cache is taken over, with words on stderr.
// Errors: as above, naming the option and its directory; what keeps an earlier mount's files from being taken over.
Result<ViewDirectories> take_view_directories(const Roots& roots, std::string_view url, const Source& source,
                                              const Taker& taker = {});

// Whether mounts have used this directory as one of theirs.
bool is_view_directory(const std::filesystem::path& directory);

// Locks a directory that mounts have used and none holds now; else nothing.
std::optional<ViewDirectory> take_unused(const std::filesystem::path& directory);

// The other directories of the view of `own` that no mount holds: what several mounts at a time left. They are locked.
std::vector<ViewDirectory> take_left_siblings(const std::filesystem::path& own);

}  // namespace pail::cli
