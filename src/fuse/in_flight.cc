#include "fuse/in_flight.h"

#include <algorithm>

namespace pail::fuse {
namespace {

// An interrupt is early only between two reads of two threads, so twice the threads is ample.
constexpr std::size_t kEarlyInterruptsKept = 256;

}  // namespace

InFlight::InFlight() : early_(kEarlyInterruptsKept, 0) {
  requests_.reserve(1024);
}

std::stop_token InFlight::begin(std::uint64_t unique) {
  std::stop_source source;
  std::stop_token token = source.get_token();
  const MutexLock lock(mutex_);
  if (take_early_interrupt(unique)) source.request_stop();  // nobody listens yet: no callback runs
  requests_.insert_or_assign(unique, std::move(source));
  return token;
}

void InFlight::end(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  if (requests_.erase(unique) > 0) ended_.notify_all();
}

void InFlight::interrupt(std::uint64_t unique) {
  std::stop_source source(std::nostopstate);
  {
    const MutexLock lock(mutex_);
    if (const auto found = requests_.find(unique); found != requests_.end()) {
      source = found->second;
    } else {
      early_[next_early_] = unique;
      next_early_ = (next_early_ + 1) % early_.size();
    }
  }
  source.request_stop();
}

bool InFlight::take_early_interrupt(std::uint64_t unique) {
  const auto found = std::find(early_.begin(), early_.end(), unique);
  if (found == early_.end()) return false;
  *found = 0;
  return true;
}

void InFlight::wait_for_end(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  while (requests_.contains(unique)) ended_.wait(mutex_);
}

bool InFlight::wait_until_empty(std::chrono::milliseconds most) {
  const auto until = std::chrono::steady_clock::now() + most;
  const MutexLock lock(mutex_);
  while (!requests_.empty())
    if (!ended_.wait_until(mutex_, until)) return requests_.empty();
  return true;
}

void InFlight::probe() {
  const MutexLock lock(mutex_);
}

}  // namespace pail::fuse
