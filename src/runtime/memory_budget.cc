#include "runtime/memory_budget.h"

namespace pail::runtime {

MemoryBudget::Lease& MemoryBudget::Lease::operator=(Lease&& other) noexcept {
  Lease taken_over(std::move(other));
  std::swap(taken_, taken_over.taken_);
  std::swap(bytes_, taken_over.bytes_);
  return *this;
}

void MemoryBudget::Lease::give_back() {
  if (taken_) taken_->subtract(bytes_.n);
}

std::optional<MemoryBudget::Lease> MemoryBudget::try_take(ByteCount bytes) {
  if (!taken_.add_within(bytes.n, bound_.n)) return std::nullopt;
  return Lease(taken_, bytes);
}

MemoryBudget::Lease MemoryBudget::take_regardless(ByteCount bytes) {
  taken_.add(bytes.n);
  return {taken_, bytes};
}

}  // namespace pail::runtime
