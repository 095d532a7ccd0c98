// Names that are known to lead nowhere: in memory alone, and not more than a number of them.
//
// They spare look-ups a question, and keep a listing that began before our own removal from bringing the name back. A
// new process has no such listing, so nothing is lost with them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "base/mutex.h"
#include "local/names/facts.h"
#include "pailfs/base/clock.h"

namespace pail::local {

struct Absence {
  WallTime checked{};          // when it was last confirmed
  std::uint64_t sequence = 0;  // of our removal; 0: the store said so
};

// Thread-safe.
class AbsentNames {
 public:
  static constexpr std::size_t kMost = 16'384;

  void note(const Place& place, const Absence& absence) PAIL_EXCLUDES(mutex_);
  void forget(const Place& place) PAIL_EXCLUDES(mutex_);
  void forget_all(InodeNumber directory) PAIL_EXCLUDES(mutex_);
  std::optional<Absence> find(InodeNumber parent, std::string_view name) const PAIL_EXCLUDES(mutex_);
  // Whether a removal of ours after `sequence` is no longer remembered: there have been too many since.
  bool dropped_since(std::uint64_t sequence) const PAIL_EXCLUDES(mutex_);
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

  void erase(Names::iterator place) PAIL_REQUIRES(mutex_);

  mutable Mutex mutex_;
  Names names_ PAIL_GUARDED_BY(mutex_);
  std::map<std::uint64_t, Names::iterator> by_age_ PAIL_GUARDED_BY(mutex_);
  std::uint64_t order_ PAIL_GUARDED_BY(mutex_) = 0;
  std::uint64_t dropped_ PAIL_GUARDED_BY(mutex_) = 0;  // the highest sequence of a removal that was dropped
};

}  // namespace pail::local
