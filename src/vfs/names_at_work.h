// Names that are being made, moved or removed: what the store says of them meanwhile may be that work, half done.
#pragma once

#include <set>
#include <vector>

#include "base/mutex.h"
#include "local/names/name_store.h"

namespace pail::vfs {

// Thread-safe.
class NamesAtWork {
 public:
  void begin(const std::vector<local::Place>& names) PAIL_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    names_.insert(names.begin(), names.end());
  }
  void end(const std::vector<local::Place>& names) PAIL_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    for (const local::Place& name : names) names_.erase(names_.find(name));
  }
  bool has(const local::Place& name) const PAIL_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return names_.contains(name);
  }

 private:
  mutable Mutex mutex_;
  std::multiset<local::Place> names_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::vfs
