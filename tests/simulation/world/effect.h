// What changed a bucket: who did it, when, and what stood there before.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "fake_store/bucket.h"
#include "simulation/world/message.h"

namespace pail::simulation {

struct Actor {
  enum class Kind { mount, other };
  Kind kind = Kind::mount;
  unsigned number = 1;  // of the life, from 1; of the other client

  bool operator==(const Actor&) const = default;
};

struct Effect {
  SteadyTime when{};
  WallTime store_time{};
  Actor who;
  std::uint64_t request = 0;  // its number; those of other clients have one, too
  Operation operation = Operation::unknown;
  std::string key;
  // What was and is at the key; equal for what changes uploads alone.
  std::optional<fake::Found> before, after;
  std::string condition;   // the header fields with conditions; empty: none
  bool abandoned = false;  // the client had given up or gone when it came
};

// One line for a trace: the same for the same effect.
std::string text_of(const Effect& effect);

}  // namespace pail::simulation
