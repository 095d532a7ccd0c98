#include "simulation/model/configuration.h"

#include <algorithm>
#include <utility>

#include "simulation/model/digest.h"
#include "simulation/model/effects.h"
#include "simulation/model/interference.h"

namespace pail::simulation::model {
namespace {

// Configurations that are still to be looked at, each once.
class Frontier {
 public:
  explicit Frontier(const std::vector<Configuration>& from) {
    for (const Configuration& configuration : from) add(configuration);
  }
  void add(Configuration configuration) {
    if (seen_.insert(configuration.digest()).second) left_.push_back(std::move(configuration));
  }
  bool empty() const { return left_.empty(); }
  Configuration take() {
    Configuration next = std::move(left_.back());
    left_.pop_back();
    return next;
  }

 private:
  std::set<std::uint64_t> seen_;
  std::vector<Configuration> left_;
};

// A listing or a read is compared with all that was there while it was made: when it takes effect does not matter.
bool waits_for_its_answer(const Call& call) {
  return is_one_of<Read, ReadDirectory, StatFs>(call.question);
}

// The calls whose effect may matter to the next step of `call`, and to that of one another.
std::vector<CallPtr> relevant(const Configuration& configuration, const CallPtr& call, const PendingCalls& pending) {
  std::vector<CallPtr> found{call};
  std::vector<CallPtr> left;
  for (const auto& [unique, each] : pending)
    if (each != call && !configuration.has_done(unique) && !waits_for_its_answer(*each)) left.push_back(each);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto matters = [&](const CallPtr& each) { return interfere(configuration.state, *found[i], *each); };
    const auto rest =
        std::stable_partition(left.begin(), left.end(), [&](const CallPtr& each) { return !matters(each); });
    found.insert(found.end(), rest, left.end());
    left.erase(rest, left.end());
  }
  return found;
}

bool is_about_to_be_written(const Configuration& configuration, Id id, const PendingCalls& pending) {
  const InodeNumber number = configuration.state.at(id).number;
  return number != 0 && std::ranges::any_of(pending, [&](const auto& each) {
           const auto* write = std::get_if<Write>(&each.second->question);
           return write != nullptr && write->number == number && !configuration.has_done(each.first);
         });
}

// As on a file system of Linux a write shows in the time before it shows in the size.
Expectation seen_beside_writes(const Configuration& configuration, Expectation expected, const PendingCalls& pending) {
  const bool shows_times = expected.promise == Promise::entry && expected.shown;
  if (!shows_times || !is_about_to_be_written(configuration, expected.inode, pending)) return expected;
  Snapshot any_time = *expected.shown;
  any_time.modified.reset();
  expected.shown = make_snapshot(std::move(any_time));
  return expected;
}

// The next step of a call: its effect, or a look at what it was about.
std::vector<Configuration> stepped(const Configuration& from, const CallPtr& call, const PendingCalls& pending) {
  const auto begun = from.applied.find(call->unique);
  if (begun != from.applied.end()) {
    Configuration seen = from;
    seen.applied[call->unique] = seen_beside_writes(from, look(from.state, begun->second), pending);
    return {std::move(seen)};
  }
  std::vector<Configuration> after;
  for (Outcome& outcome : outcomes_of(from.state, call)) {
    after.push_back({std::move(outcome.state), from.applied});
    after.back().applied[call->unique] = seen_beside_writes(after.back(), std::move(outcome.expected), pending);
  }
  return after;
}

}  // namespace

bool Configuration::has_done(std::uint64_t call) const {
  const auto found = applied.find(call);
  return found != applied.end() && !found->second.to_be_seen();
}

std::uint64_t Configuration::digest() const {
  ValueDigest digest;
  digest.add(state.digest());
  for (const auto& [call, expected] : applied) digest.add(call).add(expected.digest());
  return digest.value();
}

void drop_duplicates(std::vector<Configuration>& configurations) {
  if (configurations.size() < 2) return;
  std::map<std::uint64_t, Configuration> each;
  for (Configuration& configuration : configurations) each.emplace(configuration.digest(), std::move(configuration));
  configurations.clear();
  for (auto& [digest, configuration] : each) configurations.push_back(std::move(configuration));
}

std::vector<Configuration> with_done(const std::vector<Configuration>& from, const CallPtr& call,
                                     const PendingCalls& pending) {
  std::vector<Configuration> done;
  Frontier frontier(from);
  while (!frontier.empty()) {
    Configuration next = frontier.take();
    if (next.has_done(call->unique)) {
      done.push_back(std::move(next));
      continue;
    }
    for (const CallPtr& each : relevant(next, call, pending))
      for (Configuration& after : stepped(next, each, pending)) frontier.add(std::move(after));
  }
  return done;
}

std::vector<Configuration> with_others_done(const std::vector<Configuration>& from, const CallPtr& call,
                                            const PendingCalls& pending) {
  std::vector<Configuration> done;
  Frontier frontier(from);
  while (!frontier.empty()) {
    Configuration next = frontier.take();
    for (const CallPtr& each : relevant(next, call, pending))
      if (each != call)
        for (Configuration& after : stepped(next, each, pending)) frontier.add(std::move(after));
    done.push_back(std::move(next));
  }
  return done;
}

std::vector<Configuration> with_all_cut_off(const std::vector<Configuration>& from, const PendingCalls& pending) {
  std::vector<Configuration> done;
  Frontier frontier(from);
  while (!frontier.empty()) {
    Configuration next = frontier.take();
    CallPtr first;
    for (const auto& [unique, call] : pending)
      if (!first && !next.applied.contains(unique)) first = call;
    if (!first) {
      done.push_back(std::move(next));
      continue;
    }
    for (const CallPtr& each : relevant(next, first, pending)) {
      if (next.applied.contains(each->unique)) continue;
      for (Outcome& outcome : outcomes_of(next.state, each)) {
        Configuration after{std::move(outcome.state), next.applied};
        after.applied[each->unique] = {};
        if (outcome.expected.promise != Promise::errors) frontier.add(std::move(after));
      }
      for (State& state : failures_of(next.state, each)) {
        Configuration after{std::move(state), next.applied};
        after.applied[each->unique] = {};
        frontier.add(std::move(after));
      }
    }
  }
  for (Configuration& configuration : done) configuration.applied.clear();
  drop_duplicates(done);
  return done;
}

}  // namespace pail::simulation::model
