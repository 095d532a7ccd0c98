// The journal of a mount with what it says: the owner of the live entries. They change by records
// alone, and in the order of the log.
//
// Thread-safe. No lock is held while the disk is flushed.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "local/journal/journal.h"
#include "local/journal/live_entries.h"
#include "local/journal/records.h"

namespace pail::local {

// Numbers [begin, end).
struct InodeRange {
  InodeNumber begin = 0, end = 0;
};

class JournalState {
 public:
  // Small files may hold this much in memory and in the journal.
  static constexpr ByteCount kMostSmallBytes = 32_MiB;

  struct Opened {
    std::unique_ptr<JournalState> state;
    JournalFinding finding;
  };
  // Errors: as Journal::open(); EBADMSG a record that is intact, but unknown.
  static Result<Opened> open(std::unique_ptr<LogDirectory> directory);

  // The record counts from now on and survives a kill; a power loss after sync() or commit() only.
  // Errors: as Journal::append(); ENOSPC also: small files hold kMostSmallBytes. Nothing changed
  // then.
  Result<JournalSequence> record(const Record& record) PAIL_EXCLUDES(mutex_);
  // Errors: as Journal::sync().
  Result<Unit> sync(JournalSequence upto) { return journal_->sync(upto); }
  // All that was recorded. Errors: likewise.
  Result<Unit> sync() { return journal_->sync(journal_->mark().last); }
  // record() and sync().
  Result<Unit> commit(const Record& record) PAIL_EXCLUDES(mutex_);

  // `count` numbers at or above `at_least` that were never handed out and never will be again, also
  // when the index of names is made anew. On disk when it returns. Errors: as commit(); EOVERFLOW.
  Result<InodeRange> reserve_inode_numbers(std::uint64_t count, InodeNumber at_least)
      PAIL_EXCLUDES(mutex_);

  // A copy.
  LiveEntries live() const PAIL_EXCLUDES(mutex_);
  // What live() has of one file. None: it holds nothing that is to be stored.
  std::optional<StagedEntry> file(InodeNumber number) const PAIL_EXCLUDES(mutex_);
  bool has_upload(const std::string& id) const PAIL_EXCLUDES(mutex_);
  InodeNumber reserved_below() const PAIL_EXCLUDES(mutex_);      // 0: no number was handed out
  std::uint64_t index_generation() const PAIL_EXCLUDES(mutex_);  // 0: none began

  // `tell` is called, without a lock, by the thread whose record is the first that is not on disk,
  // also when it failed, and not again before note_synced(). Set before the journal is shared.
  void when_unsynced(std::function<void()> tell) { tell_ = std::move(tell); }
  // A sync() is about to begin.
  void note_synced() { told_ = false; }

  // The log is mostly history by now: compact() pays.
  bool compaction_due() const PAIL_EXCLUDES(mutex_);
  // Errors: as Journal::compact().
  Result<Unit> compact() PAIL_EXCLUDES(mutex_);

  std::optional<Error> failure() const { return journal_->failure(); }

 private:
  JournalState(std::unique_ptr<Journal> journal, LiveEntries live)
      : journal_(std::move(journal)), live_(std::move(live)), compacted_size_(journal_->size()) {}
  Result<JournalSequence> append(const Record& record) PAIL_REQUIRES(mutex_);

  const std::unique_ptr<Journal> journal_;
  std::function<void()> tell_;
  std::atomic<bool> told_{false};
  mutable Mutex mutex_;  // taken before the journal's own
  LiveEntries live_ PAIL_GUARDED_BY(mutex_);
  ByteCount compacted_size_ PAIL_GUARDED_BY(mutex_);  // of the log after the last compaction
};

}  // namespace pail::local
