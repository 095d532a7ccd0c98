#include "local/journal/recovery.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <vector>

#include "local/journal/log_reader.h"

namespace pail::local {
namespace {

constexpr ByteCount kPiece = 1_MiB;

// The records that no later one says to be on disk.
class Unproven {
 public:
  void add(const LogReader::Entry& entry) {
    if (entry.head.place.part == FramePlace::Part::snapshot) return;  // synced before it was named
    if (at_.empty()) first_ = {entry.head.place.number};
    at_.push_back(entry.at);
    while (!at_.empty() && first_ <= entry.head.durable) {
      at_.pop_front();
      ++first_.n;
    }
  }
  // Where they begin; `end` where there are none.
  ByteOffset from(ByteOffset end) const { return at_.empty() ? end : at_.front(); }

 private:
  std::deque<ByteOffset> at_;
  JournalSequence first_;
};

// A journal file that is there.
class Recovery {
 public:
  Recovery(LogDirectory& directory, std::shared_ptr<LogFile> file, const LogHeader& header)
      : directory_(directory), file_(std::move(file)), header_(header), reader_(file_, header) {}

  Result<Unit> replay(const JournalReplay& replay);
  Result<RecoveredLog> finish();

 private:
  Result<RecoveredLog> make_whole(const LogReader::Tail& tail);
  Result<RecoveredLog> rebuild(const LogDamaged& damage, JournalSequence highest);
  Result<Unit> copy_records(LogWriter& fresh);
  Result<Unit> write_again(Extent extent);
  Result<Unit> write_zeros(Extent extent);

  LogDirectory& directory_;
  const std::shared_ptr<LogFile> file_;
  const LogHeader header_;
  LogReader reader_;
  Unproven unproven_;
  std::uint64_t replayed_ = 0;
  JournalSequence last_;
};

Result<Unit> Recovery::replay(const JournalReplay& replay) {
  for (;;) {
    PAIL_TRY(const auto entry, reader_.next());
    if (!entry) return Unit{};
    PAIL_CHECK(replay(entry->head.type, entry->payload));
    unproven_.add(*entry);
    ++replayed_;
  }
}

Result<RecoveredLog> Recovery::finish() {
  const bool in_log = reader_.expected().part == FramePlace::Part::log;
  last_ = in_log ? JournalSequence{reader_.expected().number - 1} : header_.base;
  PAIL_TRY(const LogReader::Tail tail, reader_.tail());
  if (const auto* damage = std::get_if<LogDamaged>(&tail.end))
    return rebuild(*damage, std::max(last_, tail.highest));
  return make_whole(tail);
}

// What a torn tail leaves is erased: records that follow in its place must not be followed by old
// ones that fit. What is not proven to be on disk is written again: after a flush that failed, the
// kernel may show a record that it has dropped, and a later flush would not bring it to the disk.
Result<RecoveredLog> Recovery::make_whole(const LogReader::Tail& tail) {
  const ByteOffset end = reader_.position();
  PAIL_CHECK(write_again({unproven_.from(end), end}));
  PAIL_CHECK(write_zeros({end, tail.zeros_from}));
  PAIL_CHECK(file_->sync());
  PAIL_CHECK(directory_.sync_names());
  PAIL_TRY(const ByteCount size, file_->size());
  JournalFinding finding = JournalWhole{};
  if (std::holds_alternative<LogTailTorn>(tail.end)) finding = JournalTorn{end};
  return RecoveredLog{LogWriter(file_, header_, end, size), last_, finding};
}

// What was replayed becomes the snapshot of a new file. The old one keeps what cannot be trusted.
Result<RecoveredLog> Recovery::rebuild(const LogDamaged& damage, JournalSequence highest) {
  const std::string kept =
      fmt::format("damaged-{:016x}-{}", header_.generation, reader_.position().n);
  PAIL_CHECK(directory_.link(kLogName, kept));
  PAIL_TRY(LogWriter fresh, create_fresh_log(directory_, highest, replayed_));
  PAIL_CHECK(copy_records(fresh));
  PAIL_CHECK(publish_fresh_log(directory_, *fresh.file()));
  return RecoveredLog{
      fresh, highest,
      JournalDamaged{reader_.position(), damage.readable_behind, directory_.path_of(kept)}};
}

Result<Unit> Recovery::copy_records(LogWriter& fresh) {
  LogReader records(file_, header_);
  for (std::uint64_t i = 0; i < replayed_; ++i) {
    PAIL_TRY(const auto entry, records.next());
    if (!entry) return Error{EIO, "journal: a record cannot be read a second time"};
    const FrameHead head{.place = {FramePlace::Part::snapshot, i},
                         .durable = fresh.header().base,
                         .type = entry->head.type};
    PAIL_CHECK(result_of(fresh.append(head, entry->payload)));
  }
  return Unit{};
}

Result<Unit> Recovery::write_again(Extent extent) {
  std::vector<std::byte> bytes(std::min(extent.size(), kPiece).n);
  while (!extent.empty()) {
    const std::span piece =
        std::span(bytes).first(std::min<std::size_t>(bytes.size(), extent.size().n));
    PAIL_TRY(const std::size_t read, file_->read(extent.begin, piece));
    if (read != piece.size()) return Error{EIO, "journal: the file became shorter"};
    PAIL_CHECK(file_->write(extent.begin, piece));
    extent.begin = extent.begin + ByteCount{read};
  }
  return Unit{};
}

Result<Unit> Recovery::write_zeros(Extent extent) {
  const std::vector<std::byte> zeros(std::min(extent.size(), kPiece).n);
  while (!extent.empty()) {
    const std::span piece =
        std::span(zeros).first(std::min<std::size_t>(zeros.size(), extent.size().n));
    PAIL_CHECK(file_->write(extent.begin, piece));
    extent.begin = extent.begin + ByteCount{piece.size()};
  }
  return Unit{};
}

Result<LogHeader> read_header(const LogFile& file, const std::filesystem::path& path) {
  std::vector<std::byte> bytes(kLogHeaderSize.n);
  PAIL_TRY(const std::size_t read, file.read({}, bytes));
  bytes.resize(read);
  const auto decoded = decode_log_header(bytes);
  if (const auto* header = std::get_if<LogHeader>(&decoded)) return *header;
  if (const auto* newer = std::get_if<NewerLogFormat>(&decoded))
    return Error{ENOTSUP,
                 fmt::format("{}: written by a newer pailfs (format {}): start that version, "
                             "and unmount with it before you go back",
                             path.string(), newer->version)};
  return Error{EBADMSG, fmt::format("{}: no journal, or its first blocks are damaged; what it says "
                                    "cannot be read: move it away to start without it",
                                    path.string())};
}

Result<RecoveredLog> create_log(LogDirectory& directory) {
  PAIL_TRY(LogWriter fresh, create_fresh_log(directory, {}, 0));
  PAIL_CHECK(publish_fresh_log(directory, *fresh.file()));
  return RecoveredLog{fresh, {}, JournalCreated{}};
}

}  // namespace

Result<RecoveredLog> recover_log(LogDirectory& directory, const JournalReplay& replay) {
  PAIL_CHECK(directory.remove(kFreshLogName));
  PAIL_TRY(auto file, directory.open(kLogName));
  if (!file) return create_log(directory);
  PAIL_TRY(const LogHeader header, read_header(**file, directory.path_of(kLogName)));
  Recovery recovery(directory, *std::move(file), header);
  PAIL_CHECK(recovery.replay(replay));
  return recovery.finish();
}

}  // namespace pail::local
