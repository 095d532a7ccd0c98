// Whether the bucket has what an answered call promised, and what is known of it then.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "simulation/model/checks.h"
#include "simulation/model/questions.h"
#include "simulation/model/state.h"
#include "simulation/model/views.h"

namespace pail::simulation::model {

using PendingCalls = std::map<std::uint64_t, CallPtr>;
// What is wrong; empty: nothing is.
using Fault = std::optional<std::string>;

// Looks at one state after one call was answered. Keys that another call under way may be moving are not looked at.
class AnsweredCheck {
 public:
  // `others` are the calls under way without the one that was answered.
  AnsweredCheck(State& state, const PendingCalls& others, const BucketView& bucket, CheckCounts& counts)
      : state_(state), others_(others), bucket_(bucket), counts_(counts) {}

  // The call was answered without an error. The state's windows of it end.
  Fault check(const Call& call, const Answer& answer, Around around);
  // It was answered with an error: what it stored is not known.
  void end_window(const Call& call);

 private:
  void doubt_what_it_removed(const Call& call);
  const Inode* shown_by(const Call& call) const;
  void shown(const Inode& inode, const Call& call, const Answer& answer);
  void settle_if_shown(const Inode& inode, const Call& call, const ShownEntry& entry);
  Fault stored_strange(const Call& call);
  Fault flushed(const Call& call, const Flush& flush);
  Fault released(const Call& call, Around around);
  Fault attributes_set(const Call& call, const SetAttributes& set);
  Fault renamed(const Call& call, const Rename& rename);
  Fault made(const Place& place);
  Fault gone(const Place& place, bool directory);
  Fault stored(const Call& call);
  Fault stored_as(Id id, const Snapshots& candidates);

  bool may_be_open(const Inode& inode) const;
  bool is_changing(const Inode& inode) const;
  const Inode* stored_by(const Call& call) const;
  bool at_rest(Id directory, const std::string& name) const;
  bool is_moving(Id directory, const std::string& name) const;

  State& state_;
  const PendingCalls& others_;
  const BucketView& bucket_;
  CheckCounts& counts_;
};

// Whether an object is one of these; then only what it may be is left.
Snapshots those_in(const std::optional<StoredObject>& object, const Snapshots& candidates);

// What the bucket has of the bytes that were not known to be stored need not be kept.
void drop_stored(State& state, const BucketView& bucket);

// Looks at the whole bucket and at all kept files, with nothing under way. What the bucket may have is known then.
// Strange keys may be there or not, with any content.
Fault check_all(State& state, const BucketView& bucket, const KeptView& kept, CheckCounts& counts);

}  // namespace pail::simulation::model
