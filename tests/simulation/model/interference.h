// Which calls can be told apart by their order. Those that cannot need not be tried in both.
#pragma once

#include "simulation/calls.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

// Whether one of them may change what the other looks at or changes. Holds for this state alone.
bool interfere(const State& state, const Call& one, const Call& other);

}  // namespace pail::simulation::model
