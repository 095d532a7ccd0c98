// What a call must be answered after it took effect at one moment of one state.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "simulation/calls.h"
#include "simulation/model/state.h"

namespace pail::simulation::model {

enum class Promise {
  anything,  // without error
  errors,    // one of `errnums`
  done,
  written,  // `size` bytes
  entry,    // of `inode` as `shown`
  opened,   // a handle of `inode`
  created,  // the same with its entry as `shown`
  bytes,    // of `shown`, or of what `inode` was since the read was asked, from `at` on, `size` of them
  listing,  // a page of the directory `inode`
};

using Errors = std::set<int>;  // errnos

struct Expectation {
  Promise promise = Promise::done;
  Errors errnums;
  Id inode = 0;
  SnapshotPtr shown;  // null: what it is when it is answered, which is looked at in a step of its own
  FileType type = FileType::regular;
  std::uint64_t at = 0, size = 0;

  bool to_be_seen() const { return (promise == Promise::entry || promise == Promise::created) && !shown; }
  std::uint64_t digest() const;
};

// What may come of a call: the state after it, and the answer to it.
struct Outcome {
  State state;
  Expectation expected;
};

// Numbers that answers have named, over all mounts.
using SeenNumbers = std::set<InodeNumber>;

struct Matching {
  const Call& call;
  const SeenNumbers& seen;
  std::chrono::nanoseconds ttl;
};

// Whether the answer is the one expected. Then the state knows the numbers and handles that it tells.
bool matches(State& state, const Expectation& expected, const Answer& answer, const Matching& how);

}  // namespace pail::simulation::model
