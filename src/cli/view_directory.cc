#include "cli/view_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/thread.h"
#include "base/trusted_directory.h"
#include "cli/connect.h"
#include "cli/end_watch.h"
#include "cli/say.h"
#include "fuse/mount_record.h"
#include "local/takeover.h"

namespace pail::cli {
namespace {

constexpr unsigned kMaxSiblings = 64;  // mounts of one view at a time
constexpr const char* kLockName = "mount.lock";

// The name is the same for every mount of the view; the parts cannot run into each other, none contains a newline.
std::string view_name(std::string_view url, const Source& source) {
  return xxh3_name(bytes_of(fmt::format("{}\n{}\n{}", url, source.bucket, source.prefix)));
}

std::filesystem::path sibling_path(const std::filesystem::path& first, unsigned number) {
  return number == 1 ? first : std::filesystem::path(fmt::format("{}-{}", first.string(), number));
}

// The name of a directory without the number of a sibling.
std::string view_of(const std::filesystem::path& directory) {
  const std::string name = directory.filename().string();
  return name.substr(0, name.find('-'));
}

// Nothing when another process holds it.
Result<std::optional<UniqueFd>> try_lock(const std::filesystem::path& file, int flags) {
  for (;;) {
    PAIL_TRY(UniqueFd lock, open_file(file, flags));
    if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EWOULDBLOCK) return std::optional<UniqueFd>();
      return errno_error(errno, file.string());
    }
    struct stat status {};
    // A mount that sweeps siblings may have removed it, with its directory, before we had the lock.
    if (::fstat(lock.get(), &status) == 0 && status.st_nlink > 0) return std::optional(std::move(lock));
    PAIL_CHECK(make_private_directory(file.parent_path()));
  }
}

// The lock file holds the path of its mount's record.
Result<Unit> sign(int lock, const std::filesystem::path& record) {
  const std::string text = record.string();
  if (::ftruncate(lock, 0) != 0) return errno_error(errno, kLockName);
  return write_at(lock, {}, std::as_bytes(std::span(text)));
}

// One that is not mounted yet is about to be.
bool goes_on(const fuse::RecordedEnd& end) {
  return !end.ending && (!end.mount || fuse::is_mounted(*end.mount));
}

// Waits for the mount that holds the lock file if that is gone from its place. False: it does not end.
bool wait_for_holder(const std::filesystem::path& file, std::chrono::milliseconds patience) {
  const auto path = read_file(file, 64_KiB);
  auto record = path ? fuse::MountRecord::open(*path) : Result<fuse::MountRecord>(path.error());
  if (!record || !record->held()) return true;  // it dies just now, or has not signed yet
  if (goes_on(record->refresh())) return false;
  Progress progress("pailfs: waiting for the mount before this one to store what is pending");
  return wait_for_end(*record, patience, progress) == Waited::ended;
}

// Nothing when a mount that goes on holds it.
Result<std::optional<UniqueFd>> lock_or_wait(const std::filesystem::path& directory, const Taker& taker) {
  constexpr int kTries = 100;  // in two seconds, for a process to die
  const std::filesystem::path file = directory / kLockName;
  for (int i = 0;; ++i) {
    PAIL_TRY(auto lock, try_lock(file, O_RDWR | O_CREAT));
    if (lock || taker.patience.count() == 0 || i == kTries) return lock;
    if (!wait_for_holder(file, taker.patience)) return lock;
    (void)sleep_for(std::chrono::milliseconds(20));
  }
}

Result<std::filesystem::path> default_root(const char* of_root, const char* variable, const char* in_home,
                                           std::string_view option) {
  if (::geteuid() == 0) return std::filesystem::path(of_root);
  if (const char* xdg = std::getenv(variable); xdg != nullptr && *xdg == '/')
    return std::filesystem::path(xdg) / "pailfs";
  const std::filesystem::path home = home_directory();
  if (home.empty()) return Error{ENOENT, fmt::format("there is no home directory; say -o {}=DIR", option)};
  return home / in_home / "pailfs";
}

// The first directory of the view that nobody holds, whatever its mount does.
Result<ViewDirectory> take_free(const std::filesystem::path& first) {
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    PAIL_TRY(const auto path, make_trusted_directory(sibling_path(first, number)));
    PAIL_TRY(auto lock, try_lock(path / kLockName, O_RDWR | O_CREAT));
    if (lock) return ViewDirectory{path, *std::move(lock)};
  }
  return Error{EBUSY, fmt::format("{}: {} mounts of this bucket are in the way", first.string(), kMaxSiblings)};
}

// Moves what 0.1.0 kept in `cache` to the directory `own`, or to one beside it where that has names already: the mount
// that begins finds its files there.
Result<Unit> take_over(const std::filesystem::path& cache, const std::filesystem::path& own) {
  say("taking over what an older version kept in {}", cache.string());
  const auto taken = local::take_over(cache, own);
  if (taken || taken.error().fault != Fault::exists) return taken;
  PAIL_TRY(const ViewDirectory sibling, take_free(own.parent_path() / view_of(own)));
  return local::take_over(cache, sibling.path);
}

// Those of other mounts that are gone, and cannot be taken over now, wait for the next mount.
Result<Unit> take_over_all(const ViewDirectories& own) {
  if (local::is_of_one_directory(own.cache.path)) PAIL_CHECK(take_over(own.cache.path, own.state.path));
  PAIL_CHECK(local::mark_as_cache(own.cache.path));
  for (const ViewDirectory& left : take_left_siblings(own.cache.path)) {
    if (!local::is_of_one_directory(left.path)) continue;
    if (const auto taken = take_over(left.path, own.state.path); !taken) say("{}", taken.error().context);
  }
  return Unit{};
}

}  // namespace

Result<std::filesystem::path> default_state_root() {
  return default_root("/var/lib/pailfs", "XDG_STATE_HOME", ".local/state", "state_dir");
}

Result<std::filesystem::path> default_cache_root() {
  return default_root("/var/cache/pailfs", "XDG_CACHE_HOME", ".cache", "cache_dir");
}

Result<Roots> roots_of(const MountOptions& options) {
  Roots roots{options.state_dir, options.cache_dir};
  if (roots.state.empty()) {
    PAIL_TRY(roots.state, default_state_root());
  }
  if (roots.cache.empty()) {
    PAIL_TRY(roots.cache, default_cache_root());
  }
  if (roots.state.lexically_normal() == roots.cache.lexically_normal())
    return Error{EINVAL, fmt::format("{}: state_dir= and cache_dir= name the same directory; what must not be lost and "
                                     "what may be removed lie apart",
                                     roots.state.string())};
  return roots;
}

Result<ViewDirectory> take_view_directory(const std::filesystem::path& root, std::string_view url, const Source& source,
                                          const Taker& taker) {
  const std::filesystem::path first = root / view_name(url, source);
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    PAIL_TRY(const auto path, make_trusted_directory(sibling_path(first, number)));
    PAIL_TRY(auto lock, lock_or_wait(path, taker));
    if (!lock) continue;
    PAIL_CHECK(sign(lock->get(), taker.record));
    return ViewDirectory{path, *std::move(lock)};
  }
  return Error{EBUSY, fmt::format("{}: {} mounts of this bucket are in the way", root.string(), kMaxSiblings)};
}

Result<ViewDirectories> take_view_directories(const Roots& roots, std::string_view url, const Source& source,
                                              const Taker& taker) {
  PAIL_TRY(auto state, take_view_directory(roots.state, url, source, taker));
  PAIL_TRY(auto cache, take_free(roots.cache / view_name(url, source)));
  ViewDirectories own{std::move(state), std::move(cache)};
  PAIL_CHECK(take_over_all(own));
  return own;
}

std::optional<ViewDirectory> take_unused(const std::filesystem::path& directory) {
  auto lock = try_lock(directory / kLockName, O_RDWR);
  if (!lock || !*lock) return std::nullopt;
  return ViewDirectory{directory, **std::move(lock)};
}

std::vector<ViewDirectory> take_left_siblings(const std::filesystem::path& own) {
  const std::filesystem::path first = own.parent_path() / view_of(own);
  std::vector<ViewDirectory> siblings;
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    const std::filesystem::path path = sibling_path(first, number);
    if (path == own) continue;
    if (auto sibling = take_unused(path)) siblings.push_back(*std::move(sibling));
  }
  return siblings;
}

}  // namespace pail::cli
