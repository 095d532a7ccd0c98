// What calls do to a state: the rules of docs/semantics.md for a mount of a bucket that nobody else touches.
//
// What is not known of a state is decided here first, each way; success.h and failure.h say what comes then. Nothing is
// changed but what is given as State&; what is returned is the caller's.
#pragma once

#include <vector>

#include "simulation/model/expectation.h"
#include "simulation/model/questions.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

// All that may come of a call that takes effect now.
std::vector<Outcome> outcomes_of(const State& state, const CallPtr& call);
// All that a call may leave that has not taken effect yet and fails for a trouble of the store or the disk, or was cut
// off for ever.
std::vector<State> failures_of(const State& state, const CallPtr& call);
// What it was asked about as it is now, for an expectation that is to be seen.
Expectation look(const State& state, const Expectation& expected);

// The inode that a call stores on the way, before it takes effect; 0: none.
Id stores(const State& state, const Call& call);

// What is expected of the call has not come: a handle that it made is taken back.
void take_back_handle(State& state, const Expectation& expected);

}  // namespace pail::simulation::model
