#include "simulation/model/interference.h"

#include <fcntl.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <variant>
#include <vector>

#include "simulation/model/questions.h"

namespace pail::simulation::model {
namespace {

constexpr Id kShapeOfTheTree = 0;  // what directories lie in one another

// Something that a call looks at or changes.
struct Touch {
  enum class What { inode, name, all_names };
  Id inode = 0;
  What what = What::inode;
  std::string name;
  bool writes = false;
};

using What = Touch::What;

bool collide(const Touch& a, const Touch& b) {
  if (a.inode != b.inode || (!a.writes && !b.writes)) return false;
  if ((a.what == What::inode) != (b.what == What::inode)) return false;
  return a.what != What::name || b.what != What::name || a.name == b.name;
}

std::vector<Touch> touches_of_place(const State& state, const Place& place, const Question& question) {
  const Inode* directory = state.by_number(place.parent);
  if (directory == nullptr) return {};
  const bool changes = changes_names(question);
  std::vector<Touch> touches{{directory->id, What::inode, {}, false}, {directory->id, What::name, place.name, changes}};
  const Inode* child = state.child(directory->id, place.name);
  if (child == nullptr) return touches;
  touches.push_back({child->id, What::inode, {}, changes});
  if (!child->is_directory() || !changes) return touches;
  touches.push_back({child->id, What::all_names, {}, true});
  if (is_one_of<Rename>(question)) touches.push_back({kShapeOfTheTree, What::inode, {}, true});
  return touches;
}

std::vector<Touch> touches_of_inode(const Inode& inode, const Question& question) {
  const auto* open = std::get_if<Open>(&question);
  const bool opens_what_changes = open && (inode.stale_for_open || (open->flags & O_TRUNC) != 0);
  const bool writes = is_one_of<SetAttributes, Write, Release>(question) || opens_what_changes;
  std::vector<Touch> touches{{inode.id, What::inode, {}, writes}};
  const auto* reading = std::get_if<ReadDirectory>(&question);
  if (reading == nullptr) return touches;
  touches.push_back({inode.id, What::all_names, {}, false});
  for (const auto& [name, dirent] : inode.names)
    if (reading->with_attributes) touches.push_back({dirent.inode, What::inode, {}, false});
  return touches;
}

std::vector<Touch> touches_of(const State& state, const Question& question) {
  std::vector<Touch> touches;
  for (const Place& place : places_of(question))
    std::ranges::move(touches_of_place(state, place, question), std::back_inserter(touches));
  if (const Inode* inode = state.by_number(number_of(question)))
    std::ranges::move(touches_of_inode(*inode, question), std::back_inserter(touches));
  return touches;
}

}  // namespace

bool interfere(const State& state, const Call& one, const Call& other) {
  const auto others = touches_of(state, other.question);
  return std::ranges::any_of(touches_of(state, one.question), [&](const Touch& touch) {
    return std::ranges::any_of(others, [&](const Touch& each) { return collide(touch, each); });
  });
}

}  // namespace pail::simulation::model
