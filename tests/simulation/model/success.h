// What comes of a call that takes effect, where everything that it is about is known: its names are sure and the
// contents that it looks at are one each. effects.h is for all others. Only a look-up may meet a name that is not sure,
// and what lies in a directory may be so.
#pragma once

#include <vector>

#include "simulation/model/expectation.h"
#include "simulation/model/questions.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

// All that it may come to, at least one: also the errors that it must be answered in this state, which change nothing.
// A write is not copied into the states: they share the call.
std::vector<Outcome> outcomes_when_known(const State& state, const CallPtr& call);

}  // namespace pail::simulation::model
