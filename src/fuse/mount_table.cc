#include "fuse/mount_table.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <sstream>

#include "base/file.h"
#include "base/log.h"

namespace pail::fuse {
namespace {

constexpr ByteCount kMaxMountInfo = 64_MiB;
constexpr unsigned kUniqueMountId = 0x4000;  // STATX_MNT_ID_UNIQUE, which headers before Linux 6.8 lack

bool is_octal(char c) {
  return c >= '0' && c <= '7';
}

// mountinfo writes blank, tab, newline and backslash as \ooo.
std::string unescape(std::string_view field) {
  std::string out;
  for (std::size_t i = 0; i < field.size(); ++i) {
    if (field[i] == '\\' && i + 3 < field.size() && is_octal(field[i + 1]) && is_octal(field[i + 2]) &&
        is_octal(field[i + 3])) {
      out += static_cast<char>((field[i + 1] - '0') * 64 + (field[i + 2] - '0') * 8 + (field[i + 3] - '0'));
      i += 3;
    } else {
      out += field[i];
    }
  }
  return out;
}

// "36 35 98:0 / /mnt rw,noatime master:1 - ext3 /dev/root rw": the fields after the mount options vary in number.
std::optional<MountedAt> parse_line(const std::string& line, std::string_view path) {
  std::istringstream fields(line);
  std::string id, parent, device, root, at, word;
  if (!(fields >> id >> parent >> device >> root >> at) || unescape(at) != path) return std::nullopt;
  while (fields >> word && word != "-") {
  }
  MountedAt found{device, {}, {}};
  std::string source;
  if (!(fields >> found.type >> source)) return std::nullopt;
  found.source = unescape(source);
  return found;
}

}  // namespace

std::optional<MountedAt> find_mount(std::string_view mountinfo, std::string_view path) {
  std::optional<MountedAt> topmost;  // later lines cover earlier ones
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);)
    if (auto found = parse_line(line, path)) topmost = std::move(found);
  return topmost;
}

Result<std::optional<MountedAt>> mounted_at(const std::filesystem::path& path) {
  PAIL_TRY(const std::string mountinfo, read_file("/proc/self/mountinfo", kMaxMountInfo));
  return find_mount(mountinfo, path.native());
}

// The kernel answers from what it knows itself: a worker that hangs or is gone does not matter.
std::optional<std::uint64_t> unique_mount_id(int descriptor, const char* path) {
  struct statx status {};
  const int flags = AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_STATX_DONT_SYNC;
  if (statx(descriptor, path, flags, kUniqueMountId, &status) != 0) return std::nullopt;
  if ((status.stx_mask & kUniqueMountId) == 0) return std::nullopt;
  return status.stx_mnt_id;
}

Result<MountIdentity> identify_mount(const std::filesystem::path& path) {
  PAIL_TRY(const auto mounted, mounted_at(path));
  if (!mounted) return Error{ENOENT, fmt::format("{}: nothing is mounted there", quote(path.native()))};
  return MountIdentity{path, mounted->device, unique_mount_id(AT_FDCWD, path.c_str())};
}

bool is_mounted(const MountIdentity& mount) {
  const auto there = identify_mount(mount.path);
  return there && there->device == mount.device && there->id == mount.id;
}

Result<std::filesystem::path> resolve_mount_point(const std::filesystem::path& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error).lexically_normal();
  if (error || path.empty()) return Error{ENOENT, "mount point " + quote(path.native()) + ": no such directory"};
  const std::filesystem::path trimmed = absolute.has_filename() ? absolute : absolute.parent_path();
  // A symbolic link as the last component leads elsewhere; one that cannot be read is the mount point itself.
  const auto link = std::filesystem::is_symlink(std::filesystem::symlink_status(trimmed, error));
  if (!error && link) {
    const auto target = std::filesystem::canonical(trimmed, error);
    if (error) return errno_error(error.value(), "mount point " + quote(trimmed.native()));
    return target;
  }
  const auto parent = std::filesystem::canonical(trimmed.parent_path(), error);
  if (error) return errno_error(error.value(), "mount point " + quote(trimmed.native()));
  return trimmed.has_filename() ? parent / trimmed.filename() : parent;
}

bool is_fuse(const MountedAt& mount) {
  return mount.type == "fuse" || mount.type.starts_with("fuse.");
}
bool is_pailfs(const MountedAt& mount) {
  return mount.type == "fuse.pailfs";
}

}  // namespace pail::fuse
