// What calls do to a state: the rules of docs/semantics.md for a mount of a bucket that nobody else touches.
#pragma once

#include <memory>
#include <vector>

#include "simulation/calls.h"
#include "simulation/model/expectation.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

using CallPtr = std::shared_ptr<const Call>;

struct Outcome {
  State state;
  Expectation expected;
};

// A name in a directory.
struct Place {
  InodeNumber parent = 0;
  std::string name;
};
// Those that a question is about.
std::vector<Place> places_of(const Question& question);

// All that may come of a call that takes effect now.
std::vector<Outcome> outcomes_of(const State& state, const CallPtr& call);
// All that a call may leave that has not taken effect yet and fails for a trouble of the store or the disk, or was cut
// off for ever.
std::vector<State> failures_of(const State& state, const CallPtr& call);
// What it was asked about as it is now, for an expectation that is to be seen.
Expectation look(const State& state, const Expectation& expected);

// Whether the order of two calls can matter.
bool interfere(const State& state, const Call& one, const Call& other);

// The inode that a call stores on the way, before it takes effect; 0: none.
Id stores(const State& state, const Call& call);

// What is expected of the call has not come: a handle that it made is taken back.
void take_back_handle(State& state, const Expectation& expected);

}  // namespace pail::simulation::model
