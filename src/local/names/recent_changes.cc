#include "local/names/recent_changes.h"

#include <algorithm>

namespace pail::local {

void RecentChanges::note(InodeNumber directory, std::uint64_t sequence) {
  MutexLock lock(mutex_);
  if (last_.size() == kMost) {
    last_.clear();
    forgotten_ = highest_;
  }
  std::uint64_t& last = last_[directory];
  last = std::max(last, sequence);
  highest_ = std::max(highest_, sequence);
}

bool RecentChanges::any_since(InodeNumber directory, std::uint64_t sequence) const {
  MutexLock lock(mutex_);
  if (sequence < forgotten_) return true;
  const auto last = last_.find(directory);
  return last != last_.end() && last->second > sequence;
}

}  // namespace pail::local
