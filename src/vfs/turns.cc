#include "vfs/turns.h"

namespace pail::vfs {

Result<Turns::Turn> Turns::take(cache::InodeNumber number, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.notify_all();
  });
  MutexLock lock(mutex_);
  const Ticket ticket = ++last_;
  const auto queue = queues_.try_emplace(number).first;
  queue->second.insert(ticket);
  while (*queue->second.begin() != ticket) {
    if (stop.stop_requested()) {
      leave(queue, ticket);
      return Error{EINTR, "interrupted while another operation on the file was under way"};
    }
    changed_.wait(mutex_);
  }
  return Turn(this, number);
}

std::set<cache::InodeNumber> Turns::taken() {
  MutexLock lock(mutex_);
  std::set<cache::InodeNumber> numbers;
  for (const auto& [number, tickets] : queues_) numbers.insert(number);
  return numbers;
}

void Turns::end(cache::InodeNumber number) {
  MutexLock lock(mutex_);
  const auto queue = queues_.find(number);
  leave(queue, *queue->second.begin());
}

void Turns::leave(Queues::iterator queue, Ticket ticket) {
  queue->second.erase(ticket);
  if (queue->second.empty()) queues_.erase(queue);
  changed_.notify_all();
}

}  // namespace pail::vfs
