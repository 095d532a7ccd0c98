#include "cos/conditional_writes.h"

#include <utility>

#include "base/log.h"

namespace pail::cos {

ConditionalWrites::ConditionalWrites(std::string write, const Clock& clock) : write_(std::move(write)), clock_(clock) {}

bool ConditionalWrites::in_use() const {
  const MutexLock lock(mutex_);
  return !ask_again_ || clock_.steady() >= *ask_again_;
}

void ConditionalWrites::proven_missing() {
  constexpr std::chrono::hours kPause{1};
  {
    const MutexLock lock(mutex_);
    const SteadyTime now = clock_.steady();
    if (ask_again_ && now < *ask_again_) return;
    ask_again_ = now + kPause;
  }
  spdlog::warn(
      "the store refuses conditions (If-Match, If-None-Match) on {}: a change that others make to an object at the "
      "same moment may be overwritten without a sign; tried again in an hour",
      write_);
}

}  // namespace pail::cos
