#include <unordered_map>

#include "base/mutex.h"
#include "vfs/types.h"

namespace pail::vfs {
namespace {

class LocalOpenTable final : public OpenTable {
 public:
  void add(InodeNumber number) override {
    MutexLock lock(mutex_);
    ++counts_[number];
  }
  void remove(InodeNumber number) override {
    MutexLock lock(mutex_);
    const auto count = counts_.find(number);
    if (count != counts_.end() && --count->second == 0) counts_.erase(count);
  }
  bool maybe_open(InodeNumber number) const override {
    MutexLock lock(mutex_);
    return counts_.contains(number);
  }

 private:
  mutable Mutex mutex_;
  std::unordered_map<InodeNumber, unsigned> counts_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace

std::unique_ptr<OpenTable> make_local_open_table() {
  return std::make_unique<LocalOpenTable>();
}

}  // namespace pail::vfs
