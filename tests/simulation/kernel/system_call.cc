#include "simulation/kernel/system_call.h"

#include <iterator>

namespace pail::simulation {

Path parent_of(const Path& path) {
  return Path(path.begin(), path.empty() ? path.end() : std::prev(path.end()));
}

Outcome kernel::outcome_of(int errnum) {
  Outcome outcome;
  outcome.errnum = errnum;
  return outcome;
}

}  // namespace pail::simulation
