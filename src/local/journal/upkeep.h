// Keeps a journal on the disk and short, beside the work of a mount: what nobody waits for is
// synced a few seconds after it was recorded, and a log that is mostly history is compacted. That a
// compaction failed goes to the log once until one succeeds, that the journal failed for good once.
#pragma once

#include <chrono>
#include <optional>
#include <variant>

#include "local/journal/journal_state.h"
#include "runtime/timer.h"

namespace pail::local {

// Has a thread of its own. Its end syncs what is left.
class JournalUpkeep {
 public:
  // A power loss takes no more than what was recorded within this time.
  static constexpr std::chrono::milliseconds kPause{3000};
  // A compaction writes a whole file: on a full disk not with each flush.
  static constexpr std::chrono::minutes kPauseAfterFailedCompaction{1};

  // `journal` and `clock` outlive it, and nobody records anything yet.
  JournalUpkeep(JournalState& journal, const Clock& clock,
                std::chrono::milliseconds pause = kPause);
  ~JournalUpkeep();
  JournalUpkeep(const JournalUpkeep&) = delete;
  JournalUpkeep& operator=(const JournalUpkeep&) = delete;

 private:
  struct Working {};
  struct CompactionFailed {
    SteadyTime again;  // not tried before
  };
  struct FailedForGood {};
  using State = std::variant<Working, CompactionFailed, FailedForGood>;

  void run();
  void sync();
  void compact_where_due();
  void fail_for_good(const Error& why);

  JournalState& journal_;
  const Clock& clock_;
  const std::chrono::milliseconds pause_;
  State state_;                          // of the timer's thread while there is one
  std::optional<runtime::Timer> timer_;  // its task uses the others
};

// Opens or creates the journal of a directory, and logs how it was found.
// Errors: as JournalState::open() and open_log_directory(), with what to do about them.
Result<std::unique_ptr<JournalState>> open_journal(const std::filesystem::path& directory);

}  // namespace pail::local
