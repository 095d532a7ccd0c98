#include "vfs/turns.h"

#include <algorithm>

#include "base/wake_on_stop.h"
#include "pailfs/cos/fault.h"

namespace pail::vfs {

Result<Turns::Turn> Turns::take(local::InodeNumber number, const StopToken& stop) {
  return take(number, Purpose::change, stop);
}

Result<Turns::Turn> Turns::take_to_look(local::InodeNumber number, const StopToken& stop) {
  return take(number, Purpose::look, stop);
}

Result<Turns::Turn> Turns::take(local::InodeNumber number, Purpose purpose, const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, changed_);
  MutexLock lock(mutex_);
  const Ticket ticket = ++last_;
  const auto queue = queues_.try_emplace(number).first;
  queue->second.emplace(ticket, purpose);
  while (queue->second.begin()->first != ticket) {
    if (stop.stop_requested()) {
      leave(queue, ticket);
      return Error{EINTR, "interrupted while another operation on the file was under way", Fault::stopped};
    }
    changed_.wait(mutex_);
  }
  return Turn(this, number);
}

bool Turns::taken(local::InodeNumber number) const {
  MutexLock lock(mutex_);
  const auto queue = queues_.find(number);
  if (queue == queues_.end()) return false;
  return std::ranges::any_of(queue->second, [](const auto& each) { return each.second == Purpose::change; });
}

void Turns::end(local::InodeNumber number) {
  MutexLock lock(mutex_);
  const auto queue = queues_.find(number);
  leave(queue, queue->second.begin()->first);
}

void Turns::leave(Queues::iterator queue, Ticket ticket) {
  queue->second.erase(ticket);
  if (queue->second.empty()) queues_.erase(queue);
  changed_.notify_all();
}

void KeptTurns::keep(std::uint64_t request, Turns::Turn turn) {
  MutexLock lock(mutex_);
  turns_.insert_or_assign(request, std::move(turn));
}

std::optional<Turns::Turn> KeptTurns::claim(std::uint64_t request, local::InodeNumber number) {
  MutexLock lock(mutex_);
  const auto kept = turns_.find(request);
  if (kept == turns_.end() || kept->second.number() != number) return std::nullopt;
  return std::move(turns_.extract(kept).mapped());
}

void KeptTurns::drop(std::uint64_t request) {
  std::map<std::uint64_t, Turns::Turn>::node_type ended;  // outside the lock
  MutexLock lock(mutex_);
  ended = turns_.extract(request);
}

void KeptTurns::drop_all() {
  std::map<std::uint64_t, Turns::Turn> ended;  // outside the lock
  MutexLock lock(mutex_);
  ended.swap(turns_);
}

}  // namespace pail::vfs
