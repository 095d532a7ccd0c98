// Time that a test moves.
#pragma once

#include <atomic>
#include <chrono>

#include "pailfs/base/clock.h"

namespace pail::test {

// Thread-safe.
class FakeClock : public Clock {
 public:
  WallTime wall() const override { return WallTime(std::chrono::seconds(1'767'225'600 + passed_)); }
  SteadyTime steady() const override { return SteadyTime(std::chrono::seconds(1'000'000 + passed_)); }
  void advance(std::chrono::seconds by) { passed_ += by.count(); }

 private:
  std::atomic<std::int64_t> passed_ = 0;
};

}  // namespace pail::test
