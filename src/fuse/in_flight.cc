#include "fuse/in_flight.h"
#include "pailfs/base/stop.h"

#include <algorithm>

#include "pailfs/base/clock.h"

namespace pail::fuse {
namespace {

// An interrupt is early only between two reads of two threads, so twice the threads is ample.
constexpr std::size_t kEarlyInterruptsKept = 256;

}  // namespace

InFlight::InFlight() : early_(kEarlyInterruptsKept, 0) {
  requests_.reserve(1024);
}

StopToken InFlight::begin(std::uint64_t unique, pid_t caller) {
  Request request{.stop = {}, .caller = caller};
  {
    const MutexLock lock(mutex_);
    if (stopped_) request.stop.request_stop();  // nobody can have a callback on it yet
    request.interrupted = take_early_interrupt(unique);
    requests_.insert_or_assign(unique, request);
  }
  if (request.interrupted) stop_or_watch(unique, request);
  return request.stop.token();
}

void InFlight::end(std::uint64_t unique) {
  bool interrupted = false;
  {
    const MutexLock lock(mutex_);
    const auto found = requests_.find(unique);
    if (found == requests_.end()) return;
    interrupted = found->second.interrupted;
    requests_.erase(found);
    ended_.notify_all();
  }
  if (interrupted) watch_.remove(unique);
}

void InFlight::stop_all() {
  std::vector<StopSource> stops;
  {
    const MutexLock lock(mutex_);
    stopped_ = true;
    for (const auto& [unique, request] : requests_) stops.push_back(request.stop);
  }
  for (StopSource& stop : stops) stop.request_stop();
}

void InFlight::interrupt(std::uint64_t unique) {
  Request request;
  {
    const MutexLock lock(mutex_);
    const auto found = requests_.find(unique);
    if (found == requests_.end()) {
      early_[next_early_] = unique;
      next_early_ = (next_early_ + 1) % early_.size();
      return;
    }
    found->second.interrupted = true;
    request = found->second;
  }
  stop_or_watch(unique, request);
}

void InFlight::stop_or_watch(std::uint64_t unique, const Request& request) {
  auto caller = Caller::find(request.caller);
  if (!caller || caller->dying()) {
    StopSource(request.stop).request_stop();
    return;
  }
  watch_.add(unique, *std::move(caller), request.stop);
  if (!contains(unique)) watch_.remove(unique);  // answered meanwhile
}

bool InFlight::contains(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  return requests_.contains(unique);
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
  const auto until = system_clock().steady() + most;
  const MutexLock lock(mutex_);
  while (!requests_.empty())
    if (!ended_.wait_until(mutex_, until)) return requests_.empty();
  return true;
}

void InFlight::probe() {
  const MutexLock lock(mutex_);
}

}  // namespace pail::fuse
