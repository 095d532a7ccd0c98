#include "runtime/memory_budget.h"

namespace pail::runtime {

MemoryBudget::Lease& MemoryBudget::Lease::operator=(Lease&& other) noexcept {
  Lease taken_over(std::move(other));
  std::swap(taken_, taken_over.taken_);
  std::swap(bytes_, taken_over.bytes_);
  return *this;
}

void MemoryBudget::Lease::give_back() {
  if (taken_) taken_->fetch_sub(bytes_.n, std::memory_order_relaxed);
}

std::optional<MemoryBudget::Lease> MemoryBudget::try_take(ByteCount bytes) {
  std::uint64_t taken = taken_->load(std::memory_order_relaxed);
  do {
    if (taken > bound_.n || bytes.n > bound_.n - taken) return std::nullopt;
  } while (!taken_->compare_exchange_weak(taken, taken + bytes.n, std::memory_order_relaxed));
  return Lease(taken_, bytes);
}

MemoryBudget::Lease MemoryBudget::take_regardless(ByteCount bytes) {
  taken_->fetch_add(bytes.n, std::memory_order_relaxed);
  return {taken_, bytes};
}

}  // namespace pail::runtime
