// Names that are known to lead nowhere: in memory alone, and not more than a number of either kind, those that our side
// took away and those that the store does not have.
//
// They spare look-ups a question, and keep a page that was asked for before our own removal from bringing the name
// back. A new process has no such listing, so nothing is lost with them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/mutex.h"
#include "local/names/facts.h"
#include "local/names/recent_changes.h"
#include "pailfs/base/clock.h"

namespace pail::local {

struct Absence {
  WallTime checked{};          // when it was last confirmed
  std::uint64_t sequence = 0;  // of our removal; 0: the store said so
};

// Thread-safe.
class AbsentNames {
 public:
  static constexpr std::size_t kMost = 16'384;  // of a kind

  void note(const Place& place, const Absence& absence) PAIL_EXCLUDES(mutex_);
  void forget(const Place& place) PAIL_EXCLUDES(mutex_);
  void forget_all(InodeNumber directory) PAIL_EXCLUDES(mutex_);
  std::optional<Absence> find(InodeNumber parent, std::string_view name) const PAIL_EXCLUDES(mutex_);
  // Whether a removal of ours from the directory after `sequence` may no longer be remembered: there have been too many
  // since.
  bool dropped_since(InodeNumber directory, std::uint64_t sequence) const {
    return dropped_.any_since(directory, sequence);
  }
  std::size_t size() const PAIL_EXCLUDES(mutex_);

 private:
  struct ByPlace {
    using is_transparent = void;
    using Key = std::pair<InodeNumber, std::string_view>;
    static Key key(const Place& place) { return {place.parent, place.name}; }
    static Key key(const Key& key) { return key; }
    bool operator()(const auto& a, const auto& b) const { return key(a) < key(b); }
  };
  struct Noted {
    Absence absence;
    std::uint64_t order = 0;
  };
  using Names = std::map<Place, Noted, ByPlace>;

  using Ages = std::map<std::uint64_t, Names::iterator>;

  Ages& ages_of(const Absence& absence) PAIL_REQUIRES(mutex_) { return absence.sequence == 0 ? told_ : removed_; }
  void erase(Names::iterator place) PAIL_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Names names_ PAIL_GUARDED_BY(mutex_);
  Ages told_ PAIL_GUARDED_BY(mutex_), removed_ PAIL_GUARDED_BY(mutex_);  // by the store, by our side
  std::uint64_t order_ PAIL_GUARDED_BY(mutex_) = 0;
  RecentChanges dropped_;  // removals that are no longer remembered
};

}  // namespace pail::local
