#include "simulation/model/effects.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "pailfs/cos/types.h"

namespace pail::simulation::model {
namespace {

constexpr std::size_t kLongestName = 255;
constexpr std::size_t kLongestLink = 4095;

using Outcomes = std::vector<Outcome>;
using Errors = std::set<int>;

Outcome failed(const State& state, Errors errnums) {
  return {state, {.promise = Promise::errors, .errnums = std::move(errnums), .shown = {}}};
}
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

// What can be wrong with a name in a directory before it is looked for.
Errors wrong_with(const State& state, InodeNumber number, const std::string& name) {
  const Inode* directory = state.by_number(number);
  if (directory == nullptr) return {ENOENT, ESTALE};
  Errors errnums;
  if (!directory->is_directory()) errnums.insert(ENOTDIR);
  if (!directory->linked()) errnums.insert(ENOENT);
  const bool long_key = directory->linked() && state.key(directory->id).size() + name.size() + 1 > cos::kMaxKeyBytes;
  if (name.size() > kLongestName || long_key) errnums.insert(ENAMETOOLONG);
  return errnums;
}

Snapshot truncated(const Inode& inode, std::uint64_t size) {
  Snapshot to = *inode.now;
  to.bytes.resize(size);
  to.modified = {};
  return to;
}

Inode new_inode(const Call& call, FileType type, std::uint32_t permissions) {
  Inode inode;
  inode.id = call.unique << 16;
  inode.type = type;
  inode.now = make_snapshot({.bytes = {}, .permissions = permissions & 07777, .modified = {}});
  if (type == FileType::regular) inode.stored = Snapshots(SnapshotPtr());
  return inode;
}

std::uint32_t inherited(const Inode& directory, std::uint32_t permissions) {
  const bool set_group = directory.now->permissions && (*directory.now->permissions & S_ISGID) != 0;
  return set_group ? permissions | S_ISGID : permissions;
}

// ---- what a question is about ---------------------------------------------------------------------------------------

template <class T>
constexpr bool kNamesAPlace = requires(const T& question) {
  question.parent;
};
template <class T>
constexpr bool kNamesAnInode = requires(const T& question) {
  question.number;
};

InodeNumber number_of(const Question& question) {
  return std::visit(
      [](const auto& asked) -> InodeNumber {
        if constexpr (kNamesAnInode<std::decay_t<decltype(asked)>>)
          return asked.number;
        else
          return 0;
      },
      question);
}

template <class... T>
bool is_one_of(const Question& question) {
  return (std::holds_alternative<T>(question) || ...);
}

// ---- what is not known ----------------------------------------------------------------------------------------------

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

// An inode of the question that may have gone with its object.
const Inode* doubtful(const State& state, const Question& question) {
  std::vector<InodeNumber> numbers{number_of(question)};
  for (const Place& place : places_of(question)) numbers.push_back(place.parent);
  for (const InodeNumber number : numbers) {
    const Inode* inode = state.by_number(number);
    if (inode != nullptr && in_doubt(state, *inode)) return inode;
  }
  return nullptr;
}

// Its object has gone, or is another one: whoever has it open is told so.
Outcome vanished(const State& state, const Inode& inode) {
  Outcome outcome = failed(state, {ENOENT, ESTALE});
  if (!inode.is_file() || !inode.linked()) return outcome;
  State& after = outcome.state;
  after.make_unsure(inode.parent, inode.name);
  Inode& changed = after.edit(inode.id);
  Snapshots left = changed.stored.without_nothing();
  left.add(changed.now);
  if (left.size() > 1) changed.choices = left;
  return outcome;
}

// ---- one call -------------------------------------------------------------------------------------------------------

// Carries one call out where everything that it is about is known.
class Step {
 public:
  Step(const State& state, const CallPtr& call) : state_(state), call_(call) {}

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

  static void set_size(State& state, const Inode& inode, const SetAttributes& asked) {
    if (asked.size) state.change(inode.id, truncated(inode, *asked.size));
  }
  static void set_others(State& state, const Inode& inode, const SetAttributes& asked) {
    if (!asked.permissions && !asked.modified) return;
    Snapshot to = *inode.now;
    if (asked.permissions) to.permissions = *asked.permissions & 07777;
    if (asked.modified) to.modified = *asked.modified;
    state.change(inode.id, to);
  }

  // From here on the bucket has to get what was set. Other attributes of what was changed by then are not stored at
  // once. Where that is not known, as its last handle was just being closed, they may be.
  void narrow_window(State& state, const Inode& before, const SetAttributes& asked) const {
    Inode& after = state.edit(before.id);
    if (!before.windows.contains(call_->unique)) {
      if (before.is_file()) after.stored.add(after.now);
    } else if (asked.size || before.clean()) {
      after.windows[call_->unique] = Snapshots(after.now);
    } else {
      after.windows.erase(call_->unique);
    }
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

  static Inode new_link(const Call& call, const MakeSymlink& asked) {
    Inode link = new_inode(call, FileType::symlink, 0777);
    Snapshot with_target = *link.now;
    with_target.bytes.write(0, call.unique, std::make_shared<const std::string>(asked.target));
    link.now = make_snapshot(with_target);
    link.stored = Snapshots(link.now);
    return link;
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

  static bool may_be_empty(const Inode& directory) {
    return std::ranges::none_of(directory.names, [](const auto& name) { return name.second.sure; });
  }

 private:
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

// ---- calls that fail ------------------------------------------------------------------------------------------------

// What a call may leave that failed on the way.
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
    Step::set_size(cut, *inode, asked);
    if (asked.size) states.push_back(cut);
    Step::set_others(cut, cut.at(inode->id), asked);
    states.push_back(std::move(cut));
    return states;
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
    return perhaps(*directory, asked.name, Step::new_link(*call_, asked));
  }

  std::vector<State> operator()(const Unlink& asked) { return perhaps_gone(asked.parent, asked.name, false); }
  std::vector<State> operator()(const RemoveDirectory& asked) { return perhaps_gone(asked.parent, asked.name, true); }

  std::vector<State> operator()(const Rename& asked) {
    const Inode* from = usable(asked.parent, asked.name);
    const Inode* to = usable(asked.new_parent, asked.new_name);
    if (from == nullptr || to == nullptr || state_.child(from->id, asked.name) == nullptr) return {state_};
    const Outcomes success = Step(state_, call_)(asked);
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
    if (directories && !Step::may_be_empty(*there)) return {state_};
    State after = state_;
    after.make_unsure(directory->id, name);
    Inode& doubtful = after.edit(there->id);
    doubtful.may_be_stale = true;
    doubtful.marked = false;
    if (!directories) doubtful.stored.add(SnapshotPtr());
    return {std::move(after)};
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
      both.edit(target->id).may_be_stale = true;
      both.detach(to, asked.new_name);
    } else {
      State copied = state_;
      copy_file(copied, source, to, asked.new_name, false);
      states.push_back(std::move(copied));
    }
    copy_file(both, source, to, asked.new_name, true);
    let_vanish(both, source);
    states.push_back(std::move(both));
  }

  // The copy was made, and is shown as what somebody put under the name: one of another type as another inode.
  State target_replaced(const Rename& asked, const Inode& target, const Inode& source) {
    State after = state_;
    after.edit(target.id).may_be_stale = true;
    if (target.type != source.type) {
      const Id to = target.parent;
      after.detach(to, asked.new_name);
      copy_file(after, source, to, asked.new_name, true);
      const InodeNumber before = target.number != 0 ? target.number : target.earlier_number;
      if (const Inode* copy = after.child(to, asked.new_name)) after.edit(copy->id).number_before = before;
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

  Id next_id() { return (call_->unique << 16) + ++made_; }

  const State& state_;
  const CallPtr& call_;
  Id made_ = 0;
};

// ---- which calls can be told apart by their order -------------------------------------------------------------------

struct Touch {
  enum class What { inode, name, all_names };
  Id inode = 0;
  What what = What::inode;
  std::string name;
  bool writes = false;
};

bool collide(const Touch& a, const Touch& b) {
  if (a.inode != b.inode || (!a.writes && !b.writes)) return false;
  if ((a.what == Touch::What::inode) != (b.what == Touch::What::inode)) return false;
  return a.what != Touch::What::name || b.what != Touch::What::name || a.name == b.name;
}

constexpr Id kShapeOfTheTree = 0;  // what directories lie in one another

std::vector<Touch> touches_of(const State& state, const Question& question) {
  using What = Touch::What;
  std::vector<Touch> touches;
  const bool changes_names = is_one_of<MakeDirectory, MakeSymlink, Create, Unlink, RemoveDirectory, Rename>(question);
  for (const Place& place : places_of(question)) {
    const Inode* directory = state.by_number(place.parent);
    if (directory == nullptr) continue;
    touches.push_back({directory->id, What::inode, {}, false});
    touches.push_back({directory->id, What::name, place.name, changes_names});
    const Inode* child = state.child(directory->id, place.name);
    if (child == nullptr) continue;
    touches.push_back({child->id, What::inode, {}, changes_names});
    if (!child->is_directory() || !changes_names) continue;
    touches.push_back({child->id, What::all_names, {}, true});
    if (is_one_of<Rename>(question)) touches.push_back({kShapeOfTheTree, What::inode, {}, true});
  }
  const Inode* inode = state.by_number(number_of(question));
  if (inode == nullptr) return touches;
  const auto* open = std::get_if<Open>(&question);
  const bool writes = is_one_of<SetAttributes, Write, Release>(question) || (open && (open->flags & O_TRUNC) != 0);
  touches.push_back({inode->id, What::inode, {}, writes});
  const auto* reading = std::get_if<ReadDirectory>(&question);
  if (reading == nullptr) return touches;
  touches.push_back({inode->id, What::all_names, {}, false});
  for (const auto& [name, dirent] : inode->names)
    if (reading->with_attributes) touches.push_back({dirent.inode, What::inode, {}, false});
  return touches;
}

}  // namespace

std::vector<Place> places_of(const Question& question) {
  return std::visit(
      [](const auto& asked) -> std::vector<Place> {
        using T = std::decay_t<decltype(asked)>;
        if constexpr (std::is_same_v<T, Rename>)
          return {{asked.parent, asked.name}, {asked.new_parent, asked.new_name}};
        else if constexpr (kNamesAPlace<T>)
          return {{asked.parent, asked.name}};
        else
          return {};
      },
      question);
}

std::vector<Outcome> outcomes_of(const State& state, const CallPtr& call) {
  Outcomes outcomes;
  const std::vector<State> known = decided(state, call->question);
  for (const State& each : known) {
    Outcomes more = outcomes_of(each, call);
    std::ranges::move(more, std::back_inserter(outcomes));
  }
  if (!known.empty()) return outcomes;
  outcomes = std::visit(Step(state, call), call->question);
  if (const Inode* inode = doubtful(state, call->question)) outcomes.push_back(vanished(state, *inode));
  return outcomes;
}

std::vector<State> failures_of(const State& state, const CallPtr& call) {
  const std::vector<State> known = decided(state, call->question);
  if (known.empty()) return std::visit(Failure(state, call), call->question);
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

bool interfere(const State& state, const Call& one, const Call& other) {
  const auto others = touches_of(state, other.question);
  return std::ranges::any_of(touches_of(state, one.question), [&](const Touch& touch) {
    return std::ranges::any_of(others, [&](const Touch& each) { return collide(touch, each); });
  });
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
