// Calls, answers and expectations as texts for people.
#pragma once

#include <string>

#include "simulation/calls.h"
#include "simulation/model/expectation.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

// With the paths that the state knows.
std::string describe(const Call& call, const State& state);
std::string describe(const Answer& answer);
std::string describe(const Expectation& expected, const State& state);
std::string describe_bytes(const std::string& bytes);
std::string describe(const SnapshotPtr& snapshot);

}  // namespace pail::simulation::model
