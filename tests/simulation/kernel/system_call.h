// What a program gives to a system call, and what it gets back.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "simulation/calls.h"

namespace pail::simulation {

using Process = std::uint32_t;
using Path = std::vector<std::string>;  // from the root; empty: the root

Path parent_of(const Path& path);  // of the root: the root

// What a system call returns.
struct Outcome {
  int errnum = 0;
  int descriptor = -1;             // of open and opendir
  std::string bytes;               // of read and readlink
  std::uint64_t written = 0;       // of write, also before an error
  std::vector<std::string> names;  // of readdir; none: the end
  ShownEntry attributes;           // of stat
};

namespace kernel {

using Then = std::function<void(const Outcome&)>;

// With nothing but the error; 0: none.
Outcome outcome_of(int errnum);

}  // namespace kernel
}  // namespace pail::simulation
