// Reads a journal file from front to back, and says what lies behind its last record.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "local/journal/frame.h"
#include "local/journal/log_directory.h"

namespace pail::local {

// Nothing but zeros follows the last record.
struct LogEndsWhole {};
// What follows is left of records that no sync() answered for.
struct LogTailTorn {};
// A record is unreadable of which a later one says that it was on disk. Also: any of a snapshot.
struct LogDamaged {
  FramePlace first_lost;
  std::size_t readable_behind = 0;  // records behind it that are intact, and are not replayed
};
using LogEnd = std::variant<LogEndsWhole, LogTailTorn, LogDamaged>;

// One thread at a time; the file may grow meanwhile.
class LogReader {
 public:
  struct Entry {
    FrameHead head;
    ByteOffset at;
    std::string_view payload;  // valid until the next call
  };

  // From the first frame on. `file` is shared.
  LogReader(std::shared_ptr<const LogFile> file, const LogHeader& header);
  // From a place in the log on: `next` is the record at `at`.
  LogReader(std::shared_ptr<const LogFile> file, const LogHeader& header, ByteOffset at,
            JournalSequence next);

  // None: no further record checks out here. Errors: EIO the file cannot be read.
  Result<std::optional<Entry>> next();

  // Behind the last record.
  ByteOffset position() const { return at_; }
  // The place of the frame that next() looks for.
  FramePlace expected() const { return expected_; }

  struct Tail {
    LogEnd end;
    ByteOffset zeros_from;    // position() where nothing but zeros follows
    JournalSequence highest;  // of the intact records there; 0: none
  };
  // What lies from position() on. Errors: EIO.
  Result<Tail> tail();

 private:
  // `size` bytes at `at`, fewer where the file ends; valid until the next call.
  Result<std::span<const std::byte>> look(ByteOffset at, std::size_t size);
  Result<std::optional<Entry>> frame_at(ByteOffset at);
  FramePlace after(const FramePlace& place) const;

  const std::shared_ptr<const LogFile> file_;
  const LogHeader header_;
  ByteOffset at_;
  FramePlace expected_;
  std::vector<std::byte> window_;  // of the file, from window_at_ on
  ByteOffset window_at_;
};

}  // namespace pail::local
