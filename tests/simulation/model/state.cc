#include "simulation/model/state.h"

#include <algorithm>
#include <utility>

#include "simulation/model/digest.h"

namespace pail::simulation::model {
namespace {

std::uint64_t digest_of(const SnapshotPtr& snapshot) {
  return snapshot ? snapshot->digest : 0;
}

std::uint64_t digest_of(const Stream::Names& names) {
  ValueDigest digest;
  for (const auto& [name, id] : names) digest.add(name).add(id);
  return digest.value();
}

}  // namespace

SnapshotPtr make_snapshot(Snapshot snapshot) {
  ValueDigest digest;
  digest.add(snapshot.bytes.digest()).add(snapshot.permissions ? *snapshot.permissions : 1ull << 40);
  digest.add(snapshot.modified ? static_cast<std::uint64_t>(snapshot.modified->time_since_epoch().count()) : 0);
  snapshot.digest = digest.add(snapshot.modified.has_value()).value();
  return std::make_shared<const Snapshot>(std::move(snapshot));
}

std::uint64_t Reading::digest() const {
  return ValueDigest().add(contents.digest()).add(cut).value();
}

// ---- snapshots ------------------------------------------------------------------------------------------------------

void Snapshots::add(const SnapshotPtr& snapshot) {
  const auto before = [](const SnapshotPtr& a, const SnapshotPtr& b) { return digest_of(a) < digest_of(b); };
  const auto place = std::lower_bound(all_.begin(), all_.end(), snapshot, before);
  if (place == all_.end() || digest_of(*place) != digest_of(snapshot)) all_.insert(place, snapshot);
}

void Snapshots::add(const Snapshots& others) {
  for (const SnapshotPtr& snapshot : others.all_) add(snapshot);
}

bool Snapshots::has(const SnapshotPtr& snapshot) const {
  return std::ranges::any_of(all_, [&](const SnapshotPtr& own) { return digest_of(own) == digest_of(snapshot); });
}

Snapshots Snapshots::without_nothing() const {
  Snapshots out;
  for (const SnapshotPtr& snapshot : all_)
    if (snapshot) out.add(snapshot);
  return out;
}

std::uint64_t Snapshots::digest() const {
  ValueDigest digest;
  for (const SnapshotPtr& snapshot : all_) digest.add(digest_of(snapshot));
  return digest.value();
}

std::uint64_t Inode::digest() const {
  ValueDigest digest;
  digest.add(id).add(static_cast<std::uint64_t>(type)).add(digest_of(now)).add(choices.digest()).add(stored.digest());
  digest.add(rewritten)
      .add(soon)
      .add(number)
      .add(earlier_number)
      .add(number_before)
      .add(stale_for_open)
      .add(forgotten)
      .add(may_be_stale)
      .add(strange)
      .add(over_link)
      .add(removed_by)
      .add(unreadable)
      .add(opens)
      .add(opened_by)
      .add(parent)
      .add(name)
      .add(marked);
  for (const auto& [call, window] : windows) digest.add(call).add(window.digest());
  digest.add(reads.size());
  for (const auto& [call, reading] : reads) digest.add(call).add(reading.digest());
  digest.add(before_writes.size());
  for (const auto& [call, before] : before_writes) digest.add(call).add(digest_of(before));
  digest.add(handles.size());
  for (const auto& [handle, writes] : handles) digest.add(handle).add(writes);
  for (const auto& [child, dirent] : names) digest.add(child).add(dirent.inode).add(dirent.sure).add(dirent.strange);
  return digest.value();
}

std::uint64_t Stream::digest() const {
  ValueDigest digest;
  digest.add(directory).add(next_offset).add(in_order);
  digest.add(digest_of(throughout)).add(digest_of(ever)).add(digest_of(listed));
  for (const Id id : changed) digest.add(id);
  return digest.value();
}

// ---- looking --------------------------------------------------------------------------------------------------------

State::State(std::uint32_t root_permissions) {
  Inode root;
  root.id = kRoot;
  root.type = FileType::directory;
  root.number = vfs::kRootInode;
  root.marked = false;
  root.now = make_snapshot({.bytes = {}, .permissions = root_permissions, .modified = {}});
  add(std::move(root));
}

const Inode* State::find(Id id) const {
  const auto before = [](const std::shared_ptr<const Inode>& inode, Id wanted) { return inode->id < wanted; };
  const auto place = std::lower_bound(inodes_.begin(), inodes_.end(), id, before);
  return place != inodes_.end() && (*place)->id == id ? place->get() : nullptr;
}

const Inode* State::by_number(InodeNumber number) const {
  for (const auto& inode : inodes_)
    if (number != 0 && inode->number == number) return inode.get();
  return nullptr;
}

const Dirent* State::dirent(Id directory, std::string_view name) const {
  const auto& names = at(directory).names;
  const auto found = names.find(std::string(name));
  return found != names.end() ? &found->second : nullptr;
}

const Inode* State::child(Id directory, std::string_view name) const {
  const Dirent* found = dirent(directory, name);
  return found != nullptr ? find(found->inode) : nullptr;
}

bool State::lies_below(Id id, Id directory) const {
  for (; id != 0; id = at(id).parent)
    if (id == directory) return true;
  return false;
}

std::string State::path(Id id) const {
  const Inode& inode = at(id);
  if (id == kRoot) return "";
  if (inode.parent == 0) return "(" + inode.name + ")";
  return inode.parent == kRoot ? inode.name : path(inode.parent) + "/" + inode.name;
}

std::string State::key(Id id) const {
  if (id == kRoot) return "";
  return path(id) + (at(id).is_directory() ? "/" : "");
}

std::vector<Id> State::tree(Id directory) const {
  std::vector<Id> all;
  for (const auto& [name, dirent] : at(directory).names) all.push_back(dirent.inode);
  for (std::size_t i = 0; i < all.size(); ++i)
    for (const auto& [name, dirent] : at(all[i]).names) all.push_back(dirent.inode);
  return all;
}

// ---- changing -------------------------------------------------------------------------------------------------------

Inode& State::edit(Id id) {
  const auto before = [](const std::shared_ptr<const Inode>& inode, Id wanted) { return inode->id < wanted; };
  auto& place = *std::lower_bound(inodes_.begin(), inodes_.end(), id, before);
  auto copy = std::make_shared<Inode>(*place);
  Inode& inode = *copy;
  place = std::move(copy);
  return inode;
}

Inode& State::add(Inode inode) {
  const auto before = [](const std::shared_ptr<const Inode>& each, Id wanted) { return each->id < wanted; };
  auto place = std::lower_bound(inodes_.begin(), inodes_.end(), inode.id, before);
  auto added = std::make_shared<Inode>(std::move(inode));
  Inode& out = *added;
  inodes_.insert(place, std::move(added));
  return out;
}

void State::drop(Id id) {
  std::erase_if(inodes_, [id](const std::shared_ptr<const Inode>& inode) { return inode->id == id; });
}

void State::link(Id directory, const std::string& name, Id id, bool sure) {
  edit(directory).names[name] = {id, sure};
  Inode& inode = edit(id);
  inode.parent = directory;
  inode.name = name;
  for (auto& [key, stream] : streams)
    if (stream.directory == directory) stream.ever.insert({name, id});
}

void State::make_sure(Id directory, const std::string& name) {
  Dirent& dirent = edit(directory).names[name];
  dirent.sure = true;
  dirent.strange = false;
}

void State::make_unsure(Id directory, const std::string& name) {
  edit(directory).names[name].sure = false;
  lose(directory, name);
}

// No stream has to list it any more.
void State::lose(Id directory, const std::string& name) {
  for (auto& [key, stream] : streams)
    if (stream.directory == directory)
      std::erase_if(stream.throughout, [&](const auto& entry) { return entry.first == name; });
}

void State::detach(Id directory, const std::string& name) {
  const Id id = dirent(directory, name)->inode;
  edit(directory).names.erase(name);
  edit(id).parent = 0;
  lose(directory, name);
  const std::vector<Id> below = tree(id);  // of a directory whose names may have been there
  for (const Id lost : below) edit(lost).parent = 0;
  if (!below.empty()) edit(id).names.clear();
  if (at(id).number == 0 && at(id).opens == 0) drop(id);
}

void State::change(Id id, const Snapshot& to) {
  Inode& inode = edit(id);
  for (auto& [call, reading] : inode.reads) reading.cut = reading.cut || to.bytes.size() < inode.now->bytes.size();
  inode.rewritten = inode.rewritten || to.bytes.digest() != inode.now->bytes.digest();
  inode.now = make_snapshot(to);
  for (auto& [call, reading] : inode.reads) reading.contents.add(inode.now);
  for (auto& [call, window] : inode.windows) window.add(inode.now);
  if (!inode.windows.empty() || inode.soon) inode.stored.add(inode.now);
  for (auto& [key, stream] : streams) stream.changed.insert(id);
}

void State::write(Id id, std::uint64_t call, const Snapshot& to) {
  Inode& inode = edit(id);
  inode.before_writes[call] = inode.now;
  change(id, to);
}

const Inode* State::written_by(std::uint64_t call) const {
  const auto wrote = [call](const auto& inode) { return inode->before_writes.contains(call); };
  const auto found = std::ranges::find_if(inodes_, wrote);
  return found != inodes_.end() ? found->get() : nullptr;
}

State State::with_short_write(std::uint64_t call, std::uint64_t at, std::uint64_t length, std::uint64_t done) const {
  State after = *this;
  const Inode* inode = written_by(call);
  if (inode == nullptr) return after;
  Snapshot shorter = *inode->now;
  shorter.bytes.take_back(inode->before_writes.at(call)->bytes, at + done, at + length);
  after.change(inode->id, shorter);
  return after;
}

std::vector<State> State::with_failed_write(std::uint64_t call, std::uint64_t at, std::uint64_t length,
                                            std::uint64_t done, Growth growth) const {
  const Inode* wrote = written_by(call);
  if (wrote == nullptr) return {*this};
  const Inode& inode = *wrote;
  const FileBytes& before = inode.before_writes.at(call)->bytes;
  std::vector<State> states;
  const auto add = [&](const Snapshot& content) {
    states.push_back(*this);
    states.back().change(inode.id, content);
  };
  Snapshot doubtful = *inode.now;
  doubtful.bytes.doubt(before, at + done, length - done, call);
  const bool made_longer = doubtful.bytes.size() > before.size();
  if (!made_longer || growth == Growth::may_stay) add(doubtful);
  doubtful.bytes.resize(done > 0 ? std::max(before.size(), at + done) : before.size());
  if (made_longer) add(doubtful);
  return states;
}

void State::begin_read(Id id, std::uint64_t call) {
  Inode& inode = edit(id);
  Reading& reading = inode.reads[call];
  if (inode.choices.empty()) reading.contents.add(inode.now);
  for (const auto& [write, before] : inode.before_writes) reading.contents.add(before);
}

void State::has_read(Id id, std::uint64_t offset, std::string_view bytes) {
  if (at(id).before_writes.empty()) return;
  Inode& inode = edit(id);
  for (auto& [write, before] : inode.before_writes) {
    Snapshot left = *before;
    left.bytes.renew(inode.now->bytes, offset, bytes);
    before = make_snapshot(std::move(left));
  }
}

void State::end_call(std::uint64_t call) {
  for (const auto& inode : inodes_) {
    if (!inode->reads.contains(call) && !inode->before_writes.contains(call)) continue;
    Inode& known = edit(inode->id);
    known.reads.erase(call);
    known.before_writes.erase(call);
    return;
  }
}

void State::choose(Id id, SnapshotPtr choice) {
  Inode& inode = edit(id);
  inode.now = choice;
  for (auto& [call, reading] : inode.reads) reading.contents.add(choice);
  inode.choices = {};
  // While it is being stored the bucket may have something else yet.
  if (inode.windows.empty() && inode.stored.has(choice)) inode.stored = Snapshots(choice);
  std::erase_if(owed, [&](const Owed& each) {
    return each.inode == id && each.content->bytes.digest() == choice->bytes.digest();
  });
}

void State::make_strange(Id id) {
  Inode& inode = edit(id);
  inode.may_be_stale = true;
  inode.marked = false;
  inode.strange = !inode.is_directory();
  inode.rewritten = false;
  inode.choices = {};
  const bool may_vanish = inode.strange || inode.names.empty();
  const Id parent = inode.parent;
  const std::string name = inode.name;
  if (!may_vanish) return;
  make_unsure(parent, name);
  edit(parent).names[name].strange = true;
}

void State::add_strange(Id directory, const std::string& name, FileType type, Id id) {
  Inode inode;
  inode.id = id;
  inode.type = type;
  inode.now = make_snapshot({.bytes = {}, .permissions = {}, .modified = {}});
  inode.strange = type != FileType::directory;
  inode.may_be_stale = true;
  inode.marked = false;
  add(std::move(inode));
  link(directory, name, id, false);
  edit(directory).names[name].strange = true;
}

std::vector<State> State::with_strange(const std::string& key, std::uint64_t unique) const {
  const bool marker = key.ends_with('/');
  const std::string path = marker ? key.substr(0, key.size() - 1) : key;
  State after = *this;
  after.strange_keys.insert(key);
  Id directory = kRoot, next = unique << 16;
  std::size_t begin = 0;
  for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', begin)) {
    const std::string name = path.substr(begin, slash - begin);
    if (after.child(directory, name) == nullptr) after.add_strange(directory, name, FileType::directory, ++next);
    const Id above = std::exchange(directory, after.child(directory, name)->id);
    if (!after.at(directory).is_directory()) {
      // A file with the name of a directory above the key: which of the two is shown is not known.
      State hidden = after;
      hidden.strange_keys.insert(hidden.key(directory));
      hidden.detach(above, name);
      hidden.add_strange(above, name, FileType::directory, ++next);
      std::vector<State> states = hidden.with_strange(key, unique + 1);
      states.push_back(std::move(after));
      return states;
    }
    begin = slash + 1;
  }
  const std::string name = path.substr(begin);
  const FileType type = marker ? FileType::directory : FileType::regular;
  const Inode* there = after.child(directory, name);
  if (there == nullptr) {
    after.add_strange(directory, name, type, ++next);
    return {std::move(after)};
  }
  if (marker != there->is_directory()) return {std::move(after)};
  after.make_strange(there->id);
  if (marker) return {std::move(after)};
  State other = after;
  const Id file = there->id;
  other.detach(directory, name);  // the file keeps its number, and another one has its name
  other.add_strange(directory, name, type, ++next);
  for (Owed& each : other.owed)  // by its name the bucket may get it yet
    if (each.inode == file) each.inode = next;
  return {std::move(after), std::move(other)};
}

void State::drop_owed(const std::string& key_of_object, const std::string& bytes) {
  std::erase_if(owed, [&](const Owed& each) {
    const Inode* inode = find(each.inode);
    return inode != nullptr && inode->linked() && key(inode->id) == key_of_object && each.content->bytes.equals(bytes);
  });
}

void State::settle(Id id, const Snapshot& object, Found found) {
  strange_keys.erase(key(id));
  Inode& inode = edit(id);
  inode.strange = inode.soon = false;
  inode.rewritten = found == Found::shown;
  inode.now = make_snapshot(object);
  inode.stored = Snapshots(inode.now);
  make_sure(inode.parent, inode.name);
  drop_owed(key(id), object.bytes.bytes());
}

void State::forget(InodeNumber number) {
  const Inode* inode = by_number(number);
  if (inode == nullptr || inode->id == kRoot) return;
  if (!inode->linked() && inode->opens == 0) return drop(inode->id);
  Inode& known = edit(inode->id);
  known.stale_for_open = known.forgotten = true;
}

// ---- a mount that died ----------------------------------------------------------------------------------------------

void State::begin_anew(const IsStored& is_stored) {
  streams.clear();
  std::vector<Id> all;
  for (const auto& inode : inodes_) all.push_back(inode->id);
  for (const Id id : all)
    if (find(id) != nullptr) begin_anew(id, is_stored);
}

void State::begin_anew(Id id, const IsStored& is_stored) {
  if (!at(id).linked()) return drop(id);
  Inode& inode = edit(id);
  inode.windows.clear();
  inode.reads.clear();
  inode.before_writes.clear();
  inode.handles.clear();
  inode.opens = 0;
  const bool may_be_removed = inode.may_be_stale && !inode.rewritten;
  inode.rewritten = inode.soon = inode.may_be_stale = inode.forgotten = false;
  inode.stale_for_open = true;
  if (id == kRoot) return;
  if (inode.number != 0) inode.earlier_number = inode.number;
  inode.number = 0;
  if (inode.is_directory() && !inode.marked && !is_stored(key(id))) {  // it may have been there for this mount alone
    const auto is_sure = [](const auto& name) { return name.second.sure; };
    if (std::ranges::none_of(inode.names, is_sure)) make_unsure(inode.parent, inode.name);
    return;
  }
  if (!inode.is_file() || inode.strange) return;
  const bool sure = dirent(inode.parent, inode.name)->sure;
  const bool new_bytes = !inode.stored.has(inode.now) || (inode.stored.size() > 1 && !may_be_removed);
  if (sure && inode.choices.empty() && new_bytes && inode.now->bytes.size() > 0)
    owed.push_back({id, inode.now, inode.stored.without_nothing()});
  const bool may_be_missing = inode.stored.has_nothing();
  if (may_be_missing && inode.over_link) return make_strange(id);  // the link may be there again
  inode.choices = inode.stored = inode.stored.without_nothing();
  const Id parent = inode.parent;
  const std::string name = inode.name;
  if (inode.choices.empty()) return detach(parent, name);
  if (may_be_missing) make_unsure(parent, name);
  if (at(id).choices.size() > 1) return;
  Inode& known = edit(id);
  known.now = *known.choices.begin();
  known.choices = {};
}

std::uint64_t State::digest() const {
  ValueDigest digest;
  for (const auto& inode : inodes_) digest.add(inode->digest());
  for (const auto& [key, stream] : streams) digest.add(key.first).add(key.second).add(stream.digest());
  for (const Owed& each : owed) digest.add(each.inode).add(each.content->digest).add(each.bases.digest());
  for (const std::string& key : strange_keys) digest.add(key);
  return digest.value();
}

}  // namespace pail::simulation::model
