// How much memory a mount takes for what it keeps or fetches early, and who holds it.
#pragma once

#include <optional>
#include <utility>

#include "pailfs/base/bytes.h"
#include "runtime/counters.h"

namespace pail::runtime {

// Counts bytes and allocates none. Thread-safe, and no call waits.
class MemoryBudget {
 public:
  // Bytes that are taken; given back when it is destroyed or assigned to. It belongs to what holds the bytes, and may
  // outlive the budget. An empty one, also one that was moved from, holds none.
  class Lease {
   public:
    Lease() = default;
    Lease(Lease&& other) noexcept : taken_(std::exchange(other.taken_, {})), bytes_(other.bytes_) {}
    Lease& operator=(Lease&& other) noexcept;
    ~Lease() { give_back(); }

   private:
    friend MemoryBudget;
    using Taken = Counters::Gauge;

    Lease(Taken taken, ByteCount bytes) : taken_(std::move(taken)), bytes_(bytes) {}
    void give_back();

    std::optional<Taken> taken_;  // none: it is empty
    ByteCount bytes_;
  };

  // What is taken is told as "memory_bytes".
  MemoryBudget(ByteCount bound, Counters& counters) : bound_(bound), taken_(counters.gauge("memory_bytes")) {}

  // None when they do not fit: for what can be done without.
  std::optional<Lease> try_take(ByteCount bytes);
  // Also beyond the bound: for what must not wait until others give back, as they may wait for it.
  Lease take_regardless(ByteCount bytes);

  ByteCount bound() const { return bound_; }
  ByteCount in_use() const { return {taken_.value()}; }

 private:
  const ByteCount bound_;
  const Counters::Gauge taken_;
};

}  // namespace pail::runtime
