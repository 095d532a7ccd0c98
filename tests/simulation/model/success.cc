#include "simulation/model/success.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "pailfs/cos/types.h"
#include "simulation/model/changes.h"

namespace pail::simulation::model {
namespace {

constexpr std::size_t kLongestLink = 4095;  // bytes

using Outcomes = std::vector<Outcome>;

Outcome done(State state) {
  return {std::move(state), {.promise = Promise::done, .errnums = {}, .shown = {}}};
}
Outcome written(State state, std::uint64_t size) {
  return {std::move(state), {.promise = Promise::written, .errnums = {}, .shown = {}, .size = size}};
}
Expectation entry_of(const Inode& inode) {
  return {.promise = Promise::entry, .errnums = {}, .inode = inode.id, .shown = inode.now, .type = inode.type};
}
Expectation to_be_seen(Promise promise, Id id) {
  return {.promise = promise, .errnums = {}, .inode = id, .shown = {}};
}

class Success {
 public:
  Success(const State& state, const CallPtr& call) : state_(state), call_(call) {}

  Outcomes operator()(const Forget&) { return {done(state_)}; }
  Outcomes operator()(const StatFs&) { return {{state_, {.promise = Promise::anything, .errnums = {}, .shown = {}}}}; }

  // ---- attributes ----

  Outcomes operator()(const Lookup& asked) {
    Errors wrong = wrong_with(state_, asked.parent, asked.name);
    if (wrong.contains(ENAMETOOLONG) && asked.name.size() <= kLongestName) wrong.insert(ENOENT);
    if (!wrong.empty()) return {failed(state_, wrong)};
    const Inode* found = state_.child(state_.by_number(asked.parent)->id, asked.name);
    if (found == nullptr) return {failed(state_, {ENOENT})};
    Outcomes outcomes{{state_, entry_of(*found)}};
    // One that is known was decided before.
    if (!state_.dirent(found->parent, found->name)->sure) outcomes.push_back(failed(state_, {ENOENT}));
    return outcomes;
  }

  Outcomes operator()(const GetAttributes& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ENOENT, ESTALE})};
    return {{state_, entry_of(*inode)}};
  }

  Outcomes operator()(const SetAttributes& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ENOENT, ESTALE})};
    if (asked.size && inode->is_directory()) return {failed(state_, {EISDIR, EINVAL})};
    if (asked.size && !inode->is_file()) return {failed(state_, {EINVAL})};
    State after = state_;
    set_size(after, *inode, asked);
    set_others(after, after.at(inode->id), asked);
    narrow_window(after, *inode, asked);
    return {{std::move(after), to_be_seen(Promise::entry, inode->id)}};
  }

  Outcomes operator()(const ReadLink& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ENOENT, ESTALE})};
    if (inode->type != FileType::symlink) return {failed(state_, {EINVAL})};
    return {{state_, bytes_of(*inode, 0, inode->now->bytes.size())}};
  }

  // ---- names that are made ----

  Outcomes operator()(const MakeDirectory& asked) {
    const Inode* directory = free_place(asked.parent, asked.name);
    if (directory == nullptr) return std::move(refused_);
    return made(*directory, asked.name,
                new_inode(*call_, FileType::directory, inherited(*directory, asked.permissions & 07777)));
  }

  Outcomes operator()(const MakeSymlink& asked) {
    if (asked.target.size() > kLongestLink) return {failed(state_, {ENAMETOOLONG})};
    const Inode* directory = free_place(asked.parent, asked.name);
    if (directory == nullptr) return std::move(refused_);
    return made(*directory, asked.name, new_link(*call_, asked));
  }

  Outcomes operator()(const Create& asked) {
    const Errors wrong = wrong_with(state_, asked.parent, asked.name);
    if (!wrong.empty()) return {failed(state_, wrong)};
    const Inode& directory = *state_.by_number(asked.parent);
    const Inode* there = state_.child(directory.id, asked.name);
    if (there != nullptr) return opened_by_create(*there, asked);
    Inode file = new_inode(*call_, FileType::regular, asked.permissions);
    file.opens = 1;
    const Id id = file.id;
    State after = state_;
    after.add(std::move(file));
    after.link(directory.id, asked.name, id);
    return {{std::move(after), to_be_seen(Promise::created, id)}};
  }

  // ---- names that go ----

  Outcomes operator()(const Unlink& asked) {
    const Errors wrong = wrong_with(state_, asked.parent, asked.name);
    if (!wrong.empty()) return {failed(state_, wrong)};
    const Inode& directory = *state_.by_number(asked.parent);
    const Inode* there = state_.child(directory.id, asked.name);
    if (there == nullptr) return {failed(state_, {ENOENT})};
    if (there->is_directory()) return {failed(state_, {EISDIR})};
    State after = state_;
    take_name(after.edit(there->id));
    after.detach(directory.id, asked.name);
    return {done(std::move(after))};
  }

  Outcomes operator()(const RemoveDirectory& asked) {
    const Errors wrong = wrong_with(state_, asked.parent, asked.name);
    if (!wrong.empty()) return {failed(state_, wrong)};
    const Inode& directory = *state_.by_number(asked.parent);
    const Inode* there = state_.child(directory.id, asked.name);
    if (there == nullptr) return {failed(state_, {ENOENT})};
    if (!there->is_directory()) return {failed(state_, {ENOTDIR})};
    Outcomes outcomes;
    if (!there->names.empty()) outcomes.push_back(failed(state_, {ENOTEMPTY}));
    if (may_be_empty(*there)) {
      State after = state_;
      after.detach(directory.id, asked.name);
      outcomes.push_back(done(std::move(after)));
    }
    return outcomes;
  }

  Outcomes operator()(const Rename& asked) {
    Errors wrong = wrong_with(state_, asked.parent, asked.name);
    wrong.merge(wrong_with(state_, asked.new_parent, asked.new_name));
    if (asked.mode == vfs::RenameMode::exchange) wrong.insert(EINVAL);
    if (!wrong.empty()) return {failed(state_, wrong)};
    const Inode& from = *state_.by_number(asked.parent);
    const Inode& to = *state_.by_number(asked.new_parent);
    const Inode* source = state_.child(from.id, asked.name);
    const Inode* target = state_.child(to.id, asked.new_name);
    if (source == nullptr) return {failed(state_, {ENOENT})};
    if (source == target) return renamed_onto_itself(asked);
    Outcomes outcomes;
    wrong = wrong_with_rename(asked, to, *source, target);
    if (!wrong.empty()) outcomes.push_back(failed(state_, wrong));
    wrong.erase(ENOTEMPTY);
    if (wrong.empty() && (target == nullptr || may_be_empty(*target))) outcomes.push_back(done(moved(asked)));
    return outcomes;
  }

  // ---- open files ----

  Outcomes operator()(const Open& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ENOENT, ESTALE})};
    if (inode->is_directory()) return {failed(state_, {EISDIR})};
    State after = state_;
    const bool empties = (asked.flags & O_TRUNC) != 0;
    if (empties) after.change(inode->id, truncated(*inode, 0));
    open(after.edit(inode->id));
    Outcomes outcomes{{std::move(after), to_be_seen(Promise::opened, inode->id)}};
    if (!empties && inode->stale_for_open) outcomes.push_back(failed(state_, {ESTALE}));
    return outcomes;
  }

  Outcomes operator()(const Read& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ESTALE})};
    Outcomes outcomes{{state_, bytes_of(*inode, asked.at, asked.size)}};
    if (inode->unreadable) outcomes.push_back(failed(state_, {ESTALE}));
    return outcomes;
  }

  Outcomes operator()(const Write& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ESTALE})};
    Snapshot to = *inode->now;
    to.bytes.write(asked.at, call_->unique, {call_, &asked.bytes});
    to.modified = {};
    State after = state_;
    after.write(inode->id, call_->unique, to);
    return {written(std::move(after), asked.bytes.size())};
  }

  Outcomes operator()(const Flush& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr) return {failed(state_, {ESTALE})};
    State after = state_;
    if (asked.caller_has_another && inode->is_file() && inode->now->bytes.size() == 0 && !inode->clean()) {
      Inode& later = after.edit(inode->id);
      later.soon = true;
      later.stored.add(later.now);
    }
    return {done(std::move(after))};
  }

  Outcomes operator()(const Sync& asked) {
    if (state_.by_number(asked.number) == nullptr) return {failed(state_, {ESTALE})};
    return {done(state_)};
  }

  Outcomes operator()(const Release& asked) {
    const Inode* inode = state_.by_number(asked.number);
    if (inode == nullptr || inode->opens == 0) return {done(state_)};
    State after = state_;
    Inode& closed = after.edit(inode->id);
    --closed.opens;
    if (closed.opens == 0) closed.handles.clear();
    return {done(std::move(after))};
  }

  Outcomes operator()(const ReadDirectory& asked) {
    const Inode* directory = state_.by_number(asked.number);
    if (directory == nullptr) return {failed(state_, {ENOENT, ESTALE})};
    if (!directory->is_directory()) return {failed(state_, {ENOTDIR})};
    return {{state_, {.promise = Promise::listing, .errnums = {}, .inode = directory->id, .shown = {}}}};
  }

 private:
  // From here on the bucket has to get what was set. Other attributes of what was changed by then are not stored at
  // once. Where that is not known, as its last handle was just being closed, they may be.
  void narrow_window(State& state, const Inode& before, const SetAttributes& asked) const {
    Inode& after = state.edit(before.id);
    if (!before.windows.contains(call_->unique)) {
      if (before.is_file()) may_store_attributes(state, before.id);
    } else if (asked.size || before.clean()) {
      after.windows[call_->unique] = Snapshots(after.now);
    } else {
      after.windows.erase(call_->unique);
    }
  }

  // The state after a rename that passed all checks.
  State moved(const Rename& asked) const {
    State after = state_;
    const Id from = state_.by_number(asked.parent)->id, to = state_.by_number(asked.new_parent)->id;
    const Id id = state_.child(from, asked.name)->id;
    if (const Inode* target = state_.child(to, asked.new_name)) {
      // A file without an object is stored by its next close, and then replaces what lies under its new name.
      if (state_.at(id).stored.has_nothing()) {
        Inode& moved = after.edit(id);
        if (target->is_file()) moved.stored.add(target->stored);
        moved.over_link = moved.over_link || target->over_link || target->type == FileType::symlink;
      }
      take_name(after.edit(target->id));
      after.detach(to, asked.new_name);
    }
    after.edit(from).names.erase(asked.name);
    for (auto& [key, stream] : after.streams)
      if (stream.directory == from) stream.throughout.erase({asked.name, id});
    after.link(to, asked.new_name, id);
    return after;
  }

  void open(Inode& inode) const {
    ++inode.opens;
    inode.opened_by = call_->unique;
  }

  // Whether its bytes are to be kept is seen when that begins.
  void take_name(Inode& inode) const {
    inode.removed_by = call_->unique;
    inode.unreadable = inode.unreadable || (inode.opens > 0 && inode.opened_by > call_->unique);
  }

  static Expectation bytes_of(const Inode& inode, std::uint64_t at, std::uint64_t size) {
    return {.promise = Promise::bytes, .errnums = {}, .inode = inode.id, .shown = inode.now, .at = at, .size = size};
  }

  // The directory in which the name can be made; null: it is refused.
  const Inode* free_place(InodeNumber parent, const std::string& name) {
    const Errors wrong = wrong_with(state_, parent, name);
    const Inode* directory = state_.by_number(parent);
    if (!wrong.empty()) {
      refused_ = {failed(state_, wrong)};
    } else if (state_.child(directory->id, name) != nullptr) {
      refused_ = {failed(state_, {EEXIST})};
    } else {
      return directory;
    }
    return nullptr;
  }

  Outcomes made(const Inode& directory, const std::string& name, Inode inode) {
    const Expectation expected = entry_of(inode);
    State after = state_;
    after.add(std::move(inode));
    after.link(directory.id, name, expected.inode);
    return {{std::move(after), expected}};
  }

  Outcomes opened_by_create(const Inode& there, const Create& asked) {
    if ((asked.flags & O_EXCL) != 0) return {failed(state_, {EEXIST})};
    if (there.is_directory()) return {failed(state_, {EEXIST, EISDIR})};
    if (!there.is_file()) return {failed(state_, {EEXIST})};
    State after = state_;
    if ((asked.flags & O_TRUNC) != 0) after.change(there.id, truncated(there, 0));
    open(after.edit(there.id));
    return {{std::move(after), to_be_seen(Promise::created, there.id)}};
  }

  Outcomes renamed_onto_itself(const Rename& asked) {
    if (asked.mode != vfs::RenameMode::no_replace) return {done(state_)};
    return {done(state_), failed(state_, {EEXIST})};
  }

  Errors wrong_with_rename(const Rename& asked, const Inode& to, const Inode& source, const Inode* target) const {
    Errors wrong;
    if (source.is_directory() && state_.lies_below(to.id, source.id)) wrong.insert(EINVAL);
    if (source.is_directory() && longest_key_after(asked, source) > cos::kMaxKeyBytes) wrong.insert(ENAMETOOLONG);
    if (target == nullptr) return wrong;
    if (asked.mode == vfs::RenameMode::no_replace) wrong.insert(EEXIST);
    if (target->is_directory() && !source.is_directory()) wrong.insert(EISDIR);
    if (!target->is_directory() && source.is_directory()) wrong.insert(ENOTDIR);
    if (target->is_directory() && source.is_directory() && !target->names.empty()) wrong.insert(ENOTEMPTY);
    return wrong;
  }

  std::size_t longest_key_after(const Rename& asked, const Inode& source) const {
    const std::size_t old_key = state_.key(source.id).size();
    const std::size_t new_key = state_.key(state_.by_number(asked.new_parent)->id).size() + asked.new_name.size() + 1;
    std::size_t longest = new_key;
    for (const Id id : state_.tree(source.id)) longest = std::max(longest, state_.key(id).size() - old_key + new_key);
    return longest;
  }

  const State& state_;
  const CallPtr& call_;
  Outcomes refused_;
};

}  // namespace

std::vector<Outcome> outcomes_when_known(const State& state, const CallPtr& call) {
  return std::visit(Success(state, call), call->question);
}

}  // namespace pail::simulation::model
