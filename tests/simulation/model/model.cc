#include "simulation/model/model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <utility>

#include "simulation/model/describe.h"
#include "simulation/model/effects.h"

namespace pail::simulation {

using model::AnsweredCheck;
using model::CallPtr;
using model::Configuration;
using model::Expectation;
using model::Id;
using model::Inode;
using model::Outcome;
using model::PendingCalls;
using model::Promise;
using model::SnapshotPtr;
using model::Snapshots;
using model::State;
using model::Stream;

namespace {

void begin_stream(State& state, const Call& call, const ReadDirectory& asked) {
  const model::StreamKey key{call.process, asked.number};
  const auto under_way = state.streams.find(key);
  if (asked.offset != 0 && under_way != state.streams.end()) return under_way->second.changed.clear();
  const Inode* directory = state.by_number(asked.number);
  if (directory == nullptr) return;
  Stream stream;
  stream.directory = directory->id;
  stream.in_order = asked.offset == 0;
  for (const auto& [name, dirent] : directory->names) {
    stream.ever.insert({name, dirent.inode});
    if (dirent.sure) stream.throughout.insert({name, dirent.inode});
  }
  state.streams[key] = std::move(stream);
}

void end_stream(State& state, const Call& call, const Answer& answer) {
  const auto* asked = std::get_if<ReadDirectory>(&call.question);
  const auto* listed = std::get_if<Listed>(&answer.value);
  const bool ends = asked != nullptr && (answer.errnum != 0 || (listed != nullptr && listed->names.empty()));
  if (ends) state.streams.erase({call.process, asked->number});
}

// Where bytes that were read differ from those expected, for people.
std::string first_difference(const Expectation& expected, const Answer& answer) {
  const auto* read = std::get_if<Bytes>(&answer.value);
  if (expected.promise != Promise::bytes || read == nullptr) return "";
  const std::string right = expected.shown->bytes.read(expected.at, expected.size);
  const auto [own, other] = std::ranges::mismatch(right, read->bytes);
  return fmt::format(", different from byte {} on", own - right.begin());
}

// Where the file ends, as far as the answer shows that.
std::set<std::uint64_t> shown_ends(InodeNumber number, const Call& call, const Answer& answer) {
  std::set<std::uint64_t> ends;
  const auto note = [&](const ShownEntry& entry) {
    if (entry.number == number) ends.insert(entry.size);
  };
  if (const auto* entry = std::get_if<ShownEntry>(&answer.value)) note(*entry);
  if (const auto* file = std::get_if<OpenedFile>(&answer.value); file != nullptr && file->entry) note(*file->entry);
  if (const auto* listed = std::get_if<Listed>(&answer.value))
    for (const ListedName& name : listed->names)
      if (name.entry) note(*name.entry);
  const auto* read = std::get_if<Read>(&call.question);
  const auto* bytes = std::get_if<Bytes>(&answer.value);
  if (read != nullptr && bytes != nullptr && read->number == number) ends.insert(read->at + bytes->bytes.size());
  return ends;
}

// The write ended after `size` bytes of those that it had taken effect with. What a worker that was killed had written
// behind them may be there: `asked_again`.
std::vector<Configuration> shortened(Configuration configuration, const CallPtr& call, std::uint64_t size,
                                     bool asked_again) {
  Expectation& expected = configuration.applied.at(call->unique);
  if (expected.promise != Promise::written || size == 0 || size >= expected.size) return {std::move(configuration)};
  const std::uint64_t at = std::get<Write>(call->question).at, all = std::exchange(expected.size, size);
  const State& whole = configuration.state;
  std::vector<Configuration> after{{whole.with_short_write(call->unique, at, all, size), configuration.applied}};
  if (!asked_again) return after;
  for (State& state : whole.with_failed_write(call->unique, at, all, size, State::Growth::may_stay))
    after.push_back({std::move(state), configuration.applied});
  return after;
}

// A write that ended early is done anew when it is asked again.
void repeat_short_write(Configuration& configuration, const CallPtr& call, std::uint64_t size) {
  Expectation& expected = configuration.applied.at(call->unique);
  if (expected.promise != Promise::written || size <= expected.size) return;
  std::vector<Outcome> again = outcomes_of(configuration.state, call);
  configuration.state = std::move(again.front().state);
  expected = std::move(again.front().expected);
}

void count_excuses(Around around, CheckCounts& counts) {
  if (around.store) counts.note(Check::excused_by_the_store);
  if (around.full_disk) counts.note(Check::excused_by_a_full_disk);
  if (around.failing_disk) counts.note(Check::excused_by_a_failing_disk);
  if (around.killed_caller) counts.note(Check::excused_by_a_killed_caller);
}

// Which check the answer has passed.
Check check_of(const Expectation& expected, const Answer& answer) {
  switch (expected.promise) {
    case Promise::anything:
      return Check::anything;
    case Promise::errors:
      return Check::error;
    case Promise::done:
      return Check::done;
    case Promise::written:
      return Check::written;
    case Promise::entry:
      return Check::attributes;
    case Promise::opened:
      return Check::opened;
    case Promise::created:
      return Check::made_and_opened;
    case Promise::bytes:
      return Check::bytes;
    case Promise::listing:
      return std::get<Listed>(answer.value).names.empty() ? Check::all_names : Check::names;
  }
  return Check::anything;
}

PendingCalls without(const PendingCalls& pending, std::uint64_t unique) {
  PendingCalls others = pending;
  others.erase(unique);
  return others;
}

}  // namespace

Model::Model(Settings settings) : settings_(settings) {
  configurations_.push_back({State(settings.root_permissions), {}});
}

// ---- questions ------------------------------------------------------------------------------------------------------

void Model::asked(const Call& call) {
  if (const auto* forget = std::get_if<Forget>(&call.question)) {
    for (Configuration& each : configurations_) each.state.forget(forget->number);
    return;
  }
  if (!pending_.emplace(call.unique, std::make_shared<const Call>(call)).second) return;
  for (Configuration& each : configurations_) begin(each.state, call);
}

void Model::begin(State& state, const Call& call) const {
  if (const auto* listing = std::get_if<ReadDirectory>(&call.question)) begin_stream(state, call, *listing);
  if (const auto* read = std::get_if<Read>(&call.question))
    if (const Inode* inode = state.by_number(read->number)) state.begin_read(inode->id, call.unique);
  const Id id = stores(state, call);
  if (id == 0) return;
  Inode& inode = state.edit(id);
  inode.windows[call.unique] = Snapshots(inode.now);
  inode.stored.add(inode.now);
}

// ---- answers --------------------------------------------------------------------------------------------------------

Verdict Model::answered(const Answer& answer, Around around, const BucketView& bucket) {
  const auto found = pending_.find(answer.unique);
  if (found == pending_.end()) return Violation{fmt::format("({}) was answered, and is not asked", answer.unique)};
  const CallPtr call = found->second;
  Reasons reasons;
  const bool is_excused = answer.errnum != 0 && around.excuses(answer.errnum);
  Configurations left = is_excused ? excused(call, answer, around) : accepted(call, answer, around, bucket, reasons);
  if (left.empty()) return contradicted(call, answer, reasons);
  for (Configuration& each : left) {
    each.applied.erase(call->unique);
    end_stream(each.state, *call, answer);
    each.state.end_call(call->unique);
  }
  drop_duplicates(left);
  configurations_ = std::move(left);
  pending_.erase(call->unique);
  asked_again_.erase(call->unique);
  note_numbers(answer);
  return {};
}

// It failed for a trouble: it has had no effect, or its whole effect, or what may be left on the way.
Model::Configurations Model::excused(const CallPtr& call, const Answer& answer, Around around) {
  count_excuses(around, counts_);
  const PendingCalls others = without(pending_, call->unique);
  const auto* write = std::get_if<Write>(&call->question);
  const bool in_part = around.failing_disk && answer.errnum == EIO;
  Configurations left;
  const auto add = [&](Configuration configuration) {
    AnsweredCheck(configuration.state, others, {}, counts_).end_window(*call);
    left.push_back(std::move(configuration));
  };
  const auto add_done = [&](Configuration done) {
    if (write == nullptr) return add(std::move(done));
    if (!in_part) return;  // then a write does all or nothing
    for (State& state :
         done.state.with_failed_write(call->unique, write->at, write->bytes.size(), 0, growth_of(call, around)))
      add({std::move(state), done.applied});
  };
  for (const Configuration& each : with_others_done(configurations_, call, pending_)) {
    const auto applied = each.applied.find(call->unique);
    if (applied != each.applied.end()) {
      Configuration done = each;
      take_back_handle(done.state, applied->second);
      add_done(std::move(done));
      continue;
    }
    for (State& state : failures_of(each.state, call)) add({std::move(state), each.applied});
    if (write == nullptr) continue;
    for (Outcome& outcome : outcomes_of(each.state, call))
      if (outcome.expected.promise == Promise::written) add_done({std::move(outcome.state), each.applied});
  }
  return left;
}

// A write that fails makes the file no longer, but where it cannot be cut, or a worker that was killed had made it so.
State::Growth Model::growth_of(const CallPtr& call, Around around) const {
  const bool may_stay = around.failing_cut || asked_again_.contains(call->unique);
  return may_stay ? State::Growth::may_stay : State::Growth::taken_back;
}

Model::Configurations Model::accepted(const CallPtr& call, const Answer& answer, Around around,
                                      const BucketView& bucket, Reasons& reasons) {
  const PendingCalls others = without(pending_, call->unique);
  const auto* written = std::get_if<Written>(&answer.value);
  const bool disk_failed = around.full_disk || around.failing_disk;
  Configurations left;
  Configurations done = with_done(disk_failed ? with_short_writes(*call, answer) : configurations_, call, pending_);
  if (written != nullptr) done = as_long_as(std::move(done), call, written->size, disk_failed);
  for (Configuration& each : done) {
    const Expectation& expected = each.applied.at(call->unique);
    State before = each.state;
    if (!matches(each.state, expected, answer, {*call, seen_, settings_.ttl})) {
      reasons.insert("it may be answered: " + model::describe(expected, before) + first_difference(expected, answer));
      continue;
    }
    counts_.note(check_of(expected, answer));
    AnsweredCheck check(each.state, others, bucket, counts_);
    model::Fault fault;
    if (answer.errnum == 0) fault = check.check(*call, answer, around);
    check.end_window(*call);
    if (fault) {
      reasons.insert(*fault);
    } else {
      left.push_back(std::move(each));
    }
  }
  return left;
}

// The write may have ended early before, or has now.
Model::Configurations Model::as_long_as(Configurations done, const CallPtr& call, std::uint64_t size,
                                        bool disk_failed) const {
  Configurations all;
  for (Configuration& each : done) {
    repeat_short_write(each, call, size);
    if (!disk_failed) {
      all.push_back(std::move(each));
      continue;
    }
    Configurations shorter = shortened(std::move(each), call, size, asked_again_.contains(call->unique));
    std::ranges::move(shorter, std::back_inserter(all));
  }
  return all;
}

// A write that is under way may have ended where the answer shows the end of a file.
Model::Configurations Model::with_short_writes(const Call& call, const Answer& answer) const {
  Configurations all = configurations_;
  for (const auto& [unique, other] : pending_) {
    const auto* write = std::get_if<Write>(&other->question);
    if (write == nullptr) continue;
    for (const std::uint64_t end : shown_ends(write->number, call, answer)) {
      if (end <= write->at || end >= write->at + write->bytes.size()) continue;
      for (Configuration& each : with_done(configurations_, other, pending_)) {
        Configurations shorter =
            shortened(std::move(each), other, end - write->at, asked_again_.contains(other->unique));
        std::ranges::move(shorter, std::back_inserter(all));
      }
    }
  }
  return all;
}

void Model::note_numbers(const Answer& answer) {
  const auto note = [this](InodeNumber number) {
    if (number != 0) seen_.insert(number);
  };
  if (answer.errnum != 0) return;
  if (const auto* entry = std::get_if<ShownEntry>(&answer.value)) note(entry->number);
  if (const auto* file = std::get_if<OpenedFile>(&answer.value); file != nullptr && file->entry)
    note(file->entry->number);
  if (const auto* listed = std::get_if<Listed>(&answer.value))
    for (const ListedName& name : listed->names) note(name.number);
}

Violation Model::contradicted(const CallPtr& call, const Answer& answer, const Reasons& reasons) const {
  constexpr std::size_t kMostTold = 8;
  const State& state = configurations_.front().state;
  std::string text = fmt::format("{}\n  was answered: {}\n", model::describe(*call, state), model::describe(answer));
  std::size_t told = 0;
  for (const std::string& reason : reasons)
    if (told++ < kMostTold) text += fmt::format("  {}\n", reason);
  if (told > kMostTold) text += fmt::format("  ... and {} more\n", told - kMostTold);
  for (const auto& [unique, other] : pending_)
    if (other != call) text += fmt::format("  while under way: {}\n", model::describe(*other, state));
  return {text + fmt::format("  {} configurations before it", configurations_.size())};
}

// ---- ends and beginnings --------------------------------------------------------------------------------------------

void Model::resumed() {
  for (const auto& [unique, call] : pending_) asked_again_.insert(unique);
  for (Configuration& each : configurations_) {
    std::vector<Id> ids;
    for (const auto& inode : each.state.inodes())
      if (inode->is_file()) ids.push_back(inode->id);
    for (const Id id : ids) {
      Inode& inode = each.state.edit(id);
      inode.stale_for_open = true;
      // The next worker stores files that have no bytes yet, in case the one before it was about to.
      if (inode.now->bytes.size() > 0 || inode.clean() || !inode.choices.empty()) continue;
      inode.soon = true;
      inode.stored.add(inode.now);
    }
  }
  drop_duplicates(configurations_);
}

void Model::remounted(const BucketView& bucket) {
  configurations_ = with_all_cut_off(configurations_, pending_);
  begin_anew(bucket);
  for (Configuration& each : configurations_) drop_stored(each.state, bucket);
}

void Model::unmounted(Around around, const BucketView& bucket) {
  configurations_ = with_all_cut_off(configurations_, pending_);
  for (Configuration& each : configurations_) {
    std::vector<Id> ids;
    for (const auto& inode : each.state.inodes())
      if (inode->is_file() && inode->linked() && inode->choices.empty()) ids.push_back(inode->id);
    for (const Id id : ids) {
      Inode& inode = each.state.edit(id);
      const bool may_have_gone = inode.may_be_stale && inode.stored.has_nothing();
      if (around == Around::calm) inode.stored = {};
      inode.stored.add(inode.now);
      if (may_have_gone) inode.stored.add(SnapshotPtr());
    }
  }
  begin_anew(bucket);
  for (Configuration& each : configurations_) drop_stored(each.state, bucket);
}

void Model::abandoned(const std::string& key, const std::optional<std::string>& made) {
  Configurations after;
  const std::uint64_t unique = (std::uint64_t{1} << 47) + 2 * ++abandoned_;  // above those of all calls
  for (const Configuration& each : configurations_)
    for (State& state : each.state.with_strange(key, unique)) after.push_back({std::move(state), each.applied});
  for (Configuration& each : after)
    if (made) each.state.drop_owed(key, *made);
  drop_duplicates(after);
  configurations_ = std::move(after);
}

void Model::begin_anew(const BucketView& bucket) {
  const auto is_stored = [&](const std::string& key) { return bucket.look(key).has_value(); };
  for (Configuration& each : configurations_) each.state.begin_anew(is_stored);
  drop_duplicates(configurations_);
  pending_.clear();
  asked_again_.clear();
}

Verdict Model::settled(const BucketView& bucket, const KeptView& kept) {
  Configurations left;
  Reasons reasons;
  for (const Configuration& each : configurations_) {
    Configuration settled = each;
    if (const model::Fault fault = check_all(settled.state, bucket, kept, counts_)) {
      reasons.insert(*fault);
    } else {
      left.push_back(std::move(settled));
    }
  }
  if (left.empty()) {
    std::string text = "when all had settled:\n";
    for (const std::string& reason : reasons) text += fmt::format("  {}\n", reason);
    return Violation{text};
  }
  drop_duplicates(left);
  configurations_ = std::move(left);
  return {};
}

}  // namespace pail::simulation
