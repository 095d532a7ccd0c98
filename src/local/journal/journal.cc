#include "local/journal/journal.h"

#include <fmt/format.h>

#include <cerrno>
#include <tuple>

namespace pail::local {
namespace {

// Of the log, up to `end`.
Result<Unit> copy_frames(LogReader& from, ByteOffset end, LogWriter& to) {
  while (from.position() < end) {
    PAIL_TRY(const auto entry, from.next());
    if (!entry) return Error{EIO, "journal: a record reads differently than it was written"};
    PAIL_CHECK(result_of(to.append(entry->head, entry->payload)));
  }
  return Unit{};
}

Result<Unit> append_snapshot(LogWriter& to, const std::vector<JournalRecord>& snapshot) {
  FrameHead head{.place = {FramePlace::Part::snapshot, 0}, .durable = to.header().base};
  for (const JournalRecord& record : snapshot) {
    head.type = record.type;
    PAIL_CHECK(result_of(to.append(head, record.payload)));
    ++head.place.number;
  }
  return Unit{};
}

}  // namespace

Journal::Journal(std::unique_ptr<LogDirectory> directory, RecoveredLog found)
    : directory_(std::move(directory)),
      log_(std::move(found.log)),
      last_(found.last),
      durable_(found.last) {}

Result<Journal::Opened> Journal::open(std::unique_ptr<LogDirectory> directory,
                                      const JournalReplay& replay) {
  PAIL_TRY(RecoveredLog found, recover_log(*directory, replay));
  const JournalFinding finding = found.finding;
  std::unique_ptr<Journal> journal(new Journal(std::move(directory), std::move(found)));
  return Opened{std::move(journal), finding};
}

// ---- appending and flushing ----

Error Journal::fail(const Error& why) {
  if (failure_) return *failure_;
  failure_ = Error{
      EIO, fmt::format("journal: failed for good, what was not on disk may be lost ({}): check the "
                       "disk, and mount again",
                       why.context)};
  failure_->may_have_happened = true;
  return *failure_;
}

Result<JournalSequence> Journal::append(std::uint8_t type, std::string_view payload) {
  const MutexLock lock(mutex_);
  if (failure_) return *failure_;
  const JournalSequence sequence{last_.n + 1};
  const auto appended = log_.append(
      {.place = {FramePlace::Part::log, sequence.n}, .durable = durable_, .type = type}, payload);
  if (const auto* refused = std::get_if<LogWriter::Refused>(&appended)) return refused->why;
  if (const auto* broken = std::get_if<LogWriter::Broken>(&appended)) return fail(broken->why);
  last_ = sequence;
  return sequence;
}

Result<Unit> Journal::sync(JournalSequence upto) {
  const MutexLock lock(mutex_);
  if (upto > last_) return Error{EINVAL, "journal: no such record"};
  while (durable_ < upto) {
    if (failure_) return *failure_;
    if (flusher_ == Flusher::none && compaction_ != Compaction::changing_files)
      PAIL_CHECK(flush());
    else
      flushed_.wait(mutex_);
  }
  return Unit{};
}

// For all who wait: what was appended until now, in one flush.
Result<Unit> Journal::flush() {
  flusher_ = Flusher::flushing;
  const JournalSequence appended = last_;
  const std::shared_ptr<LogFile> file = log_.file();
  mutex_.unlock();
  const auto synced = file->sync();
  mutex_.lock();
  flusher_ = Flusher::none;
  flushed_.notify_all();
  if (!synced) return fail(synced.error());
  durable_ = appended;
  return Unit{};
}

// ---- compaction ----

Journal::Mark Journal::mark() const {
  const MutexLock lock(mutex_);
  return {last_, log_.end(), log_.header().generation};
}

Result<Unit> Journal::compact(const Mark& since, const std::vector<JournalRecord>& snapshot) {
  PAIL_CHECK(begin_compaction(since));
  auto done = replace_log(since, snapshot);
  end_compaction();
  return done;
}

Result<Unit> Journal::begin_compaction(const Mark& since) {
  const MutexLock lock(mutex_);
  if (failure_) return *failure_;
  if (compaction_ != Compaction::idle) return Error{EBUSY, "journal: is being compacted"};
  if (since.generation != log_.header().generation)
    return Error{ESTALE, "journal: was compacted since the snapshot was made"};
  compaction_ = Compaction::writing;
  return Unit{};
}

Result<Unit> Journal::replace_log(const Mark& since, const std::vector<JournalRecord>& snapshot) {
  const auto [now, file, header] = [&] {
    const MutexLock lock(mutex_);
    return std::tuple(log_.end(), log_.file(), log_.header());
  }();
  PAIL_TRY(LogWriter next, create_fresh_log(*directory_, since.last, snapshot.size()));
  PAIL_CHECK(append_snapshot(next, snapshot));
  LogReader behind(file, header, since.at, {since.last.n + 1});
  PAIL_CHECK(copy_frames(behind, now, next));
  PAIL_CHECK(next.file()->sync());  // most of it, before anybody has to wait
  return change_files(behind, std::move(next));
}

Result<Unit> Journal::change_files(LogReader& behind, LogWriter next) {
  PAIL_TRY(const Mark covered, begin_change());
  PAIL_CHECK(copy_frames(behind, covered.at, next));
  PAIL_CHECK(next.file()->sync());
  PAIL_CHECK(take_place(behind, std::move(next)));
  const auto named = directory_->sync_names();
  const MutexLock lock(mutex_);
  if (!named) return fail(named.error());  // which of the two a power loss leaves is not known
  durable_ = covered.last;
  return Unit{};
}

Result<Journal::Mark> Journal::begin_change() {
  const MutexLock lock(mutex_);
  compaction_ = Compaction::changing_files;
  while (flusher_ == Flusher::flushing) flushed_.wait(mutex_);
  if (failure_) return *failure_;
  return Mark{last_, log_.end(), log_.header().generation};
}

// In one step, so that each record is in the file that a kill leaves. Until it succeeds the old
// file is the journal.
Result<Unit> Journal::take_place(LogReader& behind, LogWriter next) {
  const MutexLock lock(mutex_);
  if (failure_) return *failure_;
  PAIL_CHECK(copy_frames(behind, log_.end(), next));
  if (const auto renamed = directory_->rename(kFreshLogName, kLogName); !renamed)
    return fail(renamed.error());
  log_ = std::move(next);
  return Unit{};
}

void Journal::end_compaction() {
  // Of a compaction that was given up. After a failure both files may be wanted, to look at.
  if (!failure()) (void)directory_->remove(kFreshLogName);
  const MutexLock lock(mutex_);
  compaction_ = Compaction::idle;
  flushed_.notify_all();
}

ByteCount Journal::size() const {
  const MutexLock lock(mutex_);
  return {log_.end().n};
}

std::optional<Error> Journal::failure() const {
  const MutexLock lock(mutex_);
  return failure_;
}

}  // namespace pail::local
