#include "cos/store_health.h"

#include <chrono>
#include <utility>

#include "base/log.h"

namespace pail::cos {

StoreHealth::StoreHealth(std::string store, const Clock& clock, Outages outages)
    : store_(std::move(store)), clock_(clock), outages_(outages) {}

bool StoreHealth::down() const {
  const MutexLock lock(mutex_);
  return down_since_.has_value();
}

void StoreHealth::used_up(SteadyTime began, std::string_view why) {
  {
    const MutexLock lock(mutex_);
    if (down_since_ || (last_answer_ && *last_answer_ >= began)) return;
    down_since_ = clock_.steady();
  }
  if (outages_ == Outages::in_errors) return;
  spdlog::warn("{} does not answer; until it does, calls fail after one short attempt, uploads after all of theirs: {}",
               store_, why);
}

void StoreHealth::answered() {
  std::optional<SteadyTime> since;
  const SteadyTime now = clock_.steady();
  {
    const MutexLock lock(mutex_);
    last_answer_ = now;
    since = std::exchange(down_since_, std::nullopt);
  }
  if (since && outages_ == Outages::logged)
    spdlog::warn("{} answers again, after {} s", store_,
                 std::chrono::duration_cast<std::chrono::seconds>(now - *since).count());
}

}  // namespace pail::cos
