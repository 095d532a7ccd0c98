#include "mount/handover/directory_filesystem.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/file.h"
#include "base/mutex.h"
#include "pailfs/base/stop.h"

namespace pail::fuse::test {
namespace {

using vfs::InodeNumber;
using vfs::Request;
namespace fs = std::filesystem;

constexpr std::uint64_t kFirstChildOffset = 2;

Error last_error(const char* what) {
  return errno_error(errno, what);
}

WallTime to_time(const timespec& at) {
  return WallTime(std::chrono::seconds(at.tv_sec) + std::chrono::nanoseconds(at.tv_nsec));
}

class DirectoryFileSystem : public vfs::FileSystem {
 public:
  explicit DirectoryFileSystem(fs::path directory) : directory_(std::move(directory)) {}

  Result<Unit> begin() {
    std::error_code error;
    fs::create_directories(directory_ / "intents", error);
    fs::create_directories(of(vfs::kRootInode), error);
    if (error) return errno_error(error.value(), "begin");
    return Unit{};
  }

  Result<vfs::Entry> lookup(const Request&, InodeNumber parent, std::string_view name) override {
    if (name == "poison") std::abort();
    const InodeNumber number = binding(parent, name);
    if (number == 0) return Error{ENOENT, "lookup"};
    return entry(number);
  }
  void forget(InodeNumber) override {}
  Result<vfs::Entry> getattr(const Request&, InodeNumber number) override { return entry(number); }

  Result<vfs::Entry> setattr(const Request&, InodeNumber number, const vfs::AttributeChange& change) override {
    const fs::path path = of(number);
    if (change.size && truncate(path.c_str(), static_cast<off_t>(change.size->n)) != 0) return last_error("truncate");
    if (change.permissions && chmod(path.c_str(), *change.permissions) != 0) return last_error("chmod");
    return entry(number);
  }
  Result<std::string> readlink(const Request&, InodeNumber number) override {
    std::error_code error;
    const fs::path target = fs::read_symlink(of(number), error);
    if (error) return errno_error(error.value(), "readlink");
    return target.string();
  }

  Result<vfs::Entry> mknod(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                           std::uint64_t) override {
    return make(request, parent, name, [&](const fs::path& path) { return ::mknod(path.c_str(), mode, 0); });
  }
  Result<vfs::Entry> mkdir(const Request& request, InodeNumber parent, std::string_view name, mode_t mode) override {
    return make(request, parent, name, [&](const fs::path& path) { return ::mkdir(path.c_str(), mode); });
  }
  Result<vfs::Entry> symlink(const Request& request, InodeNumber parent, std::string_view name,
                             std::string_view target) override {
    const std::string text(target);
    return make(request, parent, name, [&](const fs::path& path) { return ::symlink(text.c_str(), path.c_str()); });
  }

  Result<Unit> unlink(const Request& request, InodeNumber parent, std::string_view name) override {
    return once(request, parent, name, [&] { return ::unlink(name_path(parent, name).c_str()); });
  }
  Result<Unit> rmdir(const Request& request, InodeNumber parent, std::string_view name) override {
    return once(request, parent, name, [&] {
      const InodeNumber number = binding(parent, name);
      if (number != 0 && ::rmdir(of(number).c_str()) != 0 && errno != ENOENT) return -1;
      return ::unlink(name_path(parent, name).c_str());
    });
  }
  Result<Unit> rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                      std::string_view new_name, vfs::RenameMode mode) override {
    const unsigned flags = mode == vfs::RenameMode::exchange     ? RENAME_EXCHANGE
                           : mode == vfs::RenameMode::no_replace ? RENAME_NOREPLACE
                                                                 : 0;
    return once(request, parent, name, [&] {
      return renameat2(AT_FDCWD, name_path(parent, name).c_str(), AT_FDCWD, name_path(new_parent, new_name).c_str(),
                       flags);
    });
  }

  Result<vfs::OpenResult> open_file(const Request&, InodeNumber number, int flags) override {
    if ((flags & O_TRUNC) != 0 && truncate(of(number).c_str(), 0) != 0) return last_error("truncate");
    return vfs::OpenResult{number, false};
  }
  Result<std::pair<vfs::Entry, vfs::OpenResult>> create(const Request& request, InodeNumber parent,
                                                        std::string_view name, mode_t mode, int) override {
    PAIL_TRY(const vfs::Entry made, mknod(request, parent, name, (mode & 07777) | S_IFREG, 0));
    return std::pair(made, vfs::OpenResult{made.attributes.number, false});
  }

  void read(const Request& request, InodeNumber number, std::uint64_t, ByteOffset at, ByteCount size,
            vfs::ReadReply reply) override {
    if (number == binding(vfs::kRootInode, "slow")) return answer_when_interrupted(request.stop, std::move(reply));
    auto bytes = std::make_shared<std::vector<std::byte>>(size.n);
    const UniqueFd file(::open(of(number).c_str(), O_RDONLY | O_CLOEXEC));
    const auto got = read_at(file.get(), at, *bytes);
    if (!got) return reply(got.error());
    bytes->resize(*got);
    const std::span<const std::byte> all(*bytes);
    // Two pieces and an answer from another thread, as blocks that come from the network.
    const std::size_t half = all.size() / 2;
    std::thread([reply = std::move(reply), bytes, all, half] {
      reply(vfs::ReadData{{all.first(half), all.subspan(half)}, bytes});
    }).detach();
  }
  Result<ByteCount> write(const Request&, InodeNumber number, std::uint64_t, ByteOffset at,
                          std::span<const std::byte> data) override {
    const UniqueFd file(::open(of(number).c_str(), O_WRONLY | O_CLOEXEC));
    return write_what_fits(file.get(), at, data);
  }
  Result<Unit> allocate(const Request&, InodeNumber number, std::uint64_t, int mode, Extent extent) override {
    const UniqueFd file(::open(of(number).c_str(), O_WRONLY | O_CLOEXEC));
    if (fallocate(file.get(), mode, static_cast<off_t>(extent.begin.n), static_cast<off_t>(extent.size().n)) != 0)
      return last_error("fallocate");
    return Unit{};
  }
  Result<Unit> flush(const Request&, InodeNumber, std::uint64_t) override { return Unit{}; }
  Result<Unit> fsync(const Request&, InodeNumber, std::uint64_t) override { return Unit{}; }
  void release(const Request&, InodeNumber, std::uint64_t) override {}

  Result<std::vector<vfs::DirectoryEntry>> read_directory(const Request&, InodeNumber number, std::uint64_t offset,
                                                          std::size_t most, vfs::WithAttributes with) override {
    std::vector<vfs::DirectoryEntry> all{{".", number, vfs::FileType::directory, 1, {}},
                                         {"..", number, vfs::FileType::directory, 2, {}}};
    std::error_code error;
    for (const auto& item : fs::directory_iterator(of(number), error)) {
      const std::string name = item.path().filename();
      const InodeNumber child = binding(number, name);
      auto found = entry(child);
      if (!found) continue;
      vfs::DirectoryEntry shown{name, child, found->attributes.type, child + kFirstChildOffset, {}};
      if (with == vfs::WithAttributes::yes) shown.entry = *found;
      all.push_back(std::move(shown));
    }
    if (error) return errno_error(error.value(), "readdir");
    std::ranges::sort(all, {}, &vfs::DirectoryEntry::next_offset);
    std::erase_if(all, [&](const auto& one) { return one.next_offset <= offset; });
    if (all.size() > most) all.resize(most);
    return all;
  }
  Result<Unit> fsync_directory(const Request&, InodeNumber) override { return Unit{}; }
  Result<vfs::Statistics> statfs(const Request&) override { return vfs::Statistics{1_GiB, 1_GiB, 10, 1000, 255}; }

  Result<Unit> setxattr(const Request&, InodeNumber number, std::string_view, std::span<const std::byte> value,
                        vfs::XattrMode) override {
    std::ofstream(directory_ / ("xattr-" + std::to_string(number)))
        .write(reinterpret_cast<const char*>(value.data()), static_cast<std::streamsize>(value.size()));
    return Unit{};
  }
  Result<std::string> getxattr(const Request&, InodeNumber number, std::string_view name) override {
    if (name != "user.note") return Error{ENODATA, "getxattr"};
    auto value = read_file(directory_ / ("xattr-" + std::to_string(number)), 1_MiB);
    if (!value) return Error{ENODATA, "getxattr"};
    return value;
  }
  Result<std::vector<std::string>> listxattr(const Request&, InodeNumber) override {
    return std::vector<std::string>{"user.note"};
  }
  Result<Unit> removexattr(const Request&, InodeNumber, std::string_view) override { return Unit{}; }

  using FileSystem::sync_all;
  void wait_for_left(const StopToken&) override {}
  Result<Unit> sync_all(const vfs::Sync&) override {
    wait_while_there_is(directory_ / "hold-sync");
    std::ofstream(directory_ / "synced") << "yes";
    return Unit{};
  }
  std::vector<runtime::Counters::Value> counters() override { return {}; }

 private:
  fs::path of(InodeNumber number) const { return directory_ / "inodes" / std::to_string(number); }
  fs::path name_path(InodeNumber parent, std::string_view name) const { return of(parent) / name; }

  // The number a name leads to, 0 when there is none.
  InodeNumber binding(InodeNumber parent, std::string_view name) const {
    std::error_code error;
    const fs::path target = fs::read_symlink(name_path(parent, name), error);
    return error ? 0 : std::strtoull(target.c_str(), nullptr, 10);
  }

  Result<vfs::Entry> entry(InodeNumber number) const {
    struct stat status {};
    if (lstat(of(number).c_str(), &status) != 0) return last_error("stat");
    vfs::Entry out;
    out.attributes.number = number;
    out.attributes.type = S_ISDIR(status.st_mode)    ? vfs::FileType::directory
                          : S_ISLNK(status.st_mode)  ? vfs::FileType::symlink
                          : S_ISFIFO(status.st_mode) ? vfs::FileType::fifo
                                                     : vfs::FileType::regular;
    out.attributes.permissions = status.st_mode & 07777;
    out.attributes.size = ByteCount{static_cast<std::uint64_t>(status.st_size)};
    out.attributes.modified = to_time(status.st_mtim);
    out.name_ttl = out.attributes_ttl = std::chrono::milliseconds(100);
    return out;
  }

  // Carries out what binds or unbinds a name. When it comes again the binding tells whether it was done: the kernel
  // holds the directory until the answer, so nobody else has changed it.
  template <class Act>
  Result<Unit> once(const Request& request, InodeNumber parent, std::string_view name, Act act) {
    const fs::path intent = directory_ / "intents" / std::to_string(request.unique);
    const InodeNumber before = binding(parent, name);
    if (auto noted = request.resent ? read_file(intent, 1_KiB) : Result<std::string>(Error{ENOENT, ""}))
      if (!noted->empty() && std::strtoull(noted->c_str(), nullptr, 10) != before) return Unit{};
    std::ofstream(intent) << before;  // torn by a kill it is empty, and then nothing was done either
    if (act() != 0) return last_error("name operation");
    return Unit{};
  }

  template <class Make>
  Result<vfs::Entry> make(const Request& request, InodeNumber parent, std::string_view name, Make content) {
    PAIL_CHECK(once(request, parent, name, [&] {
      const std::string number = std::to_string(next_number());
      if (binding(parent, name) != 0) return errno = EEXIST, -1;
      if (content(directory_ / "inodes" / number) != 0) return -1;
      return ::symlink(number.c_str(), name_path(parent, name).c_str());
    }));
    return entry(binding(parent, name));
  }

  InodeNumber next_number() {
    const MutexLock lock(mutex_);
    InodeNumber number = 1;
    const UniqueFd file(::open((directory_ / "next").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    static_cast<void>(pread(file.get(), &number, sizeof number, 0) < 0);
    ++number;
    static_cast<void>(pwrite(file.get(), &number, sizeof number, 0) < 0);
    return number;
  }

  static void answer_when_interrupted(const StopToken& stop, vfs::ReadReply reply) {
    std::thread([stop, reply = std::move(reply)] {
      Mutex mutex;
      CondVar changed;
      const StopCallback wake(stop, [&] {
        const MutexLock lock(mutex);
        changed.notify_all();
      });
      {
        const MutexLock lock(mutex);
        while (!stop.stop_requested()) changed.wait(mutex);
      }
      reply(Error{EINTR, "interrupted"});
    }).detach();
  }

  const fs::path directory_;
  Mutex mutex_;
};

}  // namespace

void wait_while_there_is(const fs::path& path) {
  while (fs::exists(path)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

Result<std::unique_ptr<vfs::FileSystem>> open_directory_filesystem(const std::filesystem::path& directory) {
  if (directory.filename() == "unreachable") return Error{EHOSTUNREACH, "no such store"};
  wait_while_there_is(directory / "hold-open");
  auto files = std::make_unique<DirectoryFileSystem>(directory);
  PAIL_CHECK(files->begin());
  return std::unique_ptr<vfs::FileSystem>(std::move(files));
}

}  // namespace pail::fuse::test
