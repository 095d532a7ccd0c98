#include "vfs/store_all.h"

#include <algorithm>
#include <chrono>

#include "runtime/executor.h"

namespace pail::vfs {
namespace {

constexpr std::chrono::seconds kTick(1);

}  // namespace

void StoreAll::run(const std::vector<InodeNumber>& files, const Ended& ended, const std::function<void()>& tick) {
  if (files.empty()) return;
  runtime::Executor threads(static_cast<unsigned>(std::min<std::size_t>(parallel_, files.size())));
  for (const InodeNumber number : files) threads.run(Lane::background, [this, number] { store_one(number); });
  for (std::size_t left = files.size(); left > 0;) {
    const auto outcomes = wait_for_outcomes();
    for (const auto& [number, outcome] : outcomes) ended(number, outcome);
    left -= outcomes.size();
    tick();
  }
}

void StoreAll::store_one(InodeNumber number) {
  Outcome outcome{number, store_(number)};
  const MutexLock lock(mutex_);
  outcomes_.push_back(std::move(outcome));
  changed_.notify_all();
}

std::deque<StoreAll::Outcome> StoreAll::wait_for_outcomes() {
  const auto until = clock_.steady() + kTick;
  const MutexLock lock(mutex_);
  while (outcomes_.empty() && clock_.wait_until(changed_, mutex_, until)) {
  }
  return std::exchange(outcomes_, {});
}

}  // namespace pail::vfs
