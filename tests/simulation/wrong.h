// What was found to be wrong in a history, for people: thrown where it is found, caught where the history is run.
#pragma once

#include <string>

namespace pail::simulation {

struct Wrong {
  std::string what;
};

}  // namespace pail::simulation
