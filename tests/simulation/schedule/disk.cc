// libc's calls that use the disk, also those of LMDB and of the standard library: in a simulated process each is a
// place to hand the baton on, and may fail or do a part. Clocks tell the simulated time, and a process has always the
// same number. Elsewhere they do what libc's do.
#include <fcntl.h>
#include <limits.h>
#include <linux/falloc.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "schedule/scheduler.h"
#include "simulation/seeded_random.h"

namespace {

using pail::schedule::DiskOperation;
using pail::schedule::Place;
using pail::schedule::Scheduler;
using pail::simulation::Random;

constexpr std::uint64_t kBlock = 4096;
constexpr std::uint64_t kPiece = 64;  // bytes that are written together or not at all: Linux takes whole pages
constexpr std::uint64_t kShortWriteOneIn = 40;
constexpr std::uint64_t kPartBeforeErrorOneIn = 2;

// Whether the call may be carried out; else errno says why not.
bool may_happen(const DiskOperation& operation) {
  Scheduler* scheduler = Scheduler::current();
  if (scheduler == nullptr) return true;
  scheduler->step(Place::disk);
  const int failed = scheduler->disk().fails(operation, scheduler->random());
  if (failed != 0) errno = failed;
  return failed == 0;
}

thread_local std::optional<int> errnum_of_rest;  // after a part of a write; 0: it does not fail

// Behind what the file has, and behind what was reserved for it beyond its end.
bool grows(int file, size_t size, off_t at) {
  constexpr off_t kStatBlock = 512;
  struct stat now {};
  if (::fstat(file, &now) != 0) return false;
  const off_t end = at + static_cast<off_t>(size), allocated = now.st_blocks * kStatBlock;
  const bool reserved = allocated >= now.st_size + static_cast<off_t>(kBlock) && end <= allocated;
  return end > now.st_size && !reserved;
}

// What comes before one of the ends of pieces, of which there is none in a short write.
size_t size_of_part(size_t size, off_t at, Random& random) {
  const size_t first_end = kPiece - static_cast<size_t>(at) % kPiece;
  if (first_end >= size) return 0;
  return first_end + random.below((size - 1 - first_end) / kPiece + 1) * kPiece;
}

ssize_t write_part(int file, const void* bytes, size_t size, off_t at, int errnum) {
  errnum_of_rest = errnum;
  return ::syscall(SYS_pwrite64, file, bytes, size, at);
}

// Whether the write may be carried out; else errno says why not. The rest of one is no place of its own.
bool may_write(int file, size_t size, off_t at) {
  if (!errnum_of_rest) return may_happen({grows(file, size, at) ? "append" : "pwrite", file});
  errno = *std::exchange(errnum_of_rest, std::nullopt);
  return errno == 0;
}

// Now and then a part is written, as when a signal comes, or before the disk fails: then the rest fails.
ssize_t write_at_once_or_not(int file, const void* bytes, size_t size, off_t at) {
  Scheduler* scheduler = Scheduler::current();
  const bool is_rest = errnum_of_rest.has_value();
  const bool may = may_write(file, size, at);
  const int errnum = may ? 0 : errno;
  const bool in_parts =
      scheduler != nullptr && !is_rest && scheduler->random().one_in(may ? kShortWriteOneIn : kPartBeforeErrorOneIn);
  const size_t part = in_parts ? size_of_part(size, at, scheduler->random()) : 0;
  if (part > 0) return write_part(file, bytes, part, at, errnum);
  errno = errnum;
  return may ? ::syscall(SYS_pwrite64, file, bytes, size, at) : -1;
}

int status_of(long answer) {
  return static_cast<int>(answer);
}

int open_at(int directory, const char* path, int flags, mode_t mode) {
  if ((flags & O_CREAT) != 0 && !may_happen({"open", directory, path})) return -1;
  return status_of(::syscall(SYS_openat, directory, path, flags, mode));
}

mode_t mode_of(int flags, va_list& arguments) {
  const bool makes_files = (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
  return makes_files ? static_cast<mode_t>(va_arg(arguments, int)) : 0;
}

timespec to_timespec(std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
  return {seconds.count(), (time - seconds).count()};
}

bool is_of_the_wall(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int time_of_clock(clockid_t clock, timespec* out) {
  const Scheduler* scheduler = Scheduler::current();
  if (scheduler == nullptr) return status_of(::syscall(SYS_clock_gettime, clock, out));
  *out =
      to_timespec(is_of_the_wall(clock) ? scheduler->wall().time_since_epoch() : scheduler->now().time_since_epoch());
  return 0;
}

// Space is a number of the simulated disk: only the file's size changes, or what it has beyond its end.
int reserve(int file, int mode, off_t at, off_t size) {
  if (Scheduler::current() == nullptr) return status_of(::syscall(SYS_fallocate, file, mode, at, size));
  if ((mode & FALLOC_FL_KEEP_SIZE) != 0) return status_of(::syscall(SYS_fallocate, file, mode, at, size));
  struct stat now {};
  if (::fstat(file, &now) != 0) return -1;
  const bool grows = at + size > now.st_size;
  return grows ? status_of(::syscall(SYS_ftruncate, file, at + size)) : 0;
}

int free_space(struct statvfs* out, const struct statfs& machine) {
  *out = {};
  out->f_bsize = out->f_frsize = kBlock;
  const Scheduler* scheduler = Scheduler::current();
  const std::uint64_t factor = static_cast<std::uint64_t>(machine.f_frsize);
  out->f_blocks = scheduler != nullptr ? scheduler->disk().size() / kBlock : machine.f_blocks * factor / kBlock;
  out->f_bavail = scheduler != nullptr ? scheduler->disk().free() / kBlock : machine.f_bavail * factor / kBlock;
  out->f_bfree = out->f_bavail;
  out->f_files = out->f_ffree = out->f_favail = 1'000'000;
  out->f_namemax = 255;
  return 0;
}

}  // namespace

std::string pail::schedule::DiskOperation::where() const {
  const std::string name = path != nullptr ? path : "";
  if (file < 0) return name;
  const std::string link = "/proc/self/fd/" + std::to_string(file);
  char directory[PATH_MAX];
  const long size = ::syscall(SYS_readlinkat, AT_FDCWD, link.c_str(), directory, sizeof directory);
  return std::string(directory, size > 0 ? static_cast<std::size_t>(size) : 0) + (path != nullptr ? "/" : "") + name;
}

// A function of ours under two names of libc.
#define PAIL_REPLACES(name, result, ...)                     \
  extern "C" result pail_##name(__VA_ARGS__) __asm__(#name); \
  extern "C" result pail_##name(__VA_ARGS__)
#define PAIL_REPLACES_BOTH(name, result, ...)                                                             \
  extern "C" result pail_##name##64(__VA_ARGS__) __asm__(#name "64") __attribute__((alias(#name), used)); \
  PAIL_REPLACES(name, result, __VA_ARGS__)

PAIL_REPLACES_BOTH(pread, ssize_t, int file, void* out, size_t size, off_t at) {
  return may_happen({"pread", file}) ? ::syscall(SYS_pread64, file, out, size, at) : -1;
}

// Of LMDB, which takes a part for an error of the disk.
PAIL_REPLACES(pwrite, ssize_t, int file, const void* bytes, size_t size, off_t at) {
  return may_happen({"pwrite", file}) ? ::syscall(SYS_pwrite64, file, bytes, size, at) : -1;
}

PAIL_REPLACES(pwrite64, ssize_t, int file, const void* bytes, size_t size, off_t at) {
  return write_at_once_or_not(file, bytes, size, at);
}

PAIL_REPLACES_BOTH(ftruncate, int, int file, off_t size) {
  return may_happen({"ftruncate", file}) ? status_of(::syscall(SYS_ftruncate, file, size)) : -1;
}

PAIL_REPLACES_BOTH(fallocate, int, int file, int mode, off_t at, off_t size) {
  if ((mode & FALLOC_FL_PUNCH_HOLE) != 0)
    return may_happen({"punch", file}) ? status_of(::syscall(SYS_fallocate, file, mode, at, size)) : -1;
  return may_happen({"fallocate", file}) ? reserve(file, mode, at, size) : -1;
}

PAIL_REPLACES_BOTH(posix_fallocate, int, int file, off_t at, off_t size) {
  if (!may_happen({"fallocate", file})) return errno;
  return reserve(file, 0, at, size) == 0 ? 0 : errno;
}

PAIL_REPLACES(fsync, int, int file) {
  return may_happen({"fsync", file}) ? status_of(::syscall(SYS_fsync, file)) : -1;
}

PAIL_REPLACES(fdatasync, int, int file) {
  return may_happen({"fdatasync", file}) ? status_of(::syscall(SYS_fdatasync, file)) : -1;
}

PAIL_REPLACES(rename, int, const char* from, const char* to) {
  return may_happen({"rename", -1, from}) ? status_of(::syscall(SYS_rename, from, to)) : -1;
}

PAIL_REPLACES(renameat2, int, int from_directory, const char* from, int to_directory, const char* to, unsigned flags) {
  return may_happen({"rename", from_directory, from})
             ? status_of(::syscall(SYS_renameat2, from_directory, from, to_directory, to, flags))
             : -1;
}

PAIL_REPLACES(unlink, int, const char* path) {
  return may_happen({"unlink", -1, path}) ? status_of(::syscall(SYS_unlink, path)) : -1;
}

PAIL_REPLACES(unlinkat, int, int directory, const char* path, int flags) {
  return may_happen({"unlink", directory, path}) ? status_of(::syscall(SYS_unlinkat, directory, path, flags)) : -1;
}

PAIL_REPLACES(remove, int, const char* path) {
  if (!may_happen({"unlink", -1, path})) return -1;
  const long removed = ::syscall(SYS_unlink, path);
  return status_of(removed == 0 || errno != EISDIR ? removed : ::syscall(SYS_rmdir, path));
}

PAIL_REPLACES(mkdir, int, const char* path, mode_t mode) {
  return may_happen({"mkdir", -1, path}) ? status_of(::syscall(SYS_mkdir, path, mode)) : -1;
}

PAIL_REPLACES(mkdirat, int, int directory, const char* path, mode_t mode) {
  return may_happen({"mkdir", directory, path}) ? status_of(::syscall(SYS_mkdirat, directory, path, mode)) : -1;
}

PAIL_REPLACES_BOTH(open, int, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at(AT_FDCWD, path, flags, mode);
}

PAIL_REPLACES_BOTH(openat, int, int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = mode_of(flags, arguments);
  va_end(arguments);
  return open_at(directory, path, flags, mode);
}

PAIL_REPLACES_BOTH(statvfs, int, const char* path, struct statvfs* out) {
  struct statfs machine {};
  return ::syscall(SYS_statfs, path, &machine) == 0 ? free_space(out, machine) : -1;
}

PAIL_REPLACES_BOTH(fstatvfs, int, int file, struct statvfs* out) {
  struct statfs machine {};
  return ::syscall(SYS_fstatfs, file, &machine) == 0 ? free_space(out, machine) : -1;
}

PAIL_REPLACES(clock_gettime, int, clockid_t clock, timespec* out) {
  return time_of_clock(clock, out);
}

PAIL_REPLACES(gettimeofday, int, timeval* out, void*) {
  timespec now{};
  const int failed = time_of_clock(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return failed;
}

// Numbers of processes are written into files, where their length matters.
PAIL_REPLACES(getpid, pid_t, void) {
  return Scheduler::process();
}

PAIL_REPLACES(time, time_t, time_t* out) {
  timespec now{};
  (void)time_of_clock(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
