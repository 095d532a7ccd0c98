// The time by which confirmations are noted, and how old one is: it goes on evenly over suspensions and over the
// processes of one run of the machine, whatever is done to the calendar.
//
// In another run nothing tells how long the machine was off but the calendar. It is believed when it is ahead of all
// that was noted; else what was noted is not trusted any more, as nobody knows how old it is.
#pragma once

#include <algorithm>
#include <atomic>
#include <optional>

#include "local/names/index.h"
#include "pailfs/base/clock.h"

namespace pail::local {

// now() and trusted_from() by any thread; the rest by whoever has the one write transaction.
class Moments {
 public:
  explicit Moments(const Clock& clock) : clock_(clock) {}

  // Once, before all else: goes on where the last process was, or begins anew.
  void begin(WriteTransaction& records);
  WallTime now() const { return std::max(by_the_clock(), last_question_.load()); }
  // Of a question to the store, by any thread: later than that of the one before, although the clock stands still.
  WallTime of_question();
  // What was noted before is not to be trusted.
  WallTime trusted_from() const { return trusted_from_; }
  // From now on that is all that was noted; with the present commit for later processes, too.
  void distrust(WriteTransaction& records);

  // Before a commit: what it notes is known to be noted. After it succeeded: committed().
  void note(WriteTransaction& records);
  void committed();

 private:
  WallTime by_the_clock() const { return anchor_.moment + (clock_.boot() - anchor_.boot); }
  void put(WriteTransaction& records, WallTime limit) const;
  bool is_of_this_run(const MomentAnchor& last) const;
  MomentAnchor begin_anew(const std::optional<MomentAnchor>& last) const;

  const Clock& clock_;
  MomentAnchor anchor_;                 // as it began; but its limit and its trust are in:
  WallTime limit_{}, limit_to_come_{};  // as committed; with the present commit
  std::atomic<WallTime> trusted_from_{WallTime{}};
  std::atomic<WallTime> last_question_{WallTime{}};
};

}  // namespace pail::local
