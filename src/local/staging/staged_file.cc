#include "local/staging/staged_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "base/checksum.h"
#include "base/disk_space.h"
#include "base/file.h"
#include "base/log.h"

namespace pail::local {
namespace {

constexpr ByteCount kAskAgainAfter = 8_MiB;
constexpr ByteCount kLogRoomStep = 64_KiB;
constexpr ByteCount kRewriteLogAbove = 1_MiB;
constexpr ByteOffset kEndOfAll{std::numeric_limits<std::uint64_t>::max()};
constexpr std::uint64_t kLargestFile = std::numeric_limits<off_t>::max();

Result<Unit> set_size(int fd, ByteCount size) {
  while (::ftruncate(fd, static_cast<off_t>(size.n)) != 0)
    if (errno != EINTR) return errno_error(errno, "staging file: truncate");
  return Unit{};
}

WallTime file_time(const struct stat& status) {
  return WallTime(std::chrono::seconds(status.st_mtim.tv_sec) + std::chrono::nanoseconds(status.st_mtim.tv_nsec));
}

Result<Unit> sync_file(const UniqueFd& file, const std::filesystem::path& path) {
  if (::fsync(file.get()) != 0) return errno_error(errno, path.string());
  return Unit{};
}

}  // namespace

std::uint64_t LogRecord::expected_checksum() const {
  const std::array<std::uint64_t, 3> covered{kind, begin, end};
  return xxh3(std::as_bytes(std::span(covered)));
}

std::filesystem::path staged_whole_path(const std::filesystem::path& directory, InodeNumber number) {
  return directory / fmt::format("{}.whole", number);
}

std::filesystem::path staged_data_path(const std::filesystem::path& directory, InodeNumber number) {
  return directory / std::to_string(number);
}

std::filesystem::path staged_log_path(const std::filesystem::path& data_path) {
  std::filesystem::path path = data_path;
  return path += ".log";
}

std::filesystem::path staged_times_path(const std::filesystem::path& directory, InodeNumber number) {
  return directory / fmt::format("{}.times", number);
}

Result<Unit> FreeSpace::admit(ByteCount size) {
  const auto wanted = static_cast<std::int64_t>(size.n);
  if (credit_.fetch_sub(wanted, std::memory_order_relaxed) >= wanted) return Unit{};
  struct statvfs now {};
  if (::fstatvfs(directory_.get(), &now) != 0) return errno_error(errno, "staging directory");
  const std::uint64_t free = static_cast<std::uint64_t>(now.f_bavail) * now.f_frsize;
  if (free < min_free_.n || free - min_free_.n < size.n) {
    credit_.store(0, std::memory_order_relaxed);
    return Error{ENOSPC, fmt::format("{} bytes are free on the disk of the state directory, {} must stay so; make room "
                                     "there, or take another disk with state_dir=DIR",
                                     free, min_free_.n)};
  }
  // Several writers may each think they have half of what is left: the floor is a margin, not a promise to the byte.
  const std::uint64_t left = (free - min_free_.n - size.n) / 2;
  credit_.store(static_cast<std::int64_t>(std::min(left, kAskAgainAfter.n)), std::memory_order_relaxed);
  return Unit{};
}

Result<std::shared_ptr<SparseStagedFile>> SparseStagedFile::create(const std::filesystem::path& directory,
                                                                   InodeNumber number, ByteCount base_size,
                                                                   std::shared_ptr<FreeSpace> space,
                                                                   const Clock& clock) {
  const std::filesystem::path whole = staged_whole_path(directory, number), data = staged_data_path(directory, number);
  const bool has_base = base_size.n > 0;
  std::shared_ptr<SparseStagedFile> file(new SparseStagedFile(has_base ? data : whole, std::move(space), clock));
  MutexLock lock(file->mutex_);
  PAIL_TRY(file->times_, ModificationLog::create(staged_times_path(directory, number), clock.wall()));
  if (has_base)
    PAIL_CHECK(file->make_over_base(base_size));
  else
    PAIL_CHECK(file->make_whole());
  PAIL_CHECK(remove_file(has_base ? whole : data));
  if (!has_base) PAIL_CHECK(remove_file(staged_log_path(data)));
  return file;
}

Result<Unit> SparseStagedFile::make_whole() {
  // Whoever still holds the old one keeps it.
  PAIL_CHECK(remove_file(path_));
  PAIL_TRY(data_, open_file(path_, O_RDWR | O_CREAT | O_EXCL));
  return Unit{};
}

Result<Unit> SparseStagedFile::make_over_base(ByteCount base_size) {
  // The data file appears under its name when it has its size and its log: none is ever seen half made.
  std::filesystem::path fresh = path_;
  fresh += ".new";
  PAIL_CHECK(remove_file(fresh));
  PAIL_TRY(data_, open_file(fresh, O_RDWR | O_CREAT | O_EXCL));
  PAIL_CHECK(set_size(data_.get(), base_size));
  base_size_ = size_ = base_size;
  missing_.add(Extent{{0}, {base_size.n}});
  PAIL_CHECK(remove_file(path_));
  PAIL_CHECK(rewrite_log());
  if (::rename(fresh.c_str(), path_.c_str()) != 0) return errno_error(errno, path_.string());
  return Unit{};
}

Result<std::shared_ptr<SparseStagedFile>> SparseStagedFile::open(const std::filesystem::path& directory,
                                                                 InodeNumber number, std::shared_ptr<FreeSpace> space,
                                                                 const Clock& clock) {
  auto opened = open_file(staged_whole_path(directory, number), O_RDWR);
  const bool whole = opened || opened.error().errnum != ENOENT;
  if (!whole) opened = open_file(staged_data_path(directory, number), O_RDWR);
  if (!opened && opened.error().errnum == ENOENT) return std::shared_ptr<SparseStagedFile>();
  std::shared_ptr<SparseStagedFile> file(new SparseStagedFile(
      whole ? staged_whole_path(directory, number) : staged_data_path(directory, number), std::move(space), clock));
  MutexLock lock(file->mutex_);
  PAIL_TRY(file->data_, std::move(opened));
  struct stat st {};
  if (::fstat(file->data_.get(), &st) != 0) return errno_error(errno, file->path_.string());
  file->size_ = ByteCount{static_cast<std::uint64_t>(st.st_size)};
  file->times_ = ModificationLog::open(staged_times_path(directory, number), file_time(st));
  file->log_promise_ = LogPromise::may_be_synced;  // by the process before
  // What was reserved before is not asked for again: the disk may be full by now.
  constexpr std::uint64_t kStatBlock = 512;
  const bool has_its_space = static_cast<std::uint64_t>(st.st_blocks) * kStatBlock >= file->size_.n;
  if (has_its_space) file->reserved_.add({{}, {file->size_.n}});
  if (!whole) PAIL_CHECK(file->replay_log());
  return file;
}

ByteCount SparseStagedFile::size() const {
  MutexLock lock(mutex_);
  return size_;
}

Result<Unit> SparseStagedFile::admit(Extent extent) {
  const std::vector<Extent> reserved = reserved_.in(extent);
  if (reserved.size() == 1 && reserved.front() == extent) return Unit{};
  return space_->admit(extent.size());
}

Result<ByteCount> SparseStagedFile::write(ByteOffset at, std::span<const std::byte> data) {
  if (data.empty()) return ByteCount{};
  if (at.n > kLargestFile || data.size() > kLargestFile - at.n) return Error{EFBIG, "staging file: offset too large"};
  const Extent whole{at, at + ByteCount{data.size()}};
  MutexLock lock(mutex_);
  PAIL_CHECK(log_last_cut());
  PAIL_CHECK(admit(whole));
  if (missing_.overlaps(whole)) PAIL_CHECK(make_log_room());
  PAIL_CHECK(times_.set(clock_.wall()));
  PAIL_TRY(const ByteCount written, write_what_fits(data_.get(), at, data));
  const Extent extent{at, at + written};
  if (auto logged = log_present(extent); !logged) {
    take_back_growth(extent.end);
    return logged.error();
  }
  size_ = std::max(size_, ByteCount{extent.end.n});
  return written;
}

Result<Unit> SparseStagedFile::log_present(Extent extent) {
  if (!missing_.overlaps(extent)) return Unit{};
  PAIL_CHECK(append_log(LogKind::present, extent));
  missing_.remove(extent);
  return Unit{};
}

// Of a write that failed the file does not grow, as far as the disk allows that.
void SparseStagedFile::take_back_growth(ByteOffset end) {
  if (end.n > size_.n && !set_size(data_.get(), size_)) size_ = ByteCount{end.n};
}

Result<Unit> SparseStagedFile::truncate(ByteCount size) {
  if (size.n > kLargestFile) return Error{EFBIG, "staging file: size too large"};
  MutexLock lock(mutex_);
  PAIL_CHECK(log_last_cut());
  const Extent cut{{size.n}, kEndOfAll};
  const bool cuts_missing = missing_.overlaps(cut);
  if (cuts_missing) PAIL_CHECK(make_log_room());
  PAIL_CHECK(set_size(data_.get(), size));
  size_ = size;
  reserved_.remove(cut);
  if (cuts_missing) {
    missing_.remove(cut);
    cut_to_log_ = cut;
  }
  PAIL_CHECK(log_last_cut());
  return times_.set(clock_.wall());
}

// The other way round, a kill would leave cut bytes neither in the file nor missing. This way a kill leaves a file
// shorter than its log says, and opening it puts the log right: only the file must not grow before the log has the cut.
Result<Unit> SparseStagedFile::log_last_cut() {
  if (!cut_to_log_) return Unit{};
  PAIL_CHECK(append_log(LogKind::truncated, *cut_to_log_));
  cut_to_log_.reset();
  return Unit{};
}

WallTime SparseStagedFile::modified() const {
  MutexLock lock(mutex_);
  return times_.modified();
}

Result<Unit> SparseStagedFile::set_modified(WallTime modified) {
  MutexLock lock(mutex_);
  return times_.set(modified);
}

Result<Unit> SparseStagedFile::reserve(Extent extent) {
  if (extent.empty()) return Unit{};
  if (extent.end.n > kLargestFile) return Error{EFBIG, "staging file: offset too large"};
  MutexLock lock(mutex_);
  PAIL_CHECK(admit(extent));
  PAIL_CHECK(reserve_space(data_.get(), extent, "staging file: reserve"));
  reserved_.add(extent);
  return Unit{};
}

std::vector<Extent> SparseStagedFile::missing(Extent within) const {
  MutexLock lock(mutex_);
  return missing_.in(within);
}

Result<Unit> SparseStagedFile::fill(ByteOffset at, std::span<const std::byte> data) {
  MutexLock lock(mutex_);
  for (const Extent piece : missing_.in(Extent{at, at + ByteCount{data.size()}})) {
    PAIL_CHECK(admit(piece));
    PAIL_CHECK(make_log_room());
    PAIL_CHECK(write_at(data_.get(), piece.begin, data.subspan(piece.begin.n - at.n, piece.size().n)));
    PAIL_CHECK(log_present(piece));
  }
  return Unit{};
}

Result<std::size_t> SparseStagedFile::read(ByteOffset at, std::span<std::byte> out) const {
  std::uint64_t end = 0;
  {
    MutexLock lock(mutex_);
    end = std::min(missing_.first_from(at).n, size_.n);
  }
  if (at.n >= end) return std::size_t{0};
  // What was present stays so; a file that is cut meanwhile ends earlier.
  return read_at(data_.get(), at, out.first(std::min<std::uint64_t>(out.size(), end - at.n)));
}

// A record must not fail for lack of space once its data is in place.
Result<Unit> SparseStagedFile::make_log_room() {
  const bool may_be_replaced = log_promise_ == LogPromise::survives_kill;
  if (may_be_replaced && log_size_.n > kRewriteLogAbove.n) PAIL_CHECK(rewrite_log());
  if (log_size_.n + sizeof(LogRecord) <= log_room_.n) return Unit{};
  const Extent room{{log_room_.n}, ByteOffset{log_room_.n} + kLogRoomStep};
  PAIL_CHECK(reserve_space(log_.get(), room, "staging file: reserve"));
  log_room_ = log_room_ + kLogRoomStep;
  return Unit{};
}

Result<Unit> SparseStagedFile::append_log(LogKind kind, Extent extent) {
  // Front to back is how most files are written: the last record then grows in place. It lies within one page, so a
  // kill leaves the old or the new one.
  const bool extends = kind == LogKind::present && !last_present_.empty() && last_present_.end == extent.begin;
  if (extends) extent.begin = last_present_.begin;
  LogRecord record{static_cast<std::uint64_t>(kind), extent.begin.n, extent.end.n};
  record.checksum = record.expected_checksum();
  const ByteOffset at{extends ? log_size_.n - sizeof record : log_size_.n};
  PAIL_CHECK(write_at(log_.get(), at, std::as_bytes(std::span(&record, 1))));
  log_size_ = ByteCount{at.n + sizeof record};
  last_present_ = kind == LogKind::present ? extent : Extent{};
  return Unit{};
}

// Replaces the log by the shortest one that says the same.
Result<Unit> SparseStagedFile::rewrite_log() {
  std::vector<LogRecord> records{{static_cast<std::uint64_t>(LogKind::base), 0, base_size_.n}};
  std::uint64_t present_from = 0;
  for (const Extent hole : missing_.in(Extent{{0}, {base_size_.n}})) {
    if (hole.begin.n > present_from)
      records.push_back({static_cast<std::uint64_t>(LogKind::present), present_from, hole.begin.n});
    present_from = hole.end.n;
  }
  if (present_from < base_size_.n)
    records.push_back({static_cast<std::uint64_t>(LogKind::present), present_from, base_size_.n});
  for (LogRecord& record : records) record.checksum = record.expected_checksum();

  const std::filesystem::path path = staged_log_path(path_);
  std::filesystem::path fresh = path;
  fresh += ".new";
  PAIL_TRY(UniqueFd log, open_file(fresh, O_RDWR | O_CREAT | O_TRUNC));
  PAIL_CHECK(write_at(log.get(), {}, std::as_bytes(std::span(records))));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return errno_error(errno, path.string());
  log_ = std::move(log);
  log_size_ = log_room_ = ByteCount{records.size() * sizeof(LogRecord)};
  last_present_ = {};
  return Unit{};
}

Result<std::vector<LogRecord>> SparseStagedFile::read_log() {
  const std::filesystem::path path = staged_log_path(path_);
  auto opened = open_file(path, O_RDWR);
  if (!opened && opened.error().errnum == ENOENT) return damaged_log("missing");
  PAIL_TRY(log_, std::move(opened));
  struct stat st {};
  if (::fstat(log_.get(), &st) != 0) return errno_error(errno, path.string());
  std::vector<LogRecord> records(static_cast<std::size_t>(st.st_size) / sizeof(LogRecord));
  PAIL_TRY(const std::size_t read, read_at(log_.get(), {}, std::as_writable_bytes(std::span(records))));
  records.resize(read / sizeof(LogRecord));
  // A kill or a power loss leaves a tail without a single intact record, if any.
  const auto intact = [](const LogRecord& record) { return record.intact(); };
  const auto torn = std::ranges::find_if_not(records, intact);
  if (std::any_of(torn, records.end(), intact)) return damaged_log("a record is damaged");
  records.erase(torn, records.end());
  log_size_ = log_room_ = ByteCount{records.size() * sizeof(LogRecord)};
  // Else it stays as it is: whoever only looks must not need the disk.
  if (static_cast<std::uint64_t>(st.st_size) != log_size_.n) PAIL_CHECK(set_size(log_.get(), log_size_));
  return records;
}

Result<Unit> SparseStagedFile::replay_log() {
  PAIL_TRY(const auto records, read_log());
  if (records.empty()) return damaged_log("without a record that can be read");
  for (const LogRecord& record : records) PAIL_CHECK(apply(record, &record == &records.front()));
  const Extent beyond{{size_.n}, kEndOfAll};
  if (!missing_.overlaps(beyond)) return Unit{};
  missing_.remove(beyond);  // cut, and killed before the log said so
  return append_log(LogKind::truncated, beyond);
}

Result<Unit> SparseStagedFile::apply(const LogRecord& record, bool is_first) {
  const Extent extent{{record.begin}, {record.end}};
  const auto kind = static_cast<LogKind>(record.kind);
  if ((kind == LogKind::base) != is_first) return damaged_log("records in the wrong order");
  if (kind == LogKind::base) {
    base_size_ = extent.size();
    missing_.add(extent);
  } else if (kind == LogKind::present || kind == LogKind::truncated) {
    missing_.remove(extent);
  } else {
    return damaged_log("a record of an unknown kind");
  }
  return Unit{};
}

Error SparseStagedFile::damaged_log(std::string_view how) const {
  return {EBADMSG, fmt::format("{}: {}", staged_log_path(path_).string(), how)};
}

// ---- power loss ----

// What is to be synced, in this order: data, then what says that they are there.
Result<std::vector<UniqueFd>> SparseStagedFile::begin_sync() {
  MutexLock lock(mutex_);
  PAIL_CHECK(log_last_cut());
  if (sync_failure_) return *sync_failure_;
  log_promise_ = LogPromise::may_be_synced;
  std::vector<UniqueFd> files;
  for (const int file : {data_.get(), log_.get(), times_.descriptor()}) {
    if (file < 0) continue;
    files.emplace_back(::fcntl(file, F_DUPFD_CLOEXEC, 0));
    if (!files.back().valid()) return errno_error(errno, path_.string());
  }
  return files;
}

Result<Unit> SparseStagedFile::sync() {
  PAIL_TRY(auto files, begin_sync());
  PAIL_TRY(files.emplace_back(), open_file(path_.parent_path(), O_RDONLY | O_DIRECTORY));
  for (const UniqueFd& file : files)
    if (auto synced = sync_file(file, path_); !synced) {
      MutexLock lock(mutex_);
      sync_failure_ = synced.error();
      return synced;
    }
  return Unit{};
}

}  // namespace pail::local
