#include "local/staging/modification_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <span>

#include "base/checksum.h"
#include "base/file.h"
#include "base/log.h"
#include "pailfs/base/bytes.h"

namespace pail::local {
namespace {

constexpr std::uint64_t kSector = 512;

// As docs/format.md says; in the byte order of the machine, which the file does not leave.
struct TimeRecord {
  std::uint64_t version = 1, sequence = 0;
  std::int64_t modified_ns = 0;
  std::uint64_t checksum = 0;

  std::uint64_t expected_checksum() const {
    const std::array covered{version, sequence, static_cast<std::uint64_t>(modified_ns)};
    return xxh3(std::as_bytes(std::span(covered)));
  }
  bool valid() const { return version == 1 && sequence > 0 && checksum == expected_checksum(); }
};
static_assert(sizeof(TimeRecord) == 32);

ByteOffset place_of(std::uint64_t sequence) {
  return {sequence % 2 * kSector};
}

}  // namespace

Result<ModificationLog> ModificationLog::create(std::filesystem::path path, WallTime modified) {
  ModificationLog log(std::move(path));
  // Whoever still holds the old one keeps it.
  PAIL_CHECK(remove_file(log.path_));
  PAIL_CHECK(log.set(modified));
  return log;
}

ModificationLog ModificationLog::open(std::filesystem::path path, WallTime otherwise) {
  ModificationLog log(std::move(path));
  if (log.load()) return log;
  log.modified_ = otherwise;
  if (const auto recorded = log.set(otherwise); !recorded) spdlog::debug("{}", recorded.error().context);
  return log;
}

bool ModificationLog::load() {
  auto file = open_file(path_, O_RDWR);
  if (!file) return false;
  TimeRecord newest;
  for (const std::uint64_t slot : {0, 1}) {
    TimeRecord record;
    const auto read = read_at(file->get(), place_of(slot), std::as_writable_bytes(std::span(&record, 1)));
    if (read && record.valid() && record.sequence > newest.sequence) newest = record;
  }
  if (newest.sequence == 0) return false;
  file_ = *std::move(file);
  modified_ = WallTime(std::chrono::nanoseconds(newest.modified_ns));
  written_ = newest.sequence;
  return true;
}

Result<Unit> ModificationLog::set(WallTime modified) {
  if (!file_.valid()) {
    PAIL_TRY(file_, open_file(path_, O_RDWR | O_CREAT));
  }
  TimeRecord record{.sequence = written_ + 1, .modified_ns = modified.time_since_epoch().count()};
  record.checksum = record.expected_checksum();
  PAIL_CHECK(write_at(file_.get(), place_of(record.sequence), std::as_bytes(std::span(&record, 1))));
  written_ = record.sequence;
  modified_ = modified;
  return Unit{};
}

}  // namespace pail::local
