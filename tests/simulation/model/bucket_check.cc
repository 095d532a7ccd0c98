#include "simulation/model/bucket_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "simulation/model/describe.h"

namespace pail::simulation::model {
namespace {

// The mount stores all that it knows of a file.
bool is(const StoredObject& object, const std::string& bytes, const Snapshot& snapshot) {
  const bool same_mode = !snapshot.permissions || object.permissions == snapshot.permissions;
  const bool same_time = !snapshot.modified || object.modified == snapshot.modified;
  return same_mode && same_time && snapshot.bytes.equals(bytes);
}

std::string describe_object(const std::optional<StoredObject>& object) {
  if (!object) return "no object";
  std::string text = describe_bytes(object->content.bytes());
  if (object->permissions) text += fmt::format(", {:04o}", *object->permissions);
  if (object->modified) text += fmt::format(", modified {}", object->modified->time_since_epoch().count());
  return text;
}

std::string describe_all(const Snapshots& candidates) {
  std::string text;
  for (const SnapshotPtr& each : candidates) text += (text.empty() ? "" : "; or ") + describe(each);
  return text;
}

std::string wrong_object(const std::string& key, const std::optional<StoredObject>& object,
                         const Snapshots& candidates) {
  return fmt::format("{} has {} in the bucket, and may have {}", quote(key), describe_object(object),
                     describe_all(candidates));
}

// What an answer to the call has shown of an object.
Snapshot snapshot_of(const StoredObject& object, const Call& call) {
  Snapshot snapshot{.bytes = {}, .permissions = object.permissions, .modified = object.modified};
  snapshot.bytes.write(0, call.unique, std::make_shared<const std::string>(object.content.bytes()));
  return snapshot;
}

bool name_is_sure(const State& state, const Inode& inode) {
  for (const Inode* each = &inode; each->parent != 0; each = &state.at(each->parent))
    if (!state.dirent(each->parent, each->name)->sure) return false;
  return true;
}

}  // namespace

Snapshots those_in(const std::optional<StoredObject>& object, const Snapshots& candidates) {
  Snapshots found;
  const std::string bytes = object ? object->content.bytes() : std::string();
  for (const SnapshotPtr& each : candidates)
    if (object ? each && is(*object, bytes, *each) : !each) found.add(each);
  return found;
}

// ---- after one answer -----------------------------------------------------------------------------------------------

Fault AnsweredCheck::check(const Call& call, const Answer& answer, Around around) {
  Fault fault;
  if (around.store || around.full_disk || around.failing_disk) doubt_what_it_removed(call);
  if (const auto* flush = std::get_if<Flush>(&call.question)) fault = flushed(call, *flush);
  if (std::holds_alternative<Sync>(call.question)) fault = stored(call);
  if (std::holds_alternative<Release>(call.question)) fault = released(call, around);
  if (const auto* set = std::get_if<SetAttributes>(&call.question)) fault = attributes_set(call, *set);
  if (const auto* rename = std::get_if<Rename>(&call.question)) fault = renamed(call, *rename);
  if (const auto* unlink = std::get_if<Unlink>(&call.question)) fault = gone({unlink->parent, unlink->name}, false);
  if (const auto* rmdir = std::get_if<RemoveDirectory>(&call.question))
    fault = gone({rmdir->parent, rmdir->name}, true);
  if (const auto* mkdir = std::get_if<MakeDirectory>(&call.question)) fault = made({mkdir->parent, mkdir->name});
  if (const auto* link = std::get_if<MakeSymlink>(&call.question)) fault = made({link->parent, link->name});
  if (const Inode* inode = shown_by(call)) shown(*inode, call, answer);
  end_window(call);
  return fault;
}

// Its bytes are brought here before it goes, but those that the bucket never had, which are here. Where that failed it
// goes all the same; where its caller was killed meanwhile it does not go.
void AnsweredCheck::doubt_what_it_removed(const Call& call) {
  for (const auto& inode : state_.inodes()) {
    if (inode->removed_by != call.unique || inode->stored.without_nothing().empty()) continue;
    state_.edit(inode->id).unreadable = true;
    return;
  }
}

const Inode* AnsweredCheck::shown_by(const Call& call) const {
  if (const auto* asked = std::get_if<GetAttributes>(&call.question)) return state_.by_number(asked->number);
  const auto* lookup = std::get_if<Lookup>(&call.question);
  const Inode* directory = lookup != nullptr ? state_.by_number(lookup->parent) : nullptr;
  return directory != nullptr ? state_.child(directory->id, lookup->name) : nullptr;
}

// What is shown is what the bucket has: a failure before it has not taken that away. Who had it open before may still
// be told of another object.
void AnsweredCheck::shown(const Inode& inode, const Call& call, const Answer& answer) {
  if (!inode.may_be_stale || !inode.linked() || may_be_open(inode) || !at_rest(inode.parent, inode.name)) return;
  const Id id = inode.id;
  if (inode.strange) settle_if_shown(inode, call, std::get<ShownEntry>(answer.value));
  const Inode& known = state_.at(id);
  if (known.strange || !name_is_sure(state_, known)) return;
  if (those_in(bucket_.look(state_.key(id)), Snapshots(known.now)).empty()) return;
  counts_.note(Check::no_longer_stale);
  state_.edit(id).may_be_stale = false;
}

void AnsweredCheck::settle_if_shown(const Inode& inode, const Call& call, const ShownEntry& entry) {
  const auto object = bucket_.look(state_.key(inode.id));
  if (!object || entry.type != FileType::regular || is_changing(inode)) return;
  const Snapshot snapshot = snapshot_of(*object, call);
  const bool is_it = snapshot.bytes.size() == entry.size && object->permissions == entry.permissions &&
                     object->modified == entry.modified;
  if (!is_it) return;
  counts_.note(Check::known_again);
  state_.settle(inode.id, snapshot, State::Found::shown);
}

void AnsweredCheck::end_window(const Call& call) {
  if (const Inode* inode = stored_by(call)) state_.edit(inode->id).windows.erase(call.unique);
}

const Inode* AnsweredCheck::stored_by(const Call& call) const {
  for (const auto& inode : state_.inodes())
    if (inode->windows.contains(call.unique)) return inode.get();
  return nullptr;
}

// Whether another call under way may make, move or remove the name.
bool AnsweredCheck::is_moving(Id directory, const std::string& name) const {
  return std::ranges::any_of(others_, [&](const auto& other) {
    if (!changes_names(other.second->question)) return false;
    const auto places = places_of(other.second->question);
    return std::ranges::any_of(places, [&](const Place& place) {
      const Inode* parent = state_.by_number(place.parent);
      return parent != nullptr && parent->id == directory && place.name == name;
    });
  });
}

bool AnsweredCheck::at_rest(Id directory, const std::string& name) const {
  if (is_moving(directory, name)) return false;
  if (directory == kRoot) return true;
  const Inode& parent = state_.at(directory);
  return parent.linked() && name_is_sure(state_, parent) && at_rest(parent.parent, parent.name);
}

// By a call that is under way.
bool AnsweredCheck::is_changing(const Inode& inode) const {
  if (!inode.reads.empty() || !inode.before_writes.empty()) return true;
  return std::ranges::any_of(others_, [&](const auto& other) {
    const Question& question = other.second->question;
    const auto* set = std::get_if<SetAttributes>(&question);
    const auto* write = std::get_if<Write>(&question);
    return (set != nullptr && set->number == inode.number) || (write != nullptr && write->number == inode.number);
  });
}

// An open that is under way counts from its beginning on.
bool AnsweredCheck::may_be_open(const Inode& inode) const {
  if (inode.opens > 0) return true;
  return std::ranges::any_of(others_, [&](const auto& other) {
    const auto* open = std::get_if<Open>(&other.second->question);
    const auto* create = std::get_if<Create>(&other.second->question);
    if (open != nullptr) return open->number == inode.number;
    return create != nullptr && create->name == inode.name;
  });
}

Fault AnsweredCheck::flushed(const Call& call, const Flush& flush) {
  const Inode* inode = stored_by(call);
  if (inode == nullptr) return {};
  const auto handle = inode->handles.find(flush.handle);
  if (handle != inode->handles.end() && !handle->second) return {};
  const auto& window = inode->windows.at(call.unique);
  const bool was_empty =
      std::ranges::any_of(window, [](const SnapshotPtr& each) { return each && each->bytes.size() == 0; });
  if (flush.caller_has_another && was_empty) return {};
  return stored(call);
}

// The answer does not wait for the upload in every implementation: it is looked at when all has settled.
Fault AnsweredCheck::released(const Call& call, Around around) {
  const Inode* inode = stored_by(call);
  if (inode == nullptr || around != Around::calm || may_be_open(*inode) || !inode->linked() ||
      !name_is_sure(state_, *inode))
    return {};
  counts_.note(Check::released);
  Inode& closed = state_.edit(inode->id);
  closed.stored = closed.windows.at(call.unique);
  closed.rewritten = closed.soon = false;
  for (const auto& [other, window] : closed.windows) closed.stored.add(window);
  return {};
}

Fault AnsweredCheck::attributes_set(const Call& call, const SetAttributes& set) {
  const Inode* inode = stored_by(call);
  if (inode == nullptr || (set.size && may_be_open(*inode))) return {};
  return stored(call);
}

Fault AnsweredCheck::renamed(const Call& call, const Rename& rename) {
  const Place from{rename.parent, rename.name}, to{rename.new_parent, rename.new_name};
  const Inode* directory = state_.by_number(to.parent);
  const Inode* moved = directory != nullptr ? state_.child(directory->id, to.name) : nullptr;
  const bool is_directory = moved != nullptr && moved->is_directory();
  if (Fault fault = gone(from, is_directory)) return fault;
  const Inode* inode = stored_by(call);
  // A new file that is open may have no object to be renamed: then its next close stores it under the new name.
  if (inode == nullptr || inode->windows.size() > 1 || inode->stored.has_nothing()) return {};
  return stored(call);
}

// The bucket has the marker of a directory, or the object of a symbolic link.
Fault AnsweredCheck::made(const Place& place) {
  const Inode* directory = state_.by_number(place.parent);
  const Inode* made = directory != nullptr ? state_.child(directory->id, place.name) : nullptr;
  if (made == nullptr || !at_rest(directory->id, place.name)) return {};
  counts_.note(Check::made);
  const std::string key = state_.key(made->id);
  const auto object = bucket_.look(key);
  const bool right = object && (made->is_directory() || made->strange || !those_in(object, made->stored).empty());
  if (!right)
    return fmt::format("{} was made, and {} has {} in the bucket", quote(place.name), quote(key),
                       describe_object(object));
  return {};
}

Fault AnsweredCheck::gone(const Place& place, bool directory) {
  const Inode* parent = state_.by_number(place.parent);
  if (parent == nullptr || !parent->linked() || state_.child(parent->id, place.name) != nullptr) return {};
  if (!at_rest(parent->id, place.name)) return {};
  counts_.note(directory ? Check::directory_gone : Check::gone);
  const std::string key = state_.key(parent->id) + place.name + (directory ? "/" : "");
  if (!directory) {
    if (const auto object = bucket_.look(key))
      return fmt::format("{} is gone, and still has {} in the bucket", quote(key), describe_object(object));
    state_.strange_keys.erase(key);
    return {};
  }
  for (const std::string& left : bucket_.keys())
    if (left.starts_with(key)) return fmt::format("{} is gone, and {} is still in the bucket", quote(key), quote(left));
  return {};
}

Fault AnsweredCheck::stored(const Call& call) {
  const Inode* inode = stored_by(call);
  if (inode == nullptr) return {};
  if (inode->strange) return stored_strange(call);
  const Snapshots window = inode->windows.at(call.unique);
  return stored_as(inode->id, window);
}

// Of what was changed since an abandoned request did something to its key: an object that nothing else has replaced.
Fault AnsweredCheck::stored_strange(const Call& call) {
  const Inode& inode = *stored_by(call);
  const bool was_changed = inode.rewritten && inode.windows.at(call.unique).is_only(inode.now);
  if (!was_changed || !inode.linked() || !at_rest(inode.parent, inode.name)) return {};
  counts_.note(Check::stored_after_an_abandoned_request);
  const std::string key = state_.key(inode.id);
  const auto object = bucket_.look(key);
  if (!object) return fmt::format("{} was stored, and has no object in the bucket", quote(key));
  const bool others_store_it = inode.windows.size() > 1;
  if (!others_store_it && !is_changing(inode))
    state_.settle(inode.id, snapshot_of(*object, call), State::Found::stored);
  return {};
}

Fault AnsweredCheck::stored_as(Id id, const Snapshots& candidates) {
  const Inode& inode = state_.at(id);
  if (!inode.linked() || !name_is_sure(state_, inode)) return {};
  Snapshots found = candidates;
  if (at_rest(inode.parent, inode.name)) {
    counts_.note(Check::stored);
    const std::string key = state_.key(id);
    const auto object = bucket_.look(key);
    found = those_in(object, candidates);
    if (found.empty()) return wrong_object(key, object, candidates);
    if (found.is_only(inode.now)) state_.has_read(id, 0, inode.now->bytes.bytes());
    state_.strange_keys.erase(key);
  }
  Inode& known = state_.edit(id);
  const bool others_store_it = known.windows.size() > 1;
  for (const auto& [call, window] : known.windows)
    if (others_store_it) found.add(window);
  known.stored = std::move(found);
  if (!known.stored.has_nothing()) known.rewritten = known.soon = false;
  return {};
}

// ---- when all has settled -------------------------------------------------------------------------------------------

namespace {

class WholeCheck {
 public:
  WholeCheck(State& state, const BucketView& bucket, CheckCounts& counts)
      : state_(state), bucket_(bucket), counts_(counts) {}

  Fault run() {
    for (const std::string& key : bucket_.keys())
      if (!is_strange(key)) keys_.insert(key);
    if (Fault fault = directory(kRoot, true)) return fault;
    if (!keys_.empty()) return fmt::format("{} is in the bucket and belongs to nothing", quote(*keys_.begin()));
    return {};
  }

 private:
  Fault directory(Id id, bool sure) {
    const std::string key = state_.key(id);
    const bool marked = keys_.erase(key) > 0;
    if (Fault fault = marker(id, sure, marked)) return fault;
    const auto names = state_.at(id).names;
    for (const auto& [name, dirent] : names) {
      const bool child_sure = sure && dirent.sure;
      Fault fault =
          state_.at(dirent.inode).is_directory() ? directory(dirent.inode, child_sure) : file(dirent.inode, child_sure);
      if (fault) return fault;
    }
    return {};
  }

  Fault marker(Id id, bool sure, bool marked) const {
    const std::string key = state_.key(id);
    const Inode& inode = state_.at(id);
    if (id == kRoot || !sure || !inode.marked || is_strange(key)) return {};
    counts_.note(Check::marker);
    if (!marked) return fmt::format("the directory {} has no marker in the bucket", quote(key));
    const auto object = bucket_.look(key);
    if (Fault fault = owner(key, object)) return fault;
    if (!inode.now->permissions || object->permissions == inode.now->permissions) return {};
    return fmt::format("the directory {} is {:04o} in the bucket, and was made {:04o}", quote(key),
                       object->permissions.value_or(0), *inode.now->permissions);
  }

  static Fault owner(const std::string& key, const std::optional<StoredObject>& object) {
    if (!object || !object->owner || *object->owner == kProgramOwner) return {};
    return fmt::format("{} belongs to {}:{} in the bucket", quote(key), object->owner->uid, object->owner->gid);
  }

  Fault file(Id id, bool sure) {
    const std::string key = state_.key(id);
    const auto object = bucket_.look(key);
    keys_.erase(key);
    if (state_.at(id).strange || is_strange(key)) return {};
    counts_.note(Check::object);
    if (Fault fault = owner(key, object)) return fault;
    Snapshots candidates = state_.at(id).stored;
    if (!sure) candidates.add(SnapshotPtr());
    Snapshots found = those_in(object, candidates);
    if (found.empty()) return wrong_object(key, object, candidates);
    const bool decides = !state_.at(id).choices.empty() && found.size() == 1 && !found.has_nothing();
    if (decides)
      state_.choose(id, *found.begin());
    else if (sure)
      state_.edit(id).stored = found;
    return {};
  }

  bool is_strange(const std::string& key) const { return state_.strange_keys.contains(key); }

  State& state_;
  const BucketView& bucket_;
  CheckCounts& counts_;
  std::set<std::string> keys_;  // that belong to nothing yet
};

// It was stored all the same, with whichever attributes.
bool has(const BucketView& bucket, const State& state, const Owed& owed) {
  const Inode* inode = state.find(owed.inode);
  if (inode == nullptr || !inode->linked()) return false;
  const auto object = bucket.look(state.key(inode->id));
  return object && owed.content->bytes.equals(object->content.bytes());
}

bool keeps(const fake::Content& content, const Owed& owed) {
  const std::string bytes = content.bytes();
  if (owed.content->bytes.equals(bytes)) return true;
  return std::ranges::any_of(owed.bases, [&](const SnapshotPtr& base) {
    return owed.content->bytes.equals_but_for_holes(bytes, base->bytes);
  });
}

}  // namespace

void drop_stored(State& state, const BucketView& bucket) {
  std::erase_if(state.owed, [&](const Owed& owed) { return has(bucket, state, owed); });
}

Fault check_all(State& state, const BucketView& bucket, const KeptView& kept, CheckCounts& counts) {
  if (Fault fault = WholeCheck(state, bucket, counts).run()) return fault;
  for (const Owed& owed : state.owed) {
    counts.note(Check::kept);
    const bool found = std::ranges::any_of(kept, [&](const fake::Content& content) { return keeps(content, owed); });
    if (found || has(bucket, state, owed)) continue;
    const std::string name = state.find(owed.inode) != nullptr ? state.path(owed.inode) : "a file";
    return fmt::format("what was written to {} before the mount died is not kept: {}", quote(name),
                       describe(owed.content));
  }
  state.owed.clear();
  return {};
}

}  // namespace pail::simulation::model
