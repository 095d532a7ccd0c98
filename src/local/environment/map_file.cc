#include "local/environment/map_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "base/file.h"
#include "base/log.h"

namespace pail::local {
namespace {

// About 100,000 names of 25 bytes, and many more changes to those that are known.
constexpr ByteCount kReserve = 32_MiB;
constexpr ByteCount kSmallestReserve = 1_MiB;
constexpr std::uint64_t kShareOfFreeSpace = 4;       // on a small disk the reserve is smaller
constexpr std::chrono::seconds kBetweenAttempts{1};  // on a full disk, where asking is slow
constexpr std::uint64_t kReaderTable = 68 << 10;     // 1024 readers of 64 bytes, and its head

int descriptor_of(MDB_env* env) {
  int fd = -1;
  mdb_env_get_fd(env, &fd);
  return fd;
}

std::uint64_t size_of(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
}

std::uint64_t free_space(int fd) {
  struct statvfs st {};
  return ::fstatvfs(fd, &st) == 0 ? st.f_bavail * st.f_frsize : 0;
}

bool allocate(int fd, std::uint64_t begin, std::uint64_t end) {
  return ::fallocate(fd, 0, static_cast<off_t>(begin), static_cast<off_t>(end - begin)) == 0;
}

}  // namespace

// LMDB does not tell.
std::span<std::byte> find_map(const std::filesystem::path& file) {
  std::error_code failed;
  const std::string path = std::filesystem::canonical(file, failed).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; !failed && std::getline(maps, line);) {
    if (!line.ends_with(" " + path)) continue;
    std::uintptr_t begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR, &begin, &end) != 2) break;
    return {reinterpret_cast<std::byte*>(begin), end - begin};
  }
  return {};
}

ByteCount bytes_of_pages(MDB_env* env) {
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env, &info) != MDB_SUCCESS || mdb_env_stat(env, &stat) != MDB_SUCCESS) return {};
  return {(info.me_last_pgno + 1) * stat.ms_psize};
}

bool holds_all_pages(MDB_env* env) {
  return size_of(descriptor_of(env)) >= bytes_of_pages(env).n;
}

void make_room_for_all_pages(MDB_env* env) {
  const int fd = descriptor_of(env);
  const ByteCount wanted = bytes_of_pages(env) + kReserve;
  if (size_of(fd) >= wanted.n) return;
  if (::ftruncate(fd, static_cast<off_t>(wanted.n)) != 0)
    spdlog::warn("local state: its file cannot be made longer: {}", std::strerror(errno));
}

Result<Unit> allocate_reader_table(const std::filesystem::path& file) {
  PAIL_TRY(const UniqueFd fd, open_file(file, O_RDWR | O_CREAT));
  const std::uint64_t size = size_of(fd.get());
  if (allocate(fd.get(), 0, size == 0 ? kReaderTable : size)) return Unit{};
  if (errno == ENOSPC) return errno_error(errno, file.string());
  return Unit{};  // a file system that reserves nothing
}

void Reserve::keep() {
  const ByteCount used = bytes_of_pages(env_);
  if (used.n + kReserve.n / 2 <= end_.load(std::memory_order_relaxed)) return;
  if (extending_.test_and_set(std::memory_order_acquire)) return;
  extend(used);
  extending_.clear(std::memory_order_release);
}

void Reserve::extend(ByteCount used) {
  const auto now = clock_.steady();
  if (now < not_before_) return;
  const int fd = descriptor_of(env_);
  const std::uint64_t share = free_space(fd) / kShareOfFreeSpace;
  for (std::uint64_t size = std::min(kReserve.n, share); size >= kSmallestReserve.n; size /= 2) {
    if (used.n + size <= end_) break;
    if (!allocate(fd, end_, used.n + size)) continue;
    end_ = used.n + size;
    break;
  }
  make_room_for_all_pages(env_);
  if (end_ < used.n + kReserve.n) not_before_ = now + kBetweenAttempts;
}

}  // namespace pail::local
