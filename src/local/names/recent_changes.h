// What something happened to lately (directories that our side moved, or has doubts about a name in; names that it
// doubts, or whose objects are gone): what the store was asked before that is void.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/mutex.h"
#include "local/names/facts.h"

namespace pail::local {

// A name in a directory as a subject.
std::uint64_t subject_of(const Place& place);

// Thread-safe.
class RecentChanges {
 public:
  static constexpr std::size_t kMost = 10'000;

  void note(std::uint64_t subject, std::uint64_t sequence) PAIL_EXCLUDES(mutex_);
  // May say true of one that nothing happened to, never false of another one.
  bool any_since(std::uint64_t subject, std::uint64_t sequence) const PAIL_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::unordered_map<std::uint64_t, std::uint64_t> last_ PAIL_GUARDED_BY(mutex_);
  std::uint64_t forgotten_ PAIL_GUARDED_BY(mutex_) = 0;  // up to here anything may have changed
  std::uint64_t highest_ PAIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pail::local
