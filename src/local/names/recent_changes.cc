#include "local/names/recent_changes.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::local {

std::uint64_t subject_of(const Place& place) {
  constexpr std::uint64_t kSpread = 0x9e3779b97f4a7c15;  // odd, so that no two directories get the same number
  return xxh3(bytes_of(place.name)) ^ (place.parent * kSpread);
}

void RecentChanges::note(std::uint64_t subject, std::uint64_t sequence) {
  MutexLock lock(mutex_);
  if (last_.size() == kMost) {
    last_.clear();
    forgotten_ = highest_;
  }
  std::uint64_t& last = last_[subject];
  last = std::max(last, sequence);
  highest_ = std::max(highest_, sequence);
}

bool RecentChanges::any_since(std::uint64_t subject, std::uint64_t sequence) const {
  MutexLock lock(mutex_);
  if (sequence < forgotten_) return true;
  const auto last = last_.find(subject);
  return last != last_.end() && last->second > sequence;
}

}  // namespace pail::local
