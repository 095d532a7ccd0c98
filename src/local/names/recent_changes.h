// Which directories something happened to lately (our side moved them, or has doubts about a name in them): what the
// store was asked before that is void.
#pragma once

#include <cstdint>
#include <unordered_map>

#include "base/mutex.h"
#include "local/records.h"

namespace pail::local {

// Thread-safe.
class RecentChanges {
 public:
  static constexpr std::size_t kMost = 10'000;

  void note(InodeNumber directory, std::uint64_t sequence) PAIL_EXCLUDES(mutex_);
  // May say true of one that nothing happened to, never false of another one.
  bool any_since(InodeNumber directory, std::uint64_t sequence) const PAIL_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::unordered_map<InodeNumber, std::uint64_t> last_ PAIL_GUARDED_BY(mutex_);
  std::uint64_t forgotten_ PAIL_GUARDED_BY(mutex_) = 0;  // up to here any directory may have changed
  std::uint64_t highest_ PAIL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pail::local
