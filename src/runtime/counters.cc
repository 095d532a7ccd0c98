#include "runtime/counters.h"

#include <cassert>

namespace pail::runtime {

bool Counters::Gauge::add_within(std::uint64_t more, std::uint64_t most) const {
  std::uint64_t now = value();
  do {
    if (now > most || more > most - now) return false;
  } while (!cell_->compare_exchange_weak(now, now + more, std::memory_order_relaxed));
  return true;
}

std::shared_ptr<Counters::Cell> Counters::make(std::string_view name) {
  MutexLock lock(mutex_);
  const auto [made, is_new] = cells_.emplace(name, std::make_shared<Cell>(0));
  assert(is_new);
  return made->second;
}

std::vector<Counters::Value> Counters::values() const {
  std::vector<Value> values;
  MutexLock lock(mutex_);
  values.reserve(cells_.size());
  for (const auto& [name, cell] : cells_) values.push_back({name, cell->load(std::memory_order_relaxed)});
  return values;
}

std::uint64_t Counters::value(std::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = cells_.find(name);
  return found == cells_.end() ? 0 : found->second->load(std::memory_order_relaxed);
}

}  // namespace pail::runtime
