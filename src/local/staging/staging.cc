#include "local/staging/staging.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <list>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/directory.h"
#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mutex.h"
#include "local/gone_directory.h"
#include "local/staging/kept.h"
#include "local/staging/staged_file.h"
#include "pailfs/base/clock.h"

namespace pail::local {
namespace {

constexpr std::size_t kLongestLabel = 100;
constexpr ByteCount kLongestNote = 4_KiB;

// The inode number a file of the staging directory is of; none for logs and files in the making.
std::optional<InodeNumber> number_of(const std::string& name) {
  InodeNumber number = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, number);
  const std::string_view rest(stop, end);
  if (error != std::errc{} || (!rest.empty() && rest != ".whole")) return std::nullopt;
  return number;
}

// A file name that needs no quoting in a shell.
std::string file_name_from(std::string_view label) {
  std::string name(label.substr(0, kLongestLabel));
  for (char& c : name) {
    const bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (!plain) c = '-';
  }
  if (name.empty() || name.front() == '.' || name.front() == '-') name.insert(name.begin(), '_');
  return name;
}

Result<Unit> write_description(const std::filesystem::path& kept_file, const KeptDescription& description) {
  const std::filesystem::path path = kept_description_path(kept_file);
  PAIL_CHECK(make_private_folder(path.parent_path()));
  return write_file_atomically(path, render_kept_description(description));
}

class DirectoryStagingArea final : public StagingArea {
 public:
  DirectoryStagingArea(std::filesystem::path directory, std::shared_ptr<FreeSpace> space, const Clock& clock)
      : directory_(std::move(directory)), space_(std::move(space)), clock_(clock) {}

  Result<std::shared_ptr<StagedFile>> create(InodeNumber number, ByteCount base_size) override PAIL_EXCLUDES(mutex_);
  Result<std::shared_ptr<StagedFile>> open(InodeNumber number) override PAIL_EXCLUDES(mutex_);
  std::optional<std::filesystem::path> place_of(InodeNumber number) const override;
  Result<Unit> remove(InodeNumber number) override PAIL_EXCLUDES(mutex_);
  void note_failure(InodeNumber number, std::string_view why) override;
  Result<std::filesystem::path> set_aside(InodeNumber number, KeptDescription description) override
      PAIL_EXCLUDES(mutex_);
  std::vector<InodeNumber> all() const override;
  void remove_leftovers();

 private:
  std::filesystem::path note_path(InodeNumber number) const;
  std::filesystem::path data_path(InodeNumber number) const;
  std::filesystem::path kept_path(InodeNumber number, std::string_view label) const;
  void describe(InodeNumber number, KeptDescription& description) PAIL_EXCLUDES(mutex_);
  Result<Unit> move_data(InodeNumber number, const std::filesystem::path& target) PAIL_EXCLUDES(mutex_);

  std::shared_ptr<StagedFile> use(InodeNumber number, std::shared_ptr<SparseStagedFile> file) PAIL_REQUIRES(mutex_);
  void close(InodeNumber number) PAIL_REQUIRES(mutex_);
  Error as_failed(const Error& why) PAIL_REQUIRES(mutex_);

  const std::filesystem::path directory_;
  const std::shared_ptr<FreeSpace> space_;
  const Clock& clock_;
  Mutex mutex_;
  bool told_gone_ PAIL_GUARDED_BY(mutex_) = false;
  // The last ones used, the newest first: opening one anew reads its log, which grows with every write.
  std::list<std::pair<InodeNumber, std::shared_ptr<SparseStagedFile>>> recent_ PAIL_GUARDED_BY(mutex_);
  std::unordered_map<InodeNumber, std::weak_ptr<SparseStagedFile>> open_files_ PAIL_GUARDED_BY(mutex_);
};

Result<std::shared_ptr<StagedFile>> DirectoryStagingArea::create(InodeNumber number, ByteCount base_size) {
  MutexLock lock(mutex_);
  close(number);
  auto file = SparseStagedFile::create(directory_, number, base_size, space_, clock_);
  if (!file) return as_failed(file.error());
  return use(number, *std::move(file));
}

Result<std::shared_ptr<StagedFile>> DirectoryStagingArea::open(InodeNumber number) {
  MutexLock lock(mutex_);
  if (const auto known = open_files_.find(number); known != open_files_.end())
    if (auto file = known->second.lock()) return use(number, std::move(file));
  close(number);
  PAIL_TRY(auto file, SparseStagedFile::open(directory_, number, space_, clock_));
  if (!file) return std::shared_ptr<StagedFile>();
  return use(number, std::move(file));
}

std::shared_ptr<StagedFile> DirectoryStagingArea::use(InodeNumber number, std::shared_ptr<SparseStagedFile> file) {
  constexpr std::size_t kMostRecent = 64;  // each keeps two descriptors
  open_files_[number] = file;
  const auto place = std::ranges::find(recent_, number, [](const auto& used) { return used.first; });
  if (place != recent_.end()) {
    recent_.splice(recent_.begin(), recent_, place);
  } else {
    recent_.emplace_front(number, file);
  }
  if (recent_.size() > kMostRecent) {
    const InodeNumber oldest = recent_.back().first;
    recent_.pop_back();
    if (const auto known = open_files_.find(oldest); known->second.expired()) open_files_.erase(known);
  }
  return file;
}

// Where the directory is missing, not the file that is written, the log says so once.
Error DirectoryStagingArea::as_failed(const Error& why) {
  const auto gone = gone_directory(directory_);
  if (!gone) return why;
  if (!std::exchange(told_gone_, true)) spdlog::error("{}", gone->context);
  return *gone;
}

// Whoever still has it goes on with what it had.
void DirectoryStagingArea::close(InodeNumber number) {
  recent_.remove_if([number](const auto& used) { return used.first == number; });
  open_files_.erase(number);
}

Result<Unit> DirectoryStagingArea::remove(InodeNumber number) {
  MutexLock lock(mutex_);
  close(number);
  const std::filesystem::path data = staged_data_path(directory_, number);
  // The log last: without data it is a leftover, data without its log would look damaged.
  for (const auto& path : {data, staged_whole_path(directory_, number), staged_log_path(data),
                           staged_times_path(directory_, number), note_path(number)})
    PAIL_CHECK(remove_file(path));
  return Unit{};
}

void DirectoryStagingArea::note_failure(InodeNumber number, std::string_view why) {
  // Not synced, and no error of its own: it is a remark on a file that is there without it, too.
  const auto note = open_file(note_path(number), O_WRONLY | O_CREAT | O_TRUNC);
  const auto text = bytes_of(why.substr(0, kLongestNote.n));
  if (!note || !write_at(note->get(), {}, text)) spdlog::debug("inode {}: {}", number, why);
}

std::filesystem::path DirectoryStagingArea::note_path(InodeNumber number) const {
  return directory_ / fmt::format("{}.failed", number);
}

// What only the staging file knows of itself.
void DirectoryStagingArea::describe(InodeNumber number, KeptDescription& description) {
  description.number = number;
  description.kept = clock_.wall();
  if (const auto note = read_file(note_path(number), kLongestNote); note && description.error.empty()) {
    description.error = *note;
    if (description.reason == KeptReason::mount_ended) description.reason = KeptReason::upload_failed;
  }
  if (const auto file = open(number); file && *file) {
    description.size = (*file)->size();
    description.missing = (*file)->missing({{}, {(*file)->size().n}});
    return;
  }
  struct stat status {};
  if (::stat(data_path(number).c_str(), &status) == 0) description.size = {static_cast<std::uint64_t>(status.st_size)};
}

std::filesystem::path DirectoryStagingArea::data_path(InodeNumber number) const {
  const std::filesystem::path whole = staged_whole_path(directory_, number);
  return ::access(whole.c_str(), F_OK) == 0 ? whole : staged_data_path(directory_, number);
}

std::optional<std::filesystem::path> DirectoryStagingArea::place_of(InodeNumber number) const {
  std::filesystem::path path = data_path(number);
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) return std::nullopt;
  return path;
}

// A name that is not taken. No other name ends with this number, and the caller has the inode for itself.
std::filesystem::path DirectoryStagingArea::kept_path(InodeNumber number, std::string_view label) const {
  const std::filesystem::path folder = kept_folder(directory_.parent_path());
  const std::string name = fmt::format("{}.{}", file_name_from(label), number);
  std::filesystem::path path = folder / name;
  for (unsigned attempt = 1; ::access(path.c_str(), F_OK) == 0; ++attempt)
    path = folder / fmt::format("{}-{}", name, attempt);
  return path;
}

Result<std::filesystem::path> DirectoryStagingArea::set_aside(InodeNumber number, KeptDescription description) {
  if (const auto made = make_private_folder(kept_folder(directory_.parent_path())); !made) {
    MutexLock lock(mutex_);
    return as_failed(made.error());
  }
  describe(number, description);
  const std::filesystem::path target = kept_path(number, description.name);
  if (const auto written = write_description(target, description); !written)
    spdlog::error("{}: kept without a description: {}", target.string(), written.error().context);
  const auto moved = move_data(number, target);
  if (!moved) {
    ::unlink(kept_description_path(target).c_str());
    return moved.error();
  }
  return target;
}

Result<Unit> DirectoryStagingArea::move_data(InodeNumber number, const std::filesystem::path& target) {
  MutexLock lock(mutex_);
  close(number);
  const std::filesystem::path data = data_path(number);
  if (::renameat2(AT_FDCWD, data.c_str(), AT_FDCWD, target.c_str(), RENAME_NOREPLACE) != 0)
    return errno_error(errno, data.string());
  const std::filesystem::path replaced = staged_data_path(directory_, number);
  for (const auto& path :
       {replaced, staged_log_path(replaced), staged_times_path(directory_, number), note_path(number)})
    ::unlink(path.c_str());
  return Unit{};
}

std::vector<InodeNumber> DirectoryStagingArea::all() const {
  std::vector<InodeNumber> numbers;
  for (const auto& path : list_readable(directory_))
    if (const auto number = number_of(path.filename().string())) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

// Logs, times and notes without data, and files in the making, of a process that was killed.
void DirectoryStagingArea::remove_leftovers() {
  std::error_code failed;
  for (const auto& path : list_readable(directory_)) {
    const bool unfinished = path.extension() == ".new";
    const bool orphaned = path.extension() == ".log" && !std::filesystem::exists(directory_ / path.stem(), failed);
    const bool remark = path.extension() == ".failed" || path.extension() == ".times";
    const auto noted = remark ? number_of(path.stem().string()) : std::nullopt;
    const bool pointless = noted && !std::filesystem::exists(data_path(*noted), failed);
    if (unfinished || orphaned || pointless) ::unlink(path.c_str());
  }
}

}  // namespace

Result<std::unique_ptr<StagingArea>> StagingArea::open(const std::filesystem::path& directory, ByteCount min_free,
                                                       const Clock& clock) {
  PAIL_CHECK(make_private_directory(directory));
  // Made while there is room: on a full disk a file can still be moved there.
  const std::filesystem::path kept = kept_folder(directory.parent_path());
  for (const auto& folder : {kept, kept_description_path(kept / "any").parent_path()})
    if (const auto made = make_private_directory(folder); !made) spdlog::warn("{}", made.error().context);
  PAIL_TRY(UniqueFd handle, open_file(directory, O_RDONLY | O_DIRECTORY));
  auto area = std::make_unique<DirectoryStagingArea>(directory,
                                                     std::make_shared<FreeSpace>(std::move(handle), min_free), clock);
  area->remove_leftovers();
  return std::unique_ptr<StagingArea>(std::move(area));
}

}  // namespace pail::local
