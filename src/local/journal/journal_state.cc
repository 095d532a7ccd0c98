#include "local/journal/journal_state.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <limits>

namespace pail::local {
namespace {

// Below this a replay takes a few milliseconds.
constexpr ByteCount kCompactAbove = 4_MiB;

}  // namespace

Result<JournalState::Opened> JournalState::open(std::unique_ptr<LogDirectory> directory) {
  LiveEntries live;
  const auto replay = [&](std::uint8_t type, std::string_view payload) -> Result<Unit> {
    const auto record = decode_journal_record(type, payload);
    if (!record)
      return Error{EBADMSG,
                   fmt::format("journal: a record of type {} that this version of pailfs does "
                               "not know: start the version that wrote it",
                               type)};
    live.apply(*record);
    return Unit{};
  };
  PAIL_TRY(Journal::Opened opened, Journal::open(std::move(directory), replay));
  std::unique_ptr<JournalState> state(new JournalState(std::move(opened.journal), std::move(live)));
  return Opened{std::move(state), opened.finding};
}

Result<JournalSequence> JournalState::append(const Record& record) {
  if (const auto* small = std::get_if<SmallFileWritten>(&record);
      small != nullptr && live_.small_bytes() + ByteCount{small->bytes.size()} > kMostSmallBytes)
    return Error{ENOSPC, "journal: too many bytes of small files wait to be uploaded"};
  const auto [type, payload] = encode(record);
  PAIL_TRY(const JournalSequence sequence, journal_->append(type, payload));
  live_.apply(record);
  return sequence;
}

Result<JournalSequence> JournalState::record(const Record& record) {
  const auto sequence = [&] {
    const MutexLock lock(mutex_);
    return append(record);
  }();
  if (tell_ && !told_.exchange(true)) tell_();
  return sequence;
}

Result<Unit> JournalState::commit(const Record& record) {
  PAIL_TRY(const JournalSequence sequence, this->record(record));
  return sync(sequence);
}

Result<InodeRange> JournalState::reserve_inode_numbers(std::uint64_t count, InodeNumber at_least) {
  InodeRange range;
  JournalSequence sequence;
  {
    const MutexLock lock(mutex_);
    range.begin = std::max({live_.reserved_below(), at_least, kRootInode + 1});
    if (count > std::numeric_limits<InodeNumber>::max() - range.begin)
      return Error{EOVERFLOW, "journal: no inode numbers are left"};
    range.end = range.begin + count;
    PAIL_TRY(sequence, append(InodeNumbersReserved{range.end}));
  }
  PAIL_CHECK(sync(sequence));
  return range;
}

LiveEntries JournalState::live() const {
  const MutexLock lock(mutex_);
  return live_;
}

std::optional<StagedEntry> JournalState::file(InodeNumber number) const {
  const MutexLock lock(mutex_);
  const auto found = live_.files().find(number);
  return found == live_.files().end() ? std::nullopt : std::optional(found->second);
}

bool JournalState::has_upload(const std::string& id) const {
  const MutexLock lock(mutex_);
  return live_.uploads().contains(id);
}

InodeNumber JournalState::reserved_below() const {
  const MutexLock lock(mutex_);
  return live_.reserved_below();
}

std::uint64_t JournalState::index_generation() const {
  const MutexLock lock(mutex_);
  return live_.index_generation();
}

bool JournalState::compaction_due() const {
  const MutexLock lock(mutex_);
  const ByteCount size = journal_->size();
  return size > kCompactAbove && size.n / 2 > compacted_size_.n;
}

Result<Unit> JournalState::compact() {
  Journal::Mark mark;
  std::vector<Record> live;
  {
    const MutexLock lock(mutex_);
    mark = journal_->mark();
    live = live_.snapshot();
  }
  std::vector<JournalRecord> snapshot(live.size());
  std::ranges::transform(live, snapshot.begin(), [](const Record& one) { return encode(one); });
  PAIL_CHECK(journal_->compact(mark, snapshot));
  const MutexLock lock(mutex_);
  compacted_size_ = journal_->size();
  return Unit{};
}

}  // namespace pail::local
