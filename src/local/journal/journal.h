// A journal: records that survive a power loss, in one order.
//
// append() puts a record into its place: it survives a kill of the process. sync() makes all
// records up to one survive a power loss; threads that wait for it share one flush of the disk.
// Each prefix of the records may be what is found after a power loss, but never less than sync()
// answered for.
//
// After a flush that failed nothing is promised any more: the kernel may have dropped what it could
// not write, and a later flush would succeed without it. The journal then fails for good.
//
// Thread-safe. No lock is held while the disk is flushed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "local/journal/frame.h"
#include "local/journal/log_directory.h"
#include "local/journal/log_reader.h"
#include "local/journal/log_writer.h"
#include "local/journal/recovery.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/result.h"

namespace pail::local {

struct JournalRecord {
  std::uint8_t type = 0;
  std::string payload;
};

class Journal {
 public:
  struct Opened {
    std::unique_ptr<Journal> journal;
    JournalFinding finding;
  };
  // Opens or creates the journal of a folder. What was replayed is on disk when it returns.
  // Errors: ENOTSUP of a newer version; EBADMSG no journal, or its header is unreadable; EIO;
  // ENOSPC; what `replay` says.
  static Result<Opened> open(std::unique_ptr<LogDirectory> directory, const JournalReplay& replay);

  // `payload`: at most kLargestPayload. Errors: EMSGSIZE larger; ENOSPC, EFBIG: this record alone
  // is not there; EIO: failure() says why.
  Result<JournalSequence> append(std::uint8_t type, std::string_view payload) PAIL_EXCLUDES(mutex_);
  // Returns when the record and all before it are on disk. Errors: EIO: failure() says why, and
  // whether they are on disk is not known.
  Result<Unit> sync(JournalSequence upto) PAIL_EXCLUDES(mutex_);

  // A place between two records.
  struct Mark {
    JournalSequence last;  // the record before it; 0: none
    ByteOffset at;
    std::uint64_t generation = 0;
  };
  Mark mark() const PAIL_EXCLUDES(mutex_);
  // Replaces the file by one that begins with `snapshot`, which says the same as all records before
  // `since`, and goes on with those behind it. Appends go on meanwhile; sync() waits while the
  // files change places. All records appended before the call are on disk when it returns. Errors:
  // ESTALE the file has been replaced since the mark was made; EBUSY it is being replaced; ENOSPC,
  // EIO: the old file goes on, unless failure() says otherwise.
  Result<Unit> compact(const Mark& since, const std::vector<JournalRecord>& snapshot)
      PAIL_EXCLUDES(mutex_);

  // Of the records and the header, without reserved space.
  ByteCount size() const PAIL_EXCLUDES(mutex_);
  // Why nothing can be appended or synced any more; none: it can.
  std::optional<Error> failure() const PAIL_EXCLUDES(mutex_);

 private:
  enum class Flusher { none, flushing };
  // Nobody flushes while files change, or a compaction would wait for ever on a busy journal: the
  // change brings all that was appended to the disk. So what is appended meanwhile is promised to
  // nobody, and may be missing from the old file when a power loss brings that back.
  enum class Compaction { idle, writing, changing_files };

  Journal(std::unique_ptr<LogDirectory> directory, RecoveredLog found);

  Result<Unit> flush() PAIL_REQUIRES(mutex_);
  Error fail(const Error& why) PAIL_REQUIRES(mutex_);

  Result<Unit> begin_compaction(const Mark& since) PAIL_EXCLUDES(mutex_);
  void end_compaction() PAIL_EXCLUDES(mutex_);
  Result<Unit> replace_log(const Mark& since, const std::vector<JournalRecord>& snapshot)
      PAIL_EXCLUDES(mutex_);
  // Ends in `changing_files`, with no flush under way; the mark is of all that was appended.
  Result<Mark> begin_change() PAIL_EXCLUDES(mutex_);
  // `behind` reads the old file, from where the next one ends.
  Result<Unit> change_files(LogReader& behind, LogWriter next) PAIL_EXCLUDES(mutex_);
  Result<Unit> take_place(LogReader& behind, LogWriter next) PAIL_EXCLUDES(mutex_);

  const std::unique_ptr<LogDirectory> directory_;

  mutable Mutex mutex_;
  CondVar flushed_;  // a flush or a compaction has ended
  LogWriter log_ PAIL_GUARDED_BY(mutex_);
  JournalSequence last_ PAIL_GUARDED_BY(mutex_);     // appended
  JournalSequence durable_ PAIL_GUARDED_BY(mutex_);  // on disk, with all before it
  Flusher flusher_ PAIL_GUARDED_BY(mutex_) = Flusher::none;
  Compaction compaction_ PAIL_GUARDED_BY(mutex_) = Compaction::idle;
  std::optional<Error> failure_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::local
