#include "simulation/model/failure.h"

#include <fcntl.h>

#include <utility>

#include "simulation/model/changes.h"
#include "simulation/model/success.h"

namespace pail::simulation::model {
namespace {

class Failure {
 public:
  Failure(const State& state, const CallPtr& call) : state_(state), call_(call) {}

  template <class T>
  std::vector<State> operator()(const T&) {  // those that only look, and those that change nothing when they fail
    return {state_};
  }

  std::vector<State> operator()(const SetAttributes& asked) {
    std::vector<State> states{state_};
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr || (asked.size && !inode->is_file())) return states;
    State cut = state_;
    set_size(cut, *inode, asked);
    if (asked.size) states.push_back(cut);
    set_others(cut, cut.at(inode->id), asked);
    if (inode->is_file()) may_store_attributes(cut, inode->id);
    states.push_back(std::move(cut));
    return states;
  }

  // The bytes stay what they are; that it was tried may show in the time.
  std::vector<State> operator()(const Write& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr || !inode->now->modified) return {state_};
    Snapshot to = *inode->now;
    to.modified.reset();
    State tried = state_;
    tried.change(inode->id, to);
    return {state_, std::move(tried)};
  }

  std::vector<State> operator()(const Open& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr || !inode->is_file() || (asked.flags & O_TRUNC) == 0) return {state_};
    State cut = state_;
    cut.change(inode->id, truncated(*inode, 0));
    return {state_, std::move(cut)};
  }

  std::vector<State> operator()(const Create& asked) {
    const Inode* directory = usable(asked.parent, asked.name);
    if (directory == nullptr) return {state_};
    if (const Inode* there = state_.child(directory->id, asked.name)) {
      if (!there->is_file() || (asked.flags & O_TRUNC) == 0) return {state_};
      State cut = state_;
      cut.change(there->id, truncated(*there, 0));
      return {state_, std::move(cut)};
    }
    return perhaps(*directory, asked.name, new_inode(*call_, FileType::regular, asked.permissions));
  }

  std::vector<State> operator()(const MakeDirectory& asked) {
    const Inode* directory = usable(asked.parent, asked.name);
    if (directory == nullptr || state_.child(directory->id, asked.name) != nullptr) return {state_};
    const std::uint32_t permissions = inherited(*directory, asked.permissions & 07777);
    return perhaps(*directory, asked.name, new_inode(*call_, FileType::directory, permissions));
  }

  std::vector<State> operator()(const MakeSymlink& asked) {
    const Inode* directory = usable(asked.parent, asked.name);
    if (directory == nullptr || state_.child(directory->id, asked.name) != nullptr) return {state_};
    return perhaps(*directory, asked.name, new_link(*call_, asked));
  }

  std::vector<State> operator()(const Unlink& asked) { return perhaps_gone(asked.parent, asked.name, false); }
  std::vector<State> operator()(const RemoveDirectory& asked) { return perhaps_gone(asked.parent, asked.name, true); }

  std::vector<State> operator()(const Rename& asked) {
    const Inode* from = usable(asked.parent, asked.name);
    const Inode* to = usable(asked.new_parent, asked.new_name);
    if (from == nullptr || to == nullptr || state_.child(from->id, asked.name) == nullptr) return {state_};
    const std::vector<Outcome> success = outcomes_when_known(state_, call_);
    if (success.back().expected.promise != Promise::done) return {state_};
    if (state_.child(from->id, asked.name) == state_.child(to->id, asked.new_name)) return {state_};
    std::vector<State> states{success.back().state};
    if (state_.child(from->id, asked.name)->is_directory()) {
      states.push_back(cut_short_while_copying(asked));
      states.push_back(old_objects_stay(asked));
    } else {
      add_failed_file_renames(asked, states);
    }
    return states;
  }

 private:
  const Inode* usable(InodeNumber parent, const std::string& name) const {
    return wrong_with(state_, parent, name).empty() ? state_.by_number(parent) : nullptr;
  }

  std::vector<State> perhaps(const Inode& directory, const std::string& name, Inode inode) {
    State after = state_;
    const Id id = inode.id;
    inode.marked = false;
    after.add(std::move(inode));
    after.link(directory.id, name, id, false);
    return {std::move(after)};
  }

  std::vector<State> perhaps_gone(InodeNumber parent, const std::string& name, bool directories) {
    const Inode* directory = usable(parent, name);
    const Inode* there = directory != nullptr ? state_.child(directory->id, name) : nullptr;
    if (there == nullptr || there->is_directory() != directories) return {state_};
    if (directories && !may_be_empty(*there)) return {state_};
    State after = state_;
    after.make_unsure(directory->id, name);
    Inode& doubtful = after.edit(there->id);
    doubtful.may_be_stale = true;
    doubtful.marked = false;
    if (directories) return {std::move(after)};
    doubtful.stored.add(SnapshotPtr());
    for (auto& [storing, window] : doubtful.windows) window.add(SnapshotPtr());  // it may be stored and removed
    return {std::move(after)};
  }

  // What a rename copied over another inode: a file of its own, which is listed as the other one until it is looked at.
  void copy_over(State& state, const Inode& of, const Rename& asked, const Inode& target) {
    const Id directory = target.parent;
    state.detach(directory, asked.new_name);
    copy_file(state, of, directory, asked.new_name, true);
    const InodeNumber before = target.number != 0 ? target.number : target.earlier_number;
    if (const Inode* copy = state.child(directory, asked.new_name)) state.edit(copy->id).number_before = before;
  }

  // A file of its own with what the bucket may have of another one. Nothing where it has none.
  void copy_file(State& state, const Inode& of, Id directory, const std::string& name, bool sure) {
    Inode copy = of;
    copy.id = next_id();
    copy.number = copy.earlier_number = copy.number_before = 0;
    copy.opens = 0;
    copy.windows.clear();
    copy.reads.clear();
    copy.before_writes.clear();
    copy.handles.clear();
    copy.rewritten = copy.soon = copy.may_be_stale = copy.forgotten = false;
    copy.stale_for_open = true;
    const bool has_nothing = of.stored.has_nothing();
    copy.stored = copy.choices = of.stored.without_nothing();
    if (copy.choices.empty()) return;
    copy.now = *copy.choices.begin();
    if (copy.choices.size() == 1) copy.choices = {};
    const Id id = copy.id;
    state.add(std::move(copy));
    state.link(directory, name, id, sure && !has_nothing);
  }

  static SnapshotPtr with_any_permissions(Snapshot snapshot) {
    snapshot.permissions.reset();
    return make_snapshot(std::move(snapshot));
  }

  void copy_tree(State& state, const Inode& of, Id parent, const std::string& name, bool sure) {
    Id into = 0;
    if (const Inode* there = state.child(parent, name)) {
      into = there->id;
      state.edit(into).now = with_any_permissions(*there->now);  // its marker may be a copy by now
    } else {
      Inode copy = of;
      into = copy.id = next_id();
      copy.number = copy.earlier_number = 0;
      copy.opens = 0;
      copy.names.clear();
      copy.marked = false;
      copy.now = with_any_permissions(*of.now);  // its marker may not be copied
      state.add(std::move(copy));
      state.link(parent, name, into, sure);
    }
    for (const auto& [below, dirent] : of.names) {
      const Inode& each = state_.at(dirent.inode);
      if (each.is_directory()) {
        copy_tree(state, each, into, below, sure && dirent.sure);
      } else {
        copy_file(state, each, into, below, sure && dirent.sure);
      }
    }
  }

  State cut_short_while_copying(const Rename& asked) {
    State after = state_;
    const Id to = state_.by_number(asked.new_parent)->id;
    copy_tree(after, *state_.child(state_.by_number(asked.parent)->id, asked.name), to, asked.new_name, false);
    return after;
  }

  // The copies are files of their own; of the old objects some are there.
  State old_objects_stay(const Rename& asked) {
    State after = state_;
    const Inode& source = *state_.child(state_.by_number(asked.parent)->id, asked.name);
    const Id to = state_.by_number(asked.new_parent)->id;
    if (after.child(to, asked.new_name) != nullptr) after.detach(to, asked.new_name);
    copy_tree(after, source, to, asked.new_name, true);
    for (const Id id : state_.tree(source.id)) {
      const Inode& each = state_.at(id);
      if (each.is_directory()) {
        after.edit(id).marked = false;
        continue;
      }
      if (!each.stored.without_nothing().empty()) let_vanish(after, each);
    }
    after.edit(source.id).marked = false;
    return after;
  }

  static void let_vanish(State& state, const Inode& inode) {
    if (!inode.is_file() || inode.stored.has(inode.now)) state.make_unsure(inode.parent, inode.name);
    Inode& left = state.edit(inode.id);
    left.may_be_stale = true;
    left.stored.add(SnapshotPtr());
  }

  void add_failed_file_renames(const Rename& asked, std::vector<State>& states) {
    const Inode& source = *state_.child(state_.by_number(asked.parent)->id, asked.name);
    const Id to = state_.by_number(asked.new_parent)->id;
    const Inode* target = state_.child(to, asked.new_name);
    State both = state_;
    if (target != nullptr) {
      states.push_back(state_);
      states.push_back(target_replaced(asked, *target, source));
      add_moved_into_target(*target, source, states);
      both.edit(target->id).may_be_stale = true;
      copy_over(both, source, asked, *target);
    } else {
      State copied = state_;
      copy_file(copied, source, to, asked.new_name, false);
      states.push_back(std::move(copied));
      copy_file(both, source, to, asked.new_name, true);
    }
    let_vanish(both, source);
    states.push_back(std::move(both));
  }

  // The copy was made, and is shown as what somebody put under the name: one of another type as another inode.
  State target_replaced(const Rename& asked, const Inode& target, const Inode& source) {
    State after = state_;
    after.edit(target.id).may_be_stale = true;
    if (target.type != source.type) {
      copy_over(after, source, asked, target);
      return after;
    }
    Inode& changed = after.edit(target.id);
    changed.choices = changed.stored;
    changed.choices.add(source.stored);
    changed.choices = changed.choices.without_nothing();
    changed.choices.add(changed.now);
    changed.stored.add(source.stored);
    return after;
  }

  // The old object went, too, before the mount noted that the name leads to the file that was renamed.
  void add_moved_into_target(const Inode& target, const Inode& source, std::vector<State>& states) {
    const Snapshots moved = source.stored.without_nothing();
    if (target.type != source.type || !target.clean() || moved.empty()) return;
    State after = state_;
    Inode& changed = after.edit(target.id);
    changed.may_be_stale = true;
    changed.stored = moved;
    changed.now = *moved.begin();
    if (moved.size() > 1) changed.choices = moved;
    let_vanish(after, source);
    states.push_back(std::move(after));
  }

  Id next_id() { return (call_->unique << 16) + ++made_; }

  const State& state_;
  const CallPtr& call_;
  Id made_ = 0;
};

}  // namespace

std::vector<State> failures_when_known(const State& state, const CallPtr& call) {
  return std::visit(Failure(state, call), call->question);
}

}  // namespace pail::simulation::model
