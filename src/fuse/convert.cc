#include "fuse/convert.h"

#include <linux/fs.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>

namespace pail::fuse {
namespace {

// st_blksize: cp, cat and stdio write in units of it. 4 KiB requests cost ten times the CPU a byte; 1 MiB would make
// each small fread() fetch that much.
constexpr blksize_t kPreferredIo = 128 * 1024;
constexpr std::uint64_t kStatBlock = 512;  // the unit of st_blocks
constexpr std::uint64_t kFragment = 4096;  // the unit of statvfs

timespec to_timespec(WallTime time) {
  const auto since = time.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
  return {seconds.count(), (since - seconds).count()};
}

// As local file systems do, a time that cannot be kept becomes the nearest that can: 1684 to 2255.
WallTime to_time(const timespec& time) {
  constexpr time_t kFarthest = 9'000'000'000;  // seconds from 1970; 64 bits of nanoseconds hold little more
  const time_t seconds = std::clamp(time.tv_sec, -kFarthest, kFarthest);
  return WallTime(std::chrono::seconds(seconds) + std::chrono::nanoseconds(time.tv_nsec));
}

}  // namespace

mode_t to_mode(vfs::FileType type) {
  switch (type) {
    case vfs::FileType::regular:
      return S_IFREG;
    case vfs::FileType::directory:
      return S_IFDIR;
    case vfs::FileType::symlink:
      return S_IFLNK;
    case vfs::FileType::fifo:
      return S_IFIFO;
    case vfs::FileType::socket:
      return S_IFSOCK;
    case vfs::FileType::character_device:
      return S_IFCHR;
    case vfs::FileType::block_device:
      return S_IFBLK;
  }
  return S_IFREG;
}

struct stat to_stat(const vfs::Attributes& attributes) {
  struct stat out {};
  out.st_ino = attributes.number;
  out.st_mode = to_mode(attributes.type) | (attributes.permissions & 07777);
  out.st_nlink = attributes.links;
  out.st_uid = attributes.uid;
  out.st_gid = attributes.gid;
  out.st_rdev = attributes.device;
  out.st_size = static_cast<off_t>(attributes.size.n);
  out.st_blksize = kPreferredIo;
  out.st_blocks = static_cast<blkcnt_t>((attributes.size.n + kStatBlock - 1) / kStatBlock);
  out.st_atim = to_timespec(attributes.accessed);
  out.st_mtim = to_timespec(attributes.modified);
  out.st_ctim = to_timespec(attributes.changed);
  return out;
}

fuse_entry_param to_entry(const vfs::Entry& entry) {
  fuse_entry_param out{};
  out.ino = entry.attributes.number;
  out.generation = entry.generation;
  out.attr = to_stat(entry.attributes);
  out.attr_timeout = to_seconds(entry.attributes_ttl);
  out.entry_timeout = to_seconds(entry.name_ttl);
  return out;
}

struct statvfs to_statvfs(const vfs::Statistics& statistics) {
  struct statvfs out {};
  out.f_bsize = kPreferredIo;
  out.f_frsize = kFragment;
  out.f_blocks = statistics.total.n / kFragment;
  out.f_bfree = out.f_bavail = statistics.free.n / kFragment;
  out.f_files = statistics.inodes_used + statistics.inodes_free;
  out.f_ffree = out.f_favail = statistics.inodes_free;
  out.f_namemax = statistics.name_max;
  return out;
}

vfs::AttributeChange to_change(const struct stat& wanted, int valid, WallTime now) {
  vfs::AttributeChange change;
  if (valid & FUSE_SET_ATTR_MODE) change.permissions = wanted.st_mode & 07777;
  if (valid & FUSE_SET_ATTR_UID) change.uid = wanted.st_uid;
  if (valid & FUSE_SET_ATTR_GID) change.gid = wanted.st_gid;
  if (valid & FUSE_SET_ATTR_SIZE) change.size = ByteCount{static_cast<std::uint64_t>(wanted.st_size)};
  if (valid & FUSE_SET_ATTR_ATIME) change.accessed = to_time(wanted.st_atim);
  if (valid & FUSE_SET_ATTR_ATIME_NOW) change.accessed = now;
  if (valid & FUSE_SET_ATTR_MTIME) change.modified = to_time(wanted.st_mtim);
  if (valid & FUSE_SET_ATTR_MTIME_NOW) change.modified = now;
  return change;
}

Result<vfs::RenameMode> to_rename_mode(unsigned flags) {
  switch (flags) {
    case 0:
      return vfs::RenameMode::replace;
    case RENAME_NOREPLACE:
      return vfs::RenameMode::no_replace;
    case RENAME_EXCHANGE:
      return vfs::RenameMode::exchange;
    default:
      return Error{EINVAL, "rename flags"};
  }
}

Result<vfs::XattrMode> to_xattr_mode(int flags) {
  switch (flags) {
    case 0:
      return vfs::XattrMode::any;
    case XATTR_CREATE:
      return vfs::XattrMode::create;
    case XATTR_REPLACE:
      return vfs::XattrMode::replace;
    default:
      return Error{EINVAL, "extended attribute flags"};
  }
}

double to_seconds(std::chrono::nanoseconds span) {
  return std::chrono::duration<double>(span).count();
}

}  // namespace pail::fuse
