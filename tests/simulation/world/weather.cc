#include "simulation/world/weather.h"

#include <fmt/format.h>

namespace pail::simulation {
namespace {

using namespace std::chrono_literals;

constexpr auto kKindNames = std::to_array<std::string_view>({"calm", "hidden", "busy", "stormy", "dead"});

constexpr auto kOften = std::to_array<unsigned>({2'000, 10'000, 50'000, 200'000});

void add_hidden(Weather& weather) {
  weather.slowest = 1s;
  for (const Trouble trouble :
       {Trouble::slow_down, Trouble::too_many, Trouble::internal_before, Trouble::redirect_near})
    weather.chances.push_back({trouble, 20'000});
}

void add_busy(Weather& weather, Random& choices) {
  weather.slowest = choices.magnitude(200ms, 10s);
  weather.very_slow = 10'000;
  weather.latest = 10s;
  for (const Trouble trouble : {Trouble::slow_down, Trouble::slow_down_until, Trouble::too_many,
                                Trouble::internal_before, Trouble::internal_after})
    weather.chances.push_back({trouble, kOften[choices.below(kOften.size())]});
}

void add_stormy(Weather& weather, Random& choices) {
  weather.slowest = choices.magnitude(10ms, 5s);
  weather.very_slow = choices.one_in(2) ? 20'000 : 0;
  weather.latest = 90s;
  weather.clock_jump = 5s;
  for (const Trouble trouble : all_troubles())
    if (choices.one_in(3)) weather.chances.push_back({trouble, kOften[choices.below(kOften.size())]});
}

void add_dead(Weather& weather, Random& choices) {
  constexpr auto kDeaths =
      std::to_array<Trouble>({Trouble::no_listener, Trouble::no_way, Trouble::silent_before, Trouble::broken_before});
  weather.chances.push_back({kDeaths[choices.below(kDeaths.size())], 1'000'000});
}

}  // namespace

std::string_view name_of(Kind kind) {
  return kKindNames[static_cast<std::size_t>(kind)];
}

Weather draw(Kind kind, Random& choices) {
  Weather weather;
  weather.kind = kind;
  switch (kind) {
    case Kind::calm:
      break;
    case Kind::hidden:
      add_hidden(weather);
      break;
    case Kind::busy:
      add_busy(weather, choices);
      break;
    case Kind::stormy:
      add_stormy(weather, choices);
      break;
    case Kind::dead:
      add_dead(weather, choices);
      break;
  }
  return weather;
}

std::string text_of(const Weather& weather) {
  const auto ms = [](std::chrono::nanoseconds time) { return std::chrono::duration<double, std::milli>(time).count(); };
  std::string text =
      fmt::format("{}, answers in {:g} to {:.0f} ms", name_of(weather.kind), ms(weather.fastest), ms(weather.slowest));
  if (weather.very_slow > 0) text += fmt::format(", {} ppm in up to 30 s", weather.very_slow);
  if (!weather.chances.empty()) text += "; ppm of requests:";
  for (const Chance& chance : weather.chances)
    text += fmt::format(" {} {}", row_of(chance.trouble).name, chance.per_million);
  return text;
}

}  // namespace pail::simulation
