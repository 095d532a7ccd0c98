// Appends frames to one journal file, and puts a new file into the place of the old one.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "local/journal/frame.h"
#include "local/journal/log_directory.h"

namespace pail::local {

inline constexpr std::string_view kLogName = "log";
inline constexpr std::string_view kFreshLogName = "log.new";  // one in the making

// One thread at a time.
class LogWriter {
 public:
  // The file holds nothing yet.
  LogWriter(std::shared_ptr<LogFile> file, const LogHeader& header);
  // The file holds frames up to `end`, and `size` bytes in all; zeros follow the frames.
  LogWriter(std::shared_ptr<LogFile> file, const LogHeader& header, ByteOffset end, ByteCount size);

  Result<Unit> write_header();

  struct Written {};
  struct Refused {  // nothing of it counts, the file is as it was
    Error why;
  };
  struct Broken {  // what the file holds from end() on is not known, and cannot be put right
    Error why;
  };
  // Refused: EMSGSIZE a payload above kLargestPayload; ENOSPC; EFBIG.
  std::variant<Written, Refused, Broken> append(const FrameHead& head, std::string_view payload);

  const LogHeader& header() const { return header_; }
  const std::shared_ptr<LogFile>& file() const { return file_; }
  ByteOffset end() const { return end_; }

 private:
  Result<Unit> make_room(ByteCount size);

  std::shared_ptr<LogFile> file_;
  LogHeader header_;
  ByteOffset end_;
  ByteCount reserved_;
};

// For who has no use for the difference.
Result<Unit> result_of(
    const std::variant<LogWriter::Written, LogWriter::Refused, LogWriter::Broken>& appended);

// A file in the making, with its header. `base` and `snapshot_records` as in LogHeader.
Result<LogWriter> create_fresh_log(LogDirectory& directory, JournalSequence base,
                                   std::uint64_t snapshot_records);

// Makes the file in the making the journal: syncs it, renames it, syncs the names. After an error
// it is not known which of the two a power loss leaves.
Result<Unit> publish_fresh_log(LogDirectory& directory, LogFile& fresh);

}  // namespace pail::local
