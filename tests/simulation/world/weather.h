// How often each trouble strikes, and how long answers take.
#pragma once

#include <array>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/world/trouble.h"

namespace pail::simulation {

enum class Kind {
  calm,    // answers within 50 ms, no trouble
  hidden,  // only what a client hides: up to a second, one refusal of the same request, a redirect within the store
  busy,    // slow, and many refusals for the moment
  stormy,  // anything, but not everything at once
  dead,    // no answers
};
inline constexpr auto kKinds = std::to_array<Kind>({Kind::calm, Kind::hidden, Kind::busy, Kind::stormy, Kind::dead});
std::string_view name_of(Kind kind);

struct Chance {
  Trouble trouble;
  unsigned per_million;  // of the requests that can meet it
};

struct Weather {
  // An answer that takes so long may be more than a client hides.
  static constexpr std::chrono::seconds slow{4};
  static constexpr std::chrono::seconds slowest_answer{30};

  Kind kind = Kind::calm;
  std::chrono::nanoseconds fastest{100'000}, slowest{50'000'000};
  unsigned very_slow = 0;  // of a million answers: up to slowest_answer
  // The longest after which a request is carried out whose client has gone; 0: not later than it would have been.
  std::chrono::nanoseconds latest{0};
  std::chrono::nanoseconds clock_jump{0};  // the largest, either way, when this weather begins
  std::vector<Chance> chances;
};
// Two of the same kind differ.
Weather draw(Kind kind, Random& choices);
// One line for a trace.
std::string text_of(const Weather& weather);

// Which weathers follow each other.
struct Climate {
  std::vector<std::pair<Kind, unsigned>> weights{
      {Kind::calm, 4}, {Kind::hidden, 3}, {Kind::busy, 3}, {Kind::stormy, 5}, {Kind::dead, 1}};
  std::chrono::nanoseconds shortest = std::chrono::seconds(2), longest = std::chrono::minutes(5);
};

}  // namespace pail::simulation
