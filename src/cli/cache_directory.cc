#include "cli/cache_directory.h"

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
#include "fuse/mount_record.h"

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
                                            const Source& source, const Taker& taker) {
  const std::filesystem::path first = root / view_name(url, source);
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    PAIL_TRY(const auto path, make_trusted_directory(sibling_path(first, number)));
    PAIL_TRY(auto lock, lock_or_wait(path, taker));
    if (!lock) continue;
    PAIL_CHECK(sign(lock->get(), taker.record));
    return CacheDirectory{path, *std::move(lock)};
  }
  return Error{EBUSY, fmt::format("{}: {} mounts of this bucket are in the way", root.string(), kMaxSiblings)};
}

std::optional<CacheDirectory> take_unused(const std::filesystem::path& directory) {
  auto lock = try_lock(directory / kLockName, O_RDWR);
  if (!lock || !*lock) return std::nullopt;
  return CacheDirectory{directory, **std::move(lock)};
}

std::vector<CacheDirectory> take_left_siblings(const std::filesystem::path& own) {
  const std::string name = own.filename().string();
  const std::filesystem::path first = own.parent_path() / name.substr(0, name.find('-'));
  std::vector<CacheDirectory> siblings;
  for (unsigned number = 1; number <= kMaxSiblings; ++number) {
    const std::filesystem::path path = sibling_path(first, number);
    if (path == own) continue;
    if (auto sibling = take_unused(path)) siblings.push_back(*std::move(sibling));
  }
  return siblings;
}

}  // namespace pail::cli
