#include "local/journal/log_writer.h"

#include <fmt/format.h>

#include <array>
#include <cerrno>

#include "base/encoding.h"
#include "base/random.h"

namespace pail::local {
namespace {

constexpr ByteCount kReserveStep = 1_MiB;
constexpr ByteCount kLargestLog = 4_GiB;

std::uint64_t random_generation() {
  std::uint64_t random = 0;
  while (random == 0) random = random_number<std::uint64_t>();
  return random;
}

}  // namespace

LogWriter::LogWriter(std::shared_ptr<LogFile> file, const LogHeader& header)
    : LogWriter(std::move(file), header, ByteOffset{kLogHeaderSize.n}, {}) {}

LogWriter::LogWriter(std::shared_ptr<LogFile> file, const LogHeader& header, ByteOffset end,
                     ByteCount size)
    : file_(std::move(file)), header_(header), end_(end), reserved_(size) {}

Result<Unit> LogWriter::write_header() {
  PAIL_CHECK(make_room({}));
  return file_->write({}, bytes_of(encode(header_)));
}

// Records go to space that the file has: a flush then writes their bytes and little else.
Result<Unit> LogWriter::make_room(ByteCount size) {
  const ByteCount needed{end_.n + size.n};
  if (needed <= reserved_) return Unit{};
  if (needed > kLargestLog) return Error{EFBIG, "journal: 4 GiB of records without a compaction"};
  ByteCount wanted = needed + kReserveStep;
  if (!file_->reserve(wanted)) {  // the disk is nearly full
    wanted = needed;
    PAIL_CHECK(file_->reserve(wanted));
  }
  reserved_ = wanted;
  return Unit{};
}

std::variant<LogWriter::Written, LogWriter::Refused, LogWriter::Broken> LogWriter::append(
    const FrameHead& head, std::string_view payload) {
  if (payload.size() > kLargestPayload.n)
    return Refused{{EMSGSIZE, fmt::format("journal: a record of {} bytes, {} are allowed",
                                          payload.size(), kLargestPayload.n)}};
  const std::string frame = encode_frame(header_.generation, head, payload);
  if (auto room = make_room({frame.size()}); !room) return Refused{std::move(room).error()};
  if (auto written = file_->write(end_, bytes_of(frame)); !written) {
    // All of it may be there. Without its seal it is no record.
    constexpr std::array<std::byte, sizeof(std::uint64_t)> kNoSeal{};
    if (auto erased = file_->write(end_, kNoSeal); !erased)
      return Broken{std::move(erased).error()};
    return Refused{std::move(written).error()};
  }
  end_ = end_ + ByteCount{frame.size()};
  return Written{};
}

Result<Unit> result_of(
    const std::variant<LogWriter::Written, LogWriter::Refused, LogWriter::Broken>& appended) {
  if (const auto* refused = std::get_if<LogWriter::Refused>(&appended)) return refused->why;
  if (const auto* broken = std::get_if<LogWriter::Broken>(&appended)) return broken->why;
  return Unit{};
}

Result<LogWriter> create_fresh_log(LogDirectory& directory, JournalSequence base,
                                   std::uint64_t snapshot_records) {
  PAIL_TRY(auto file, directory.create(kFreshLogName));
  LogWriter fresh(std::move(file), {random_generation(), base, snapshot_records});
  PAIL_CHECK(fresh.write_header());
  return fresh;
}

Result<Unit> publish_fresh_log(LogDirectory& directory, LogFile& fresh) {
  PAIL_CHECK(fresh.sync());
  PAIL_CHECK(directory.rename(kFreshLogName, kLogName));
  return directory.sync_names();
}

}  // namespace pail::local
