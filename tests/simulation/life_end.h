// Whether the process of a life may have ended as it did.
#pragma once

#include <optional>
#include <string>

#include "simulation/messages.h"

namespace pail::simulation {

struct LifeEnd {
  int status = 0;             // as that of waitpid(2)
  std::optional<Ended> told;  // what it said last; none: nothing
  bool may_die = false;       // it was given a step at which it kills itself
  bool disk_failed = false;
};

// For people. None: nothing is wrong. A disk that fails excuses a mount that cannot begin and says so, and nothing
// else.
std::optional<std::string> wrong_with(const LifeEnd& end);

}  // namespace pail::simulation
