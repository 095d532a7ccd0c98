// A state that the answers so far allow, and which of the calls under way have taken effect in it.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "simulation/model/bucket_check.h"
#include "simulation/model/expectation.h"
#include "simulation/model/questions.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

struct Configuration {
  State state;
  std::map<std::uint64_t, Expectation> applied;  // by call

  bool has_done(std::uint64_t call) const;
  std::uint64_t digest() const;
};

// Each once, in the order of their digests.
void drop_duplicates(std::vector<Configuration>& configurations);

// All configurations in which `call` has taken effect, after others under way did or did not before it.
std::vector<Configuration> with_done(const std::vector<Configuration>& from, const CallPtr& call,
                                     const PendingCalls& pending);

// All configurations after others under way did or did not take effect, `call` as it is.
std::vector<Configuration> with_others_done(const std::vector<Configuration>& from, const CallPtr& call,
                                            const PendingCalls& pending);

// All that may be left where every call under way was cut off for ever.
std::vector<Configuration> with_all_cut_off(const std::vector<Configuration>& from, const PendingCalls& pending);

}  // namespace pail::simulation::model
