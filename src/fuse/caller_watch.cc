#include "fuse/caller_watch.h"
#include "pailfs/base/stop.h"

#include <chrono>

#include "pailfs/base/clock.h"

namespace pail::fuse {
namespace {

constexpr std::chrono::milliseconds kBetweenRounds(50);

}  // namespace

CallerWatch::CallerWatch() : thread_("pailfs-callers", [this] { run(); }) {}

CallerWatch::~CallerWatch() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }
  thread_.join();
}

void CallerWatch::add(std::uint64_t unique, Caller caller, StopSource stop) {
  auto watched = std::make_shared<Watched>(Watched{std::move(caller), std::move(stop)});
  const MutexLock lock(mutex_);
  watched_.insert_or_assign(unique, std::move(watched));
  changed_.notify_all();
}

void CallerWatch::remove(std::uint64_t unique) {
  const MutexLock lock(mutex_);
  watched_.erase(unique);
}

void CallerWatch::run() {
  for (Round round = next_round(); !round.empty(); round = next_round())
    for (const auto& one : round)
      if (!one->stop.stop_requested() && one->caller.dying()) one->stop.request_stop();
}

CallerWatch::Round CallerWatch::next_round() {
  const auto earliest = system_clock().steady() + kBetweenRounds;
  const MutexLock lock(mutex_);
  while (!ending_ && changed_.wait_until(mutex_, earliest)) {
  }
  while (!ending_ && watched_.empty()) changed_.wait(mutex_);
  Round round;
  if (ending_) return round;
  for (const auto& [unique, one] : watched_) round.push_back(one);
  return round;
}

}  // namespace pail::fuse
