// What kind of history a seed gives.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>

#include "fake_store/bucket.h"
#include "simulation/life/disk_trouble.h"
#include "simulation/world/weather.h"

namespace pail::simulation {

struct Plan {
  std::uint64_t seed = 1;
  std::uint64_t operations = 200;  // system calls of all programs
  unsigned programs = 2;
  bool together = false;  // all programs use the same names; else each has a directory of its own
  unsigned others = 0;    // other clients that use them, too
  unsigned unmounts = 0;  // in the middle of the history
  unsigned names = 3;     // of files in a directory
  bool large_files = false;
  std::chrono::nanoseconds ttl{std::chrono::seconds(30)};
  std::uint64_t part_size = 16 << 20;  // what is larger goes up in parts, of 5 MiB at least
  std::uint64_t cache_size = std::uint64_t{10} << 30;
  unsigned cache_lost_per_hundred_mounts = 0;
  fake::Rules store;  // what it can
  Climate climate;
  unsigned deaths_per_hundred_lives = 90;  // the others live until the end
  std::uint64_t longest_life = 200'000;    // steps
  unsigned fresh_per_hundred_deaths = 25;  // both processes die
  unsigned disk_trouble_per_hundred_lives = 20;
  int disk_errnum = ENOSPC;
  FailingFiles failing_files = FailingFiles::all;
  // Of the moments at which the parent has its say: a caller is killed, the calendar is set. 0: never.
  unsigned interrupt_one_in = 0, clock_jump_one_in = 0;
  unsigned switch_one_in = 8;
  bool by_priority = false;
};

Plan draw_plan(std::uint64_t seed);
// One line for a trace.
std::string text_of(const Plan& plan);

}  // namespace pail::simulation
