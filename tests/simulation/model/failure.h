// What a call may leave that failed on the way, for a trouble of the store or the disk, or was cut off for ever, where
// everything that it is about is known. effects.h is for all others.
#pragma once

#include <vector>

#include "simulation/model/questions.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

// Among them is the state before the call, or one that leaves open whether anything was done.
std::vector<State> failures_when_known(const State& state, const CallPtr& call);

}  // namespace pail::simulation::model
