#include "cache/block_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/directory.h"
#include "base/file.h"
#include "base/log.h"

namespace pail::cache {
namespace {

constexpr std::size_t kDescriptorsKept = 256;
constexpr std::size_t kNameSize = 32;

bool is_block_file_name(const std::string& name) {
  const auto hexadecimal = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  return name.size() == kNameSize && std::all_of(name.begin(), name.end(), hexadecimal);
}

constexpr std::string_view kUnfinished = ".new";

void remove_unfinished(const std::filesystem::path& directory) {
  std::error_code ignored;
  for (const auto& path : list_readable(directory))
    if (path.extension() == kUnfinished) std::filesystem::remove(path, ignored);
}

}  // namespace

Result<std::unique_ptr<BlockFiles>> BlockFiles::open(const std::filesystem::path& directory) {
  PAIL_CHECK(make_private_directory(directory));
  PAIL_TRY(UniqueFd handle, open_file(directory, O_RDONLY | O_DIRECTORY));
  remove_unfinished(directory);
  return std::make_unique<BlockFiles>(directory, std::move(handle));
}

std::filesystem::path BlockFiles::path(const std::string& name) const {
  return directory_ / name.substr(0, 2) / name;
}

Result<UniqueFd> BlockFiles::open_for_reading(const std::string& name) const {
  return open_file(path(name), O_RDONLY | O_NOFOLLOW);
}

Result<Unit> BlockFiles::make_room_for(const std::string& name) const {
  const std::filesystem::path parent = path(name).parent_path();
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(errno, parent.string());
  return Unit{};
}

Result<UniqueFd> BlockFiles::open_for_writing(const std::string& name) const {
  constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW;
  auto opened = open_file(path(name), kFlags);
  if (opened || opened.error().errnum != ENOENT) return opened;
  PAIL_CHECK(make_room_for(name));
  return open_file(path(name), kFlags);
}

Result<Unit> BlockFiles::move_in(const std::string& name, const std::filesystem::path& file) const {
  PAIL_CHECK(make_room_for(name));
  if (::chmod(file.c_str(), 0600) != 0) return errno_error(errno, file.string());
  if (::rename(file.c_str(), path(name).c_str()) != 0) return errno_error(errno, path(name).string());
  return Unit{};
}

Result<std::filesystem::path> BlockFiles::copy_in(const std::string& name, const std::filesystem::path& file) const {
  std::filesystem::path copy = directory_ / name;
  copy += kUnfinished;
  PAIL_TRY(const UniqueFd from, open_file(file, O_RDONLY | O_NOFOLLOW));
  PAIL_TRY(const UniqueFd to, open_file(copy, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
  if (const auto copied = copy_sparse(from.get(), to.get()); !copied) {
    ::unlink(copy.c_str());
    return copied.error();
  }
  return copy;
}

void BlockFiles::remove(const std::string& name) {
  forget(name);
  if (::unlink(path(name).c_str()) != 0 && errno != ENOENT)
    spdlog::warn("block cache: {}", errno_error(errno, path(name).string()).context);
}

void BlockFiles::punch(const std::string& name, Extent extent) const {
  const auto file = open_file(path(name), O_RDWR | O_NOFOLLOW);
  if (!file) return;
  const auto begin = static_cast<off_t>(extent.begin.n), size = static_cast<off_t>(extent.size().n);
  if (::fallocate(file->get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, begin, size) != 0)
    spdlog::warn("block cache: {}", errno_error(errno, path(name).string()).context);
}

Result<ByteCount> BlockFiles::free_space() const {
  struct statvfs now {};
  if (::fstatvfs(handle_.get(), &now) != 0) return errno_error(errno, directory_.string());
  return ByteCount{static_cast<std::uint64_t>(now.f_bavail) * now.f_frsize};
}

std::shared_ptr<const OpenBlockFile> BlockFiles::find(const std::string& name) {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->second;
}

void BlockFiles::keep(const std::string& name, std::shared_ptr<const OpenBlockFile> file) {
  Recent gone;  // closed without the lock
  MutexLock lock(mutex_);
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    gone.splice(gone.begin(), recent_, found->second);
    by_name_.erase(found);
  }
  recent_.emplace_front(name, std::move(file));
  by_name_[name] = recent_.begin();
  if (recent_.size() <= kDescriptorsKept) return;
  by_name_.erase(recent_.back().first);
  gone.splice(gone.begin(), recent_, std::prev(recent_.end()));
}

void BlockFiles::forget(const std::string& name) {
  Recent gone;
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return;
  gone.splice(gone.begin(), recent_, found->second);
  by_name_.erase(found);
}

void BlockFiles::sweep(unsigned directory, const std::function<bool(const std::string&)>& known) {
  std::size_t removed = 0;
  for (const auto& path : list_readable(directory_ / fmt::format("{:02x}", directory))) {
    const std::string name = path.filename().string();
    if (!is_block_file_name(name) || known(name)) continue;
    ::unlink(path.c_str());
    ++removed;
  }
  if (removed > 0) spdlog::info("block cache: removed {} files without records", removed);
}

}  // namespace pail::cache
