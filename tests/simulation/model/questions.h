// What a call asks about: places in directories, inodes by their numbers, kinds of questions.
//
// Says what was asked alone, whatever a state knows of it. Nothing fails.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "simulation/calls.h"

namespace pail::simulation::model {

// Shared with all states that have bytes of it.
using CallPtr = std::shared_ptr<const Call>;

// A name in a directory.
struct Place {
  InodeNumber parent = 0;
  std::string name;
};

// Those that the question names: of a rename the old one, then the new one.
std::vector<Place> places_of(const Question& question);
// The inode that it names itself, and not by a place; 0: none.
InodeNumber number_of(const Question& question);
// Whether it makes, moves or removes a name, or may do so.
bool changes_names(const Question& question);

template <class... T>
bool is_one_of(const Question& question) {
  return (std::holds_alternative<T>(question) || ...);
}

}  // namespace pail::simulation::model
