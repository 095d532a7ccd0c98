#include "simulation/kernel/inode_lock.h"

#include <utility>

namespace pail::simulation {

void InodeLock::take(Mode mode, Then then) {
  if (waiters_.empty() && is_free_for(mode)) return then(hold(mode));
  waiters_.push_back({mode, std::move(then)});
}

void InodeLock::abandon() {
  const std::deque<Waiter> dropped = std::exchange(waiters_, {});
}

InodeLock::Hold InodeLock::hold(Mode mode) {
  if (mode == Mode::exclusive)
    exclusive_ = true;
  else
    ++shared_;
  return Hold(this, [self = shared_from_this(), mode](const void*) { self->release(mode); });
}

void InodeLock::release(Mode mode) {
  if (mode == Mode::exclusive)
    exclusive_ = false;
  else
    --shared_;
  while (!waiters_.empty() && is_free_for(waiters_.front().mode)) {
    Waiter next = std::move(waiters_.front());
    waiters_.pop_front();
    ready_.push_back([then = std::move(next.then), held = hold(next.mode)] { then(held); });
  }
}

}  // namespace pail::simulation
