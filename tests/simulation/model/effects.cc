#include "simulation/model/effects.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "simulation/model/changes.h"
#include "simulation/model/failure.h"
#include "simulation/model/success.h"

namespace pail::simulation::model {
namespace {

// The states that a name which may be there leads to.
std::vector<State> with_name_decided(const State& state, Id directory, const std::string& name) {
  State there = state, gone = state;
  there.make_sure(directory, name);
  gone.detach(directory, name);
  return {std::move(there), std::move(gone)};
}

std::vector<State> with_content_decided(const State& state, const Inode& inode) {
  std::vector<State> states;
  for (const SnapshotPtr& choice : inode.choices) {
    states.push_back(state);
    states.back().choose(inode.id, choice);
  }
  return states;
}

// The inode whose content matters to the answer.
const Inode* looked_into(const State& state, const Question& question) {
  if (is_one_of<GetAttributes, SetAttributes, Open, Read, Write>(question)) return state.by_number(number_of(question));
  if (!is_one_of<Lookup, Create>(question)) return nullptr;
  const Place place = places_of(question).front();
  const Inode* directory = state.by_number(place.parent);
  return directory != nullptr ? state.child(directory->id, place.name) : nullptr;
}

// A look at what an abandoned request changed says what the mount knows of it, and not what will be there.
bool stays_unsure(const State& state, const Dirent& dirent, const Question& question) {
  return is_one_of<Lookup>(question) && (dirent.strange || state.at(dirent.inode).strange);
}

// Where the question is about something that is not known, the states in which one more of it is. Else nothing.
std::vector<State> decided(const State& state, const Question& question) {
  for (const Place& place : places_of(question)) {
    const Inode* directory = state.by_number(place.parent);
    const Dirent* dirent = directory != nullptr ? state.dirent(directory->id, place.name) : nullptr;
    if (dirent != nullptr && !dirent->sure && !stays_unsure(state, *dirent, question))
      return with_name_decided(state, directory->id, place.name);
  }
  const Inode* inode = looked_into(state, question);
  if (inode != nullptr && !inode->choices.empty()) return with_content_decided(state, *inode);
  return {};
}

bool in_doubt(const State& state, const Inode& inode) {
  if (inode.may_be_stale || (!inode.linked() && inode.opens == 0)) return true;
  for (const Inode* each = &inode; each->parent != 0; each = &state.at(each->parent))
    if (!state.dirent(each->parent, each->name)->sure) return true;
  return false;
}

// What it has is stored under its old name first.
const Inode* renamed_file(const State& state, const Question& question) {
  const auto* rename = std::get_if<Rename>(&question);
  const Inode* directory = rename != nullptr ? state.by_number(rename->parent) : nullptr;
  const Inode* source = directory != nullptr ? state.child(directory->id, rename->name) : nullptr;
  return source != nullptr && source->is_file() ? source : nullptr;
}

// An inode of the question that may have gone with its object.
const Inode* doubtful(const State& state, const Question& question) {
  std::vector<InodeNumber> numbers{number_of(question)};
  for (const Place& place : places_of(question)) numbers.push_back(place.parent);
  if (const Inode* renamed = renamed_file(state, question)) numbers.push_back(renamed->number);
  for (const InodeNumber number : numbers) {
    const Inode* inode = state.by_number(number);
    if (inode != nullptr && in_doubt(state, *inode)) return inode;
  }
  return nullptr;
}

// Its object has gone, or is another one: whoever has it open is told so.
Outcome vanished(const State& state, const Inode& inode) {
  Outcome outcome = failed(state, {ENOENT, ESTALE});
  if (!inode.is_file()) return outcome;
  State& after = outcome.state;
  if (inode.linked()) after.make_unsure(inode.parent, inode.name);
  Inode& changed = after.edit(inode.id);
  Snapshots left = changed.stored.without_nothing();
  left.add(changed.now);
  if (left.size() > 1) changed.choices = left;
  return outcome;
}

// Another object has its name, as the bucket may have it: a conflict for what was changed.
Outcome replaced(const State& state, const Inode& inode, const CallPtr& call) {
  Outcome outcome = failed(state, {ESTALE});
  State& after = outcome.state;
  Inode other;
  other.id = (call->unique << 16) + 0xffff;  // no other inode that comes of the call
  other.stored = other.choices = inode.stored.without_nothing();
  other.now = *other.choices.begin();
  if (other.choices.size() == 1) other.choices = {};
  const Id directory = inode.parent;
  const std::string name = inode.name;
  after.detach(directory, name);
  const Id id = other.id;
  after.add(std::move(other));
  after.link(directory, name, id, false);
  return outcome;
}

// A changed file of the question whose last close may have found a conflict, which no caller was told of.
const Inode* closed_in_doubt(const State& state, const Question& question) {
  std::vector<const Inode*> asked_for{state.by_number(number_of(question))};
  for (const Place& place : places_of(question)) {
    const Inode* directory = state.by_number(place.parent);
    asked_for.push_back(directory != nullptr ? state.child(directory->id, place.name) : nullptr);
  }
  const auto found = std::ranges::find_if(asked_for, [&](const Inode* inode) {
    return inode != nullptr && inode->is_file() && inode->linked() && inode->opens == 0 && inode->rewritten &&
           !inode->stored.without_nothing().empty() && in_doubt(state, *inode);
  });
  return found == asked_for.end() ? nullptr : *found;
}

bool may_be_replaced(const State& state, const Inode& inode, const Call& call) {
  return stores(state, call) == inode.id && !inode.clean() && !inode.stored.without_nothing().empty();
}

}  // namespace

std::vector<Outcome> outcomes_of(const State& state, const CallPtr& call) {
  std::vector<Outcome> outcomes;
  const std::vector<State> known = decided(state, call->question);
  for (const State& each : known) {
    std::vector<Outcome> more = outcomes_of(each, call);
    std::ranges::move(more, std::back_inserter(outcomes));
  }
  if (!known.empty()) return outcomes;
  outcomes = outcomes_when_known(state, call);
  if (const Inode* inode = doubtful(state, call->question)) {
    outcomes.push_back(vanished(state, *inode));
    if (may_be_replaced(state, *inode, *call)) outcomes.push_back(replaced(state, *inode, call));
  }
  if (const Inode* closed = closed_in_doubt(state, call->question)) {
    std::vector<Outcome> more = outcomes_of(replaced(state, *closed, call).state, call);
    std::ranges::move(more, std::back_inserter(outcomes));
  }
  return outcomes;
}

std::vector<State> failures_of(const State& state, const CallPtr& call) {
  const std::vector<State> known = decided(state, call->question);
  if (known.empty()) return failures_when_known(state, call);
  std::vector<State> states;
  for (const State& each : known) {
    std::vector<State> more = failures_of(each, call);
    std::ranges::move(more, std::back_inserter(states));
  }
  return states;
}

Expectation look(const State& state, const Expectation& expected) {
  const Inode& inode = state.at(expected.inode);
  Expectation seen = expected;
  seen.shown = inode.now;
  seen.type = inode.type;
  return seen;
}

Id stores(const State& state, const Call& call) {
  const Inode* inode = nullptr;
  if (is_one_of<Flush, Sync, Release, SetAttributes>(call.question)) inode = state.by_number(number_of(call.question));
  if (const auto* rename = std::get_if<Rename>(&call.question)) {
    const Inode* directory = state.by_number(rename->parent);
    inode = directory != nullptr ? state.child(directory->id, rename->name) : nullptr;
  }
  if (inode == nullptr || !inode->is_file() || !inode->linked()) return 0;
  if (is_one_of<Release>(call.question) && inode->opens > 1) return 0;
  if (const auto* set = std::get_if<SetAttributes>(&call.question); set != nullptr)
    if (set->size ? inode->opens > 0 : !inode->clean()) return 0;
  return inode->id;
}

void take_back_handle(State& state, const Expectation& expected) {
  const bool opened = expected.promise == Promise::opened || expected.promise == Promise::created;
  if (opened && state.find(expected.inode) != nullptr) --state.edit(expected.inode).opens;
}

}  // namespace pail::simulation::model
