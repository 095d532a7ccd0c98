#include "vfs/turns.h"

namespace pail::vfs {

Result<Turns::Turn> Turns::take(cache::InodeNumber number, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.notify_all();
  });
  MutexLock lock(mutex_);
  while (taken_.contains(number)) {
    if (stop.stop_requested()) return Error{EINTR, "interrupted while another operation on the file was under way"};
    changed_.wait(mutex_);
  }
  taken_.insert(number);
  return Turn(this, number);
}

void Turns::end(cache::InodeNumber number) {
  MutexLock lock(mutex_);
  taken_.erase(number);
  changed_.notify_all();
}

}  // namespace pail::vfs
