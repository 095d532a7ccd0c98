#include "cli/view_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
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
constexpr std::chrono::milliseconds kPause(20);

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
    PAIL_TRY(const LockAttempt attempt, try_lock_file(lock, file));
    if (attempt == LockAttempt::held_by_another) return std::optional<UniqueFd>();
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
    (void)sleep_for(kPause);
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

Error all_are_held(const std::filesystem::path& first) {
  return {EBUSY, fmt::format("{}: {} mounts of this bucket are in the way", first.string(), kMaxSiblings), Fault::busy};
}

// Nothing when somebody holds it. The first one may be looked at by others for a moment.
Result<std::optional<ViewDirectory>> take_free(const std::filesystem::path& first, unsigned number) {
  constexpr int kTriesOfTheFirst = 10;
  PAIL_TRY(const auto path, make_trusted_directory(sibling_path(first, number)));
  for (int i = 0;; ++i) {
    PAIL_TRY(auto lock, try_lock(path / kLockName, O_RDWR | O_CREAT));
    if (lock) return std::optional(ViewDirectory{path, *std::move(lock)});
    if (number > 1 || i == kTriesOfTheFirst) return std::optional<ViewDirectory>();
    (void)sleep_for(kPause);
  }
}

Error error_of(std::string_view option, const std::filesystem::path& root, Error why) {
  why.context = fmt::format("-o {}={}: {}", option, root.string(), why.context);
  return why;
}

// As far as it is there.
std::filesystem::path free_of_links(const std::filesystem::path& path) {
  std::error_code failed;
  const auto found = std::filesystem::weakly_canonical(std::filesystem::absolute(path, failed), failed);
  return failed ? path.lexically_normal() : found;
}

// Or is the same.
bool lies_in(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto relative = path.lexically_relative(directory);
  return !relative.empty() && *relative.begin() != "..";
}

// The first directory of the view in the cache that nobody holds. While the view has no names a mount of an older
// version, which kept them there, is waited for as one of this version is.
Result<ViewDirectory> take_cache(const std::filesystem::path& first, const ViewDirectory& state, const Taker& taker) {
  std::error_code failed;
  if (!std::filesystem::exists(state.path / "names", failed)) {
    PAIL_TRY(const auto path, make_trusted_directory(first));
    PAIL_TRY(auto lock, lock_or_wait(path, taker));
    if (lock) return ViewDirectory{path, *std::move(lock)};
  }
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    PAIL_TRY(auto free, take_free(first, number));
    if (free) return *std::move(free);
  }
  return all_are_held(first);
}

// Moves what 0.1.0 kept in `cache` to the directory `own`, or to one beside it where that has names already: the mount
// that begins finds its files there.
Result<Unit> take_over(const std::filesystem::path& cache, const std::filesystem::path& own) {
  say("taking over what an older version kept in {}", cache.string());
  auto taken = local::take_over(cache, own);
  const std::filesystem::path first = own.parent_path() / view_of(own);
  for (unsigned number = 1; !taken && taken.error().fault == Fault::exists && number <= kMaxSiblings; ++number) {
    if (sibling_path(first, number) == own) continue;
    PAIL_TRY(const auto sibling, take_free(first, number));
    if (sibling) taken = local::take_over(cache, sibling->path);
  }
  return taken;
}

// Those of other mounts that are gone, and cannot be taken over now, wait for the next mount.
Result<Unit> take_over_all(const ViewDirectories& own) {
  PAIL_TRY(const bool to_be_taken, local::is_of_one_directory(own.cache.path));
  if (to_be_taken) PAIL_CHECK(take_over(own.cache.path, own.state.path));
  PAIL_CHECK(local::mark_as_cache(own.cache.path));
  for (const ViewDirectory& left : take_left_siblings(own.cache.path)) {
    const auto old = local::is_of_one_directory(left.path);
    if (old && !*old) continue;
    const auto taken = old ? take_over(left.path, own.state.path) : Result<Unit>(old.error());
    if (!taken) say("{}", taken.error().context);
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
  const std::filesystem::path state = free_of_links(roots.state), cache = free_of_links(roots.cache);
  if (!lies_in(state, cache)) return roots;
  return Error{EINVAL, fmt::format("state_dir={} lies in cache_dir={}, all of which may be removed; "
                                   "choose a state_dir outside of it, and move what it holds there",
                                   state.string(), cache.string())};
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
  return all_are_held(first);
}

Result<ViewDirectories> take_view_directories(const Roots& roots, std::string_view url, const Source& source,
                                              const Taker& taker) {
  auto state = take_view_directory(roots.state, url, source, taker);
  if (!state) return error_of("state_dir", roots.state, state.error());
  auto cache = take_cache(roots.cache / view_name(url, source), *state, taker);
  if (!cache) return error_of("cache_dir", roots.cache, cache.error());
  ViewDirectories own{*std::move(state), *std::move(cache)};
  if (const auto taken = take_over_all(own); !taken) return error_of("state_dir", roots.state, taken.error());
  return own;
}

bool is_view_directory(const std::filesystem::path& directory) {
  std::error_code unknown;
  return std::filesystem::exists(directory / kLockName, unknown);
}

std::optional<ViewDirectory> take_unused(const std::filesystem::path& directory) {
  if (!is_view_directory(directory)) return std::nullopt;  // as most siblings are
  const auto trusted = find_trusted_directory(directory);
  if (!trusted) return std::nullopt;  // somebody else's
  auto lock = try_lock(*trusted / kLockName, O_RDWR);
  if (!lock || !*lock) return std::nullopt;
  return ViewDirectory{*trusted, **std::move(lock)};
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
