// How much memory a mount takes for what it keeps or fetches early, and who holds it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "pailfs/base/bytes.h"

namespace pail::runtime {

// Counts bytes and allocates none. Thread-safe, and no call waits.
class MemoryBudget {
 public:
  // Bytes that are taken; given back when it is destroyed or assigned to. It belongs to what holds the bytes, and may
  // outlive the budget. An empty one, also one that was moved from, holds none.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : taken_(std::move(other.taken_)), bytes_(std::exchange(other.bytes_, {})) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { give_back(); }

   private:
    friend MemoryBudget;
    using Taken = std::atomic<std::uint64_t>;

    Lease(std::shared_ptr<Taken> taken, ByteCount bytes) : taken_(std::move(taken)), bytes_(bytes) {}
    void give_back();

    std::shared_ptr<Taken> taken_;
    ByteCount bytes_;
  };

  explicit MemoryBudget(ByteCount bound) : bound_(bound) {}

  // None when they do not fit: for what can be done without.
  std::optional<Lease> try_take(ByteCount bytes);
  // Also beyond the bound: for what must not wait until others give back, as they may wait for it.
  Lease take_regardless(ByteCount bytes);

  ByteCount bound() const { return bound_; }
  ByteCount in_use() const { return {taken_->load(std::memory_order_relaxed)}; }

 private:
  const ByteCount bound_;
  const std::shared_ptr<Lease::Taken> taken_ = std::make_shared<Lease::Taken>(0);
};

}  // namespace pail::runtime
