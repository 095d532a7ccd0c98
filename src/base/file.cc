#include "base/file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/owner.h"

namespace pail {

Error errno_error(int errnum, std::string_view what) {
  return Error{errnum, fmt::format("{}: {}", what, std::strerror(errnum))};
}

namespace {

Error not_regular(const std::filesystem::path& path) {
  return {EINVAL, fmt::format("{}: not a regular file", path.string())};
}

}  // namespace

Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, unsigned mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC | O_NONBLOCK, mode));
  constexpr int kNoReader = ENXIO;  // of a FIFO; sockets answer the same
  if (!fd.valid()) return errno == kNoReader ? not_regular(path) : errno_error(errno, path.string());
  if ((flags & O_DIRECTORY) != 0) return fd;
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) return errno_error(errno, path.string());
  if (!S_ISREG(status.st_mode)) return not_regular(path);
  return fd;
}

Result<LockAttempt> try_lock_file(const UniqueFd& file, const std::filesystem::path& path) {
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return LockAttempt::taken;
  if (errno == EWOULDBLOCK) return LockAttempt::held_by_another;
  return errno_error(errno, path.string());
}

Result<std::string> read_file(const std::filesystem::path& path, ByteCount limit) {
  PAIL_TRY(UniqueFd fd, open_file(path, O_RDONLY));
  std::string content;
  char piece[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), piece, sizeof piece);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, path.string());
    if (n == 0) return content;
    content.append(piece, static_cast<std::size_t>(n));
    if (content.size() > limit.n) return Error{EFBIG, fmt::format("{}: larger than {} bytes", path.string(), limit.n)};
  }
}

Result<std::size_t> read_at(int fd, ByteOffset at, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(at.n + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno_error(errno, "read");
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

Result<ByteCount> write_what_fits(int fd, ByteOffset at, std::span<const std::byte> data) {
  std::size_t done = 0;
  while (done < data.size()) {
    const ssize_t n = ::pwrite(fd, data.data() + done, data.size() - done, static_cast<off_t>(at.n + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && done == 0) return errno_error(errno, "write");
    if (n < 0) break;
    done += static_cast<std::size_t>(n);
  }
  return ByteCount{done};
}

Result<Unit> write_at(int fd, ByteOffset at, std::span<const std::byte> data) {
  while (!data.empty()) {
    PAIL_TRY(const ByteCount done, write_what_fits(fd, at, data));
    data = data.subspan(done.n);
    at = at + done;
  }
  return Unit{};
}

Result<Unit> copy_sparse(int from, int to) {
  struct stat status {};
  if (::fstat(from, &status) != 0) return errno_error(errno, "copy a file");
  std::vector<std::byte> buffer(1 << 20);
  off_t at = 0;
  while ((at = ::lseek(from, at, SEEK_DATA)) >= 0) {
    const off_t end = ::lseek(from, at, SEEK_HOLE);
    while (at < end) {
      const std::span piece(buffer.data(), std::min<std::size_t>(buffer.size(), static_cast<std::size_t>(end - at)));
      PAIL_TRY(const std::size_t got, read_at(from, {static_cast<std::uint64_t>(at)}, piece));
      if (got == 0) return Error{EIO, "a file became shorter while it was copied"};
      PAIL_CHECK(write_at(to, {static_cast<std::uint64_t>(at)}, piece.first(got)));
      at += static_cast<off_t>(got);
    }
  }
  if (errno != ENXIO) return errno_error(errno, "copy a file");
  if (::ftruncate(to, status.st_size) != 0) return errno_error(errno, "copy a file");
  return Unit{};
}

namespace {

Result<Unit> write_and_rename(const UniqueFd& fd, const std::filesystem::path& temporary,
                              const std::filesystem::path& path, std::string_view content) {
  if (const auto written = write_at(fd.get(), {}, std::as_bytes(std::span(content))); !written)
    return Error{written.error().errnum, fmt::format("{}: {}", temporary.string(), written.error().context)};
  if (::fsync(fd.get()) != 0) return errno_error(errno, temporary.string());
  if (::rename(temporary.c_str(), path.c_str()) != 0) return errno_error(errno, path.string());
  return Unit{};
}

}  // namespace

Result<Unit> write_file_atomically(const std::filesystem::path& path, std::string_view content, unsigned mode) {
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  PAIL_TRY(const UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode));
  auto written = write_and_rename(fd, temporary, path, content);
  if (!written) ::unlink(temporary.c_str());
  return written;
}

Result<Unit> remove_file(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return errno_error(errno, path.string());
  return Unit{};
}

Result<Unit> sync_directory(const std::filesystem::path& directory) {
  PAIL_TRY(const UniqueFd handle, open_file(directory, O_RDONLY | O_DIRECTORY));
  if (::fsync(handle.get()) != 0) return errno_error(errno, directory.string());
  return Unit{};
}

namespace {

constexpr mode_t kPrivate = 0700;

// Zero, or an errno.
int make_directory(const std::filesystem::path& path, mode_t mode) {
  return ::mkdir(path.c_str(), mode) == 0 || errno == EEXIST ? 0 : errno;
}

// std::filesystem makes them with mode 0777, and the umask of a mount is 0.
Result<Unit> make_parents(const std::filesystem::path& path) {
  constexpr mode_t kMode = 0755;
  int failed = make_directory(path, kMode);
  if (failed == ENOENT && path.has_relative_path()) {
    PAIL_CHECK(make_parents(path.parent_path()));
    failed = make_directory(path, kMode);
  }
  if (failed != 0) return errno_error(failed, path.string());
  return Unit{};
}

}  // namespace

Result<Unit> make_private_directory(const std::filesystem::path& path) {
  const bool needs_parents = make_directory(path, kPrivate) == ENOENT && path.has_parent_path();
  if (needs_parents) PAIL_CHECK(make_parents(path.parent_path()));
  return make_private_folder(path);
}

Result<Unit> make_private_folder(const std::filesystem::path& path) {
  if (const int failed = make_directory(path, kPrivate); failed != 0) return errno_error(failed, path.string());
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_error(errno, path.string());
  if (!S_ISDIR(st.st_mode)) return errno_error(ENOTDIR, path.string());
  return check_own_directory(path, st);
}

Result<Unit> check_private_file(const std::filesystem::path& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_error(errno, path.string());
  if (!S_ISREG(st.st_mode)) return not_regular(path);
  if ((st.st_mode & 077) != 0)
    return Error{EACCES, fmt::format("{}: other users may read this file of secrets; {}", path.string(),
                                     advice_on_file(path.string(), st.st_uid, 0600, "use a file of your own"))};
  return Unit{};
}

}  // namespace pail
