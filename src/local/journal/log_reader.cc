#include "local/journal/log_reader.h"

#include <algorithm>

namespace pail::local {
namespace {

constexpr ByteCount kWindow = 1_MiB;
constexpr ByteCount kPage = 4_KiB;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool all_zero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::ranges::equal(bytes.subspan(1), bytes.first(bytes.size() - 1)));
}

}  // namespace

LogReader::LogReader(std::shared_ptr<const LogFile> file, const LogHeader& header)
    : file_(std::move(file)), header_(header), at_{kLogHeaderSize.n} {
  expected_ = header.snapshot_records > 0 ? FramePlace{FramePlace::Part::snapshot, 0}
                                          : FramePlace{FramePlace::Part::log, header.base.n + 1};
}

LogReader::LogReader(std::shared_ptr<const LogFile> file, const LogHeader& header, ByteOffset at,
                     JournalSequence next)
    : file_(std::move(file)), header_(header), at_(at), expected_{FramePlace::Part::log, next.n} {}

FramePlace LogReader::after(const FramePlace& place) const {
  const bool last_of_snapshot =
      place.part == FramePlace::Part::snapshot && place.number + 1 == header_.snapshot_records;
  if (last_of_snapshot) return {FramePlace::Part::log, header_.base.n + 1};
  return {place.part, place.number + 1};
}

Result<std::span<const std::byte>> LogReader::look(ByteOffset at, std::size_t size) {
  const bool inside = at >= window_at_ && at.n + size <= window_at_.n + window_.size();
  if (!inside) {
    window_.resize(std::max<std::size_t>(size, kWindow.n));
    window_at_ = at;
    PAIL_TRY(const std::size_t read, file_->read(at, window_));
    window_.resize(read);
  }
  const std::size_t skipped = at.n - window_at_.n;
  return std::span<const std::byte>(window_).subspan(skipped,
                                                     std::min(size, window_.size() - skipped));
}

// Whatever place it has.
Result<std::optional<LogReader::Entry>> LogReader::frame_at(ByteOffset at) {
  PAIL_TRY(const auto head_bytes, look(at, kFrameHeadSize));
  const auto head = decode_frame_head(header_.generation, head_bytes);
  if (!head) return std::optional<Entry>();
  const std::size_t padded = frame_size(head->payload_size).n - kFrameHeadSize;
  PAIL_TRY(const auto rest, look(at + ByteCount{kFrameHeadSize}, padded));
  const std::string_view payload = text_of(rest).substr(0, head->payload_size);
  if (rest.size() < padded || !payload_fits(*head, payload)) return std::optional<Entry>();
  return std::optional(Entry{*head, at, payload});
}

Result<std::optional<LogReader::Entry>> LogReader::next() {
  PAIL_TRY(auto entry, frame_at(at_));
  if (!entry) {  // it may have been appended since the window was read
    window_.clear();
    PAIL_TRY(entry, frame_at(at_));
  }
  if (!entry || entry->head.place != expected_) return std::optional<Entry>();
  at_ = at_ + frame_size(entry->head.payload_size);
  expected_ = after(expected_);
  return entry;
}

Result<LogReader::Tail> LogReader::tail() {
  window_.clear();  // what was read may be older than the last records
  Tail found{LogEndsWhole{}, at_, {}};
  PAIL_TRY(const ByteCount size, file_->size());
  LogDamaged damage{.first_lost = expected_};
  bool durable_lost = expected_.part == FramePlace::Part::snapshot;
  for (ByteOffset at = at_; at.n < size.n;) {
    // Most of it is room that was never written, and no frame begins with zeros.
    PAIL_TRY(const auto page, look(at, kPage.n));
    if (!page.empty() && all_zero(page)) {
      at = at + ByteCount{page.size()};
      continue;
    }
    PAIL_TRY(const auto entry, frame_at(at));
    const bool later = entry && entry->head.place > expected_;
    if (later) {
      ++damage.readable_behind;
      durable_lost |= entry->head.durable.n >= expected_.number;
      found.highest = std::max(found.highest, JournalSequence{entry->head.place.number});
    }
    const ByteCount step =
        later ? frame_size(entry->head.payload_size) : ByteCount{kFrameAlignment};
    PAIL_TRY(const auto bytes, look(at, step.n));
    if (bytes.empty()) break;
    if (!all_zero(bytes)) found.zeros_from = at + ByteCount{bytes.size()};
    at = at + step;
  }
  if (durable_lost)
    found.end = damage;
  else if (found.zeros_from > at_)
    found.end = LogTailTorn{};
  return found;
}

}  // namespace pail::local
