#include "fuse/kernel_mount.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/file.h"
#include "base/log.h"
#include "fuse/mount_table.h"

namespace pail::fuse {
namespace {

constexpr const char* kType = "fuse.pailfs";
constexpr const char* kFusermount = "fusermount3";
constexpr int kExecFailed = 127;

bool may_mount() {
  return geteuid() == 0;
}

// What a helper process printed, on one line.
std::string read_words(int fd) {
  std::string out;
  std::array<char, 512> buffer;
  for (ssize_t n; (n = ::read(fd, buffer.data(), buffer.size())) > 0 && out.size() < 4096;)
    out.append(buffer.data(), static_cast<std::size_t>(n));
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

int wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// Receives the descriptor that fusermount3 sends over the socket it was given.
UniqueFd receive_descriptor(int socket) {
  char byte;
  iovec piece{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t n;
  do n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  while (n < 0 && errno == EINTR);
  const cmsghdr* header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return UniqueFd();
  int fd;
  std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return UniqueFd(fd);
}

Error explain_fusermount(const std::string& words, int status) {
  if (WIFEXITED(status) && WEXITSTATUS(status) == kExecFailed)
    return Error{EPERM, "mounting without root needs fusermount3: install the package fuse3"};
  if (words.find("user_allow_other") != std::string::npos)
    return Error{EPERM, "allow_other is not permitted: add the line user_allow_other to /etc/fuse.conf"};
  return Error{EPERM, "fusermount3: " + quote(words)};
}

[[noreturn]] void become_fusermount(const std::string& options, const std::filesystem::path& path, int socket,
                                    int words) {
  const std::string number = std::to_string(socket);
  setenv("_FUSE_COMMFD", number.c_str(), 1);
  fcntl(socket, F_SETFD, 0);
  dup2(words, STDERR_FILENO);
  execlp(kFusermount, kFusermount, "-o", options.c_str(), "--", path.c_str(), nullptr);
  _exit(kExecFailed);
}

Result<UniqueFd> mount_by_fusermount(const std::filesystem::path& path, const MountSpec& spec) {
  int sockets[2], pipe[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) return errno_error(errno, "socketpair");
  UniqueFd ours(sockets[0]), theirs(sockets[1]);
  if (pipe2(pipe, O_CLOEXEC) != 0) return errno_error(errno, "pipe");
  UniqueFd words(pipe[0]), words_in(pipe[1]);
  const std::string options = fusermount_options(spec);
  const pid_t child = fork();
  if (child < 0) return errno_error(errno, "start fusermount3");
  if (child == 0) become_fusermount(options, path, theirs.get(), words_in.get());
  theirs.reset();
  words_in.reset();
  UniqueFd connection = receive_descriptor(ours.get());
  const std::string said = read_words(words.get());
  const int status = wait_for(child);
  if (!connection.valid() || status != 0) return explain_fusermount(said, status);
  return connection;
}

Error explain_mount(int errnum, const std::filesystem::path& path) {
  const std::string where = "mount at " + quote(path.native());
  if (errnum == EPERM)
    return Error{EPERM, where + ": not permitted; it needs the capability CAP_SYS_ADMIN (containers lack it)"};
  if (errnum == ENODEV) return Error{ENODEV, where + ": this kernel has no FUSE: modprobe fuse"};
  return errno_error(errnum, where);
}

Result<UniqueFd> mount_by_kernel(const std::filesystem::path& path, const MountSpec& spec) {
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device.valid() && (errno == ENOENT || errno == ENODEV || errno == ENXIO))
    return Error{ENODEV, "no /dev/fuse: load the kernel module (modprobe fuse) or give the container the device"};
  if (!device.valid()) return errno_error(errno, "open /dev/fuse");
  const std::string options = kernel_options(device.get(), geteuid(), getegid(), spec.audience);
  const std::string source = spec.source.empty() ? "pailfs" : spec.source;
  if (mount(source.c_str(), path.c_str(), kType, spec.flags, options.c_str()) != 0) return explain_mount(errno, path);
  return device;
}

[[noreturn]] void become_fusermount_to_unmount(const std::filesystem::path& path, const char* how) {
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY));
  dup2(nowhere.get(), STDERR_FILENO);
  execlp(kFusermount, kFusermount, how, "-q", "--", path.c_str(), nullptr);
  _exit(kExecFailed);
}

// In the child: exit status 0, or the errno of umount2().
[[noreturn]] void unmount_and_exit(const MountIdentity& mount) {
  if (!is_mounted(mount)) _exit(0);
  if (!may_mount()) become_fusermount_to_unmount(mount.path, "-u");
  _exit(umount2(mount.path.c_str(), UMOUNT_NOFOLLOW) == 0 ? 0 : errno);
}

// Likewise. The descriptor is of one mount, whatever happens at the path between the look and umount2().
[[noreturn]] void detach_and_exit(const MountIdentity& mount) {
  const UniqueFd place(::open(mount.path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!place.valid() || !is_mounted(mount) || unique_mount_id(place.get(), "") != mount.id) _exit(0);
  if (!may_mount()) become_fusermount_to_unmount(mount.path, "-uz");  // it takes no descriptor
  const std::string exact = fmt::format("/proc/self/fd/{}", place.get());
  const bool gone = umount2(exact.c_str(), MNT_DETACH) == 0 || errno == EINVAL;  // EINVAL: by somebody else meanwhile
  _exit(gone ? 0 : errno);
}

}  // namespace

std::string kernel_options(int device, uid_t user, gid_t group, Audience audience) {
  return fmt::format("fd={},rootmode=40000,user_id={},group_id={},default_permissions{}", device, user, group,
                     audience == Audience::everyone ? ",allow_other" : "");
}

std::string fusermount_options(const MountSpec& spec) {
  std::string source;
  for (const char c : spec.source.empty() ? std::string("pailfs") : spec.source) {
    if (c == ',' || c == '\\') source += '\\';
    source += c;
  }
  static constexpr std::pair<unsigned long, const char*> kFlags[] = {
      {MS_RDONLY, "ro"},        {MS_NOEXEC, "noexec"},   {MS_NOATIME, "noatime"},
      {MS_SYNCHRONOUS, "sync"}, {MS_DIRSYNC, "dirsync"},
  };
  std::string out = "fsname=" + source + ",subtype=pailfs,default_permissions";
  for (const auto& [flag, name] : kFlags)
    if ((spec.flags & flag) != 0) out += std::string(",") + name;
  if (spec.audience == Audience::everyone) out += ",allow_other";
  return out;
}

Result<Unit> check_mount_point(const std::filesystem::path& path) {
  const std::string where = "mount point " + quote(path.native());
  PAIL_TRY(const auto mounted, mounted_at(path));
  if (mounted && is_pailfs(*mounted))
    return Error{EBUSY, fmt::format("{}: {} is mounted there already", where, quote(mounted->source))};
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Error{ENOENT, where + ": no such directory; create it first"};
    return errno_error(errno, where);
  }
  if (!S_ISDIR(status.st_mode)) return Error{ENOTDIR, where + ": not a directory"};
  return Unit{};
}

Result<UniqueFd> mount_at(const std::filesystem::path& path, const MountSpec& spec) {
  return may_mount() ? mount_by_kernel(path, spec) : mount_by_fusermount(path, spec);
}

Result<pid_t> begin_unmount(const MountIdentity& mount) {
  const pid_t child = fork();
  if (child < 0) return errno_error(errno, "start unmounting");
  if (child == 0) unmount_and_exit(mount);
  return child;
}

Result<Unit> detach(const MountIdentity& mount) {
  const pid_t child = fork();
  if (child < 0) return errno_error(errno, "start unmounting");
  if (child == 0) detach_and_exit(mount);
  const int status = wait_for(child);
  if (status == 0) return Unit{};
  const std::string what = "unmount " + quote(mount.path.native());
  if (may_mount() && WIFEXITED(status)) return errno_error(WEXITSTATUS(status), what);
  return Error{EPERM, what + ": fusermount3 refused; it may belong to another user"};
}

Result<bool> repair_stale_mount(const std::filesystem::path& path) {
  PAIL_TRY(const auto resolved, resolve_mount_point(path));
  bool repaired = false;
  for (int layers = 0; layers < 16; ++layers) {  // a mount may have been made over a dead one
    PAIL_TRY(const auto mounted, mounted_at(resolved));
    // Not stat(): the kernel may answer it from attributes that it still trusts.
    const auto identity = identify_mount(resolved);
    struct statfs status {};
    if (!mounted || !is_fuse(*mounted) || statfs(resolved.c_str(), &status) == 0 || errno != ENOTCONN) break;
    if (identity) PAIL_CHECK(detach(*identity));
    repaired = true;
  }
  return repaired;
}

}  // namespace pail::fuse
