#include "local/journal/log_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/file.h"
#include "base/unique_fd.h"
#include "pailfs/cos/fault.h"

namespace pail::local {
namespace {

class DiskLogFile final : public LogFile {
 public:
  DiskLogFile(UniqueFd file, std::filesystem::path path)
      : file_(std::move(file)), path_(std::move(path)) {}

  Result<ByteCount> size() const override {
    struct stat status {};
    if (::fstat(file_.get(), &status) != 0) return errno_error(errno, path_.string());
    return ByteCount{static_cast<std::uint64_t>(status.st_size)};
  }
  Result<std::size_t> read(ByteOffset at, std::span<std::byte> out) const override {
    return read_at(file_.get(), at, out);
  }
  Result<Unit> write(ByteOffset at, std::span<const std::byte> data) override {
    return write_at(file_.get(), at, data);
  }
  Result<Unit> reserve(ByteCount size) override {
    PAIL_TRY(const ByteCount now, this->size());
    if (now >= size) return Unit{};
    const auto begin = static_cast<off_t>(now.n), length = static_cast<off_t>((size - now).n);
    int failed = EINTR;
    while (failed == EINTR) failed = ::posix_fallocate(file_.get(), begin, length);
    if (failed != 0) return errno_error(failed, path_.string());
    return Unit{};
  }
  Result<Unit> sync() override {
    if (::fdatasync(file_.get()) != 0) return errno_error(errno, path_.string());
    return Unit{};
  }

 private:
  const UniqueFd file_;
  const std::filesystem::path path_;
};

class DiskLogDirectory final : public LogDirectory {
 public:
  DiskLogDirectory(UniqueFd directory, std::filesystem::path path)
      : directory_(std::move(directory)), path_(std::move(path)) {}

  Result<std::optional<std::shared_ptr<LogFile>>> open(std::string_view name) override {
    auto file = open_file(path_of(name), O_RDWR);
    if (!file && file.error().errnum == ENOENT) return std::optional<std::shared_ptr<LogFile>>();
    if (!file) return file.error();
    return std::optional(share(*std::move(file), name));
  }
  Result<std::shared_ptr<LogFile>> create(std::string_view name) override {
    PAIL_CHECK(remove(name));
    PAIL_TRY(UniqueFd file, open_file(path_of(name), O_RDWR | O_CREAT | O_EXCL));
    return share(std::move(file), name);
  }
  Result<Unit> rename(std::string_view from, std::string_view to) override {
    const std::filesystem::path target = path_of(to);
    if (::rename(path_of(from).c_str(), target.c_str()) != 0)
      return errno_error(errno, target.string());
    return Unit{};
  }
  Result<Unit> link(std::string_view from, std::string_view to) override {
    PAIL_CHECK(remove(to));
    const std::filesystem::path target = path_of(to);
    if (::link(path_of(from).c_str(), target.c_str()) != 0)
      return errno_error(errno, target.string());
    return Unit{};
  }
  Result<Unit> remove(std::string_view name) override { return remove_file(path_of(name)); }
  Result<Unit> sync_names() override {
    if (::fsync(directory_.get()) != 0) return errno_error(errno, path_.string());
    return Unit{};
  }
  std::filesystem::path path_of(std::string_view name) const override { return path_ / name; }

 private:
  std::shared_ptr<LogFile> share(UniqueFd file, std::string_view name) const {
    return std::make_shared<DiskLogFile>(std::move(file), path_of(name));
  }

  const UniqueFd directory_;  // holds the lock, too
  const std::filesystem::path path_;
};

}  // namespace

Result<std::unique_ptr<LogDirectory>> open_log_directory(const std::filesystem::path& path) {
  PAIL_CHECK(make_private_directory(path));
  PAIL_TRY(UniqueFd directory, open_file(path, O_RDONLY | O_DIRECTORY));
  PAIL_TRY(const LockAttempt lock, try_lock_file(directory, path));
  if (lock == LockAttempt::held_by_another)
    return Error{EBUSY,
                 fmt::format("{}: another process uses this journal; end it, or give this "
                             "mount a state directory of its own",
                             path.string()),
                 Fault::busy};
  return std::unique_ptr<LogDirectory>(
      std::make_unique<DiskLogDirectory>(std::move(directory), path));
}

}  // namespace pail::local
