// What happened, a line each, and a digest of all of it: two runs of one seed give the same.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "pailfs/base/clock.h"
#include "simulation/calls.h"
#include "simulation/messages.h"

namespace pail::simulation {

// One thread.
class Trace {
 public:
  enum class Shown { nothing, everything };
  // `shown`: whether lines go to standard output, too.
  explicit Trace(Shown shown) : shown_(shown) {}

  void note(SteadyTime now, std::string_view what, std::string_view more = {});
  std::uint64_t digest() const { return digest_; }
  std::string digest_text() const;
  // The last lines, for a report.
  std::string tail() const;

 private:
  static constexpr std::size_t kKept = 64 << 10;

  const Shown shown_;
  std::uint64_t digest_ = 0xcbf29ce484222325u;
  std::string tail_;
};

std::string describe(const Call& call);
std::string describe(const Answer& answer);
// `number` is what the store counts it as, and its effects name.
std::string describe(const StoreRequest& request, std::uint64_t number);

}  // namespace pail::simulation
