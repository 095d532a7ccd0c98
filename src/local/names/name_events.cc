// What our side did to names.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "local/names/moments.h"
#include "local/names/name_change.h"
#include "local/names/tree_walk.h"

namespace pail::local {
namespace {

// Binds a name to an inode that is made now; the caller puts it.
Result<InodeRecord> bind_new(NameChange& change, const Place& place, InodeNumber number, const NewInode& attributes,
                             WallTime confirmed) {
  PAIL_TRY(const InodeRecord parent, change.require(place.parent));
  if (parent.unlinked()) return was_removed(parent);
  PAIL_CHECK(change.displace(place, 0));
  InodeRecord inode = change.new_inode(place, number, attributes.type);
  inode.permissions = attributes.permissions;
  inode.uid = attributes.uid;
  inode.gid = attributes.gid;
  inode.accessed = inode.modified = inode.changed = change.wall();
  inode.knowledge = Knowledge::exact;
  inode.changed_seq = change.sequence();
  inode.checked = confirmed;
  change.bind(place, number, confirmed);
  change.touch(place.parent);
  return inode;
}

// Gives the new name to the source, and takes the former one from it.
Result<InodeRecord> rebind(NameChange& change, const Rename& rename, WallTime confirmed) {
  PAIL_TRY(const InodeRecord parent, change.require(rename.to.parent));
  if (parent.unlinked()) return was_removed(parent);
  PAIL_CHECK(change.displace(rename.to, rename.replaced));
  if (rename.replaced != 0) change.detach(rename.to, rename.replaced);
  PAIL_TRY(InodeRecord source, change.require(rename.source));
  change.take_away(rename.from, rename.source);
  change.bind(rename.to, rename.source, confirmed);
  change.touch(rename.from.parent);
  change.touch(rename.to.parent);
  // Its parent may be one of those.
  source.parent = rename.to.parent;
  source.name = rename.to.name;
  source.binding = Binding::bound;
  source.changed = change.wall();
  source.changed_seq = change.sequence();
  return source;
}

}  // namespace

Result<InodeNumber> NameStore::next_number() {
  NameChange change(*this);
  const InodeNumber number = change.records().next_inode_number();
  PAIL_CHECK(change.commit());
  return number;
}

Result<std::uint64_t> NameStore::next_job() {
  NameChange change(*this);
  const std::uint64_t job = change.sequence();
  PAIL_CHECK(change.commit());
  return job;
}

Result<NewInode> NameStore::inherited(InodeNumber directory, NewInode wanted) const {
  PAIL_TRY(const InodeRecord parent, inode(directory));
  if (parent.unlinked()) return was_removed(parent);
  wanted.permissions &= 07777;
  if ((parent.permissions & S_ISGID) == 0) return wanted;
  wanted.gid = parent.gid;
  if (wanted.type == FileType::directory) wanted.permissions |= S_ISGID;
  return wanted;
}

Result<InodeRecord> NameStore::created(RequestNumber request, const Place& place, InodeNumber number,
                                       const NewInode& attributes) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, bind_new(change, place, number, attributes, change.moment()));
  inode.content = Content::staged;
  change.records().put(inode);
  change.note_attempt(request, Answered{number, {}});
  PAIL_CHECK(change.commit());
  return inode;
}

Result<InodeRecord> NameStore::made(RequestNumber request, const Place& place, const NewInode& attributes,
                                    const MadeObject& object) {
  NameChange change(*this);
  const InodeNumber number = change.records().next_inode_number();
  // A listing since then may have shown what was being made, and counts for nothing; a doubt since then counts.
  const WallTime free = std::min(object.free, change.last_free(place));
  PAIL_TRY(InodeRecord inode, bind_new(change, place, number, attributes, object.confirmed));
  inode.accessed = inode.modified = object.modified;
  inode.written = object.written;
  inode.link_target = object.link_target;
  if (inode.type == FileType::directory) {
    inode.form = DirectoryForm::slash_marker;
    inode.listed = free;  // nothing was in it then, and others may have put something there since
  } else {
    inode.size = object.size;
    inode.etag = object.etag;
    if (!object.written) inode.knowledge = Knowledge::listed;
  }
  change.records().put(inode);
  change.note_attempt(request, Answered{number, {}});
  PAIL_CHECK(change.commit());
  return inode;
}

Result<Taken> NameStore::removed(RequestNumber request, const Place& place, InodeNumber number) {
  NameChange change(*this);
  const auto inode = change.records().inode(number);
  if (inode && inode->type == FileType::directory && holds_staged(change.records(), number)) {
    InodeRecord stays = *inode;
    stays.form = DirectoryForm::implicit;
    change.records().put(stays);
    PAIL_CHECK(change.commit());
    return Taken::kept;
  }
  change.take_away(place, number);
  change.detach(place, number);
  change.touch(place.parent);
  change.note_attempt(request, Answered{number, {}});
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

// ---- renames --------------------------------------------------------------------------------------------------------

namespace {

// An answer that was being taken when the rename began took the source away. The object has its new key all the same,
// and whatever is known of the new name is older.
Result<Unit> move_name_alone(NameChange& change, const Rename& rename) {
  PAIL_CHECK(change.displace(rename.to, rename.replaced));
  if (rename.replaced != 0) change.detach(rename.to, rename.replaced);
  change.take_away(rename.from, rename.source);
  change.doubt_name(rename.to);
  change.touch(rename.from.parent);
  change.touch(rename.to.parent);
  return Unit{};
}

}  // namespace

Result<Unit> NameStore::renamed(RequestNumber request, const Rename& rename, const MovedObject& object) {
  NameChange change(*this);
  if (!change.records().inode(rename.source)) {
    PAIL_CHECK(move_name_alone(change, rename));
    change.note_attempt(request, Answered{rename.source, {}});
    return change.commit();
  }
  const auto replaced = change.records().inode(rename.replaced);
  PAIL_TRY(InodeRecord source, rebind(change, rename, object.confirmed));
  source.etag = object.etag;
  // What our uploads may have left under the new name is ours to replace.
  if (source.content == Content::staged && replaced) source.attempted += replaced->attempted;
  source.stored = object.stored;
  source.written.reset();
  source.checked = object.confirmed;
  change.records().put(source);
  change.note_attempt(request, Answered{rename.source, {}});
  return change.commit();
}

namespace {

// Objects that were stored in parts have another ETag when they are copied.
void take_over_copy(NameChange& change, InodeNumber directory, const CopiedContent& copied) {
  auto inode = inode_below(change.records(), directory, copied.below);
  if (!inode || inode->type == FileType::directory) return;
  const bool based = inode->etag == copied.before;
  const bool attempted = inode->attempted.find(copied.before) != std::string::npos;
  if (!based && !attempted) return;
  if (based) inode->etag = copied.after;
  if (attempted) inode->attempted += copied.after;  // the copy of ours is ours
  inode->changed_seq = change.sequence();
  change.records().put(*inode);
}

// The directory under its new name, with what is in it.
Result<Unit> rebind_tree(NameChange& change, const Rename& rename, const CopiedContents& contents) {
  PAIL_TRY(InodeRecord source, rebind(change, rename, change.moment()));
  change.note_move(source.number);
  if (rename.replaced != 0 || source.form != DirectoryForm::implicit) source.form = DirectoryForm::slash_marker;
  source.stored = {};
  change.records().put(source);
  for (;;) {
    PAIL_TRY(const auto copied, contents());
    if (!copied) return Unit{};
    take_over_copy(change, source.number, *copied);
  }
}

}  // namespace

Result<Taken> NameStore::directory_renamed(RequestNumber request, const Rename& rename, std::uint64_t job,
                                           std::string detail, const CopiedContents& contents) {
  NameChange change(*this);
  if (rename.replaced != 0 && holds_staged(change.records(), rename.replaced)) return Taken::kept;
  const auto source = change.records().inode(rename.source);
  if (source && !source->unlinked()) {
    PAIL_CHECK(rebind_tree(change, rename, contents));
  } else {  // one that is open must not come back without its names
    PAIL_CHECK(move_name_alone(change, rename));
  }
  const RequestNumber noted = request_of_deletes(request, job);
  change.note_attempt(noted, DeletesLeft{noted, rename.source, std::move(detail)});
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

namespace {

// The kernel is told that nothing was renamed: the directory gets its old name back, with what is left there, and the
// new tree is looked up anew, with numbers of its own. Else what is written under the old name would reach the new one.
void give_back_name(NameChange& change, InodeNumber directory, const Place& old_name) {
  auto found = change.records().inode(directory);
  if (!found) return;  // both names are looked up anew
  InodeRecord& back = *found;
  const Place new_name{back.parent, back.name};
  const bool had_it = has_its_name(change.records(), back);
  change.bind(old_name, directory, change.moment());
  change.note_move(directory);
  back.parent = old_name.parent;
  back.name = old_name.name;
  back.binding = Binding::bound;
  back.changed_seq = change.sequence();
  back.knowledge = Knowledge::listed;
  back.checked = back.listed = {};
  change.records().put(back);
  if (had_it) change.doubt_name(new_name);
}

}  // namespace

Result<Unit> NameStore::deletes_ended(RequestNumber request, const Place& old_name, InodeNumber directory,
                                      OldObjects left, const std::optional<Error>& failure) {
  NameChange change(*this);
  if (change.displace(old_name, 0)) {  // else a new file has the name by now
    change.unbind(old_name);
    if (left != OldObjects::gone) change.doubt_name(old_name);
    if (left == OldObjects::told_all) give_back_name(change, directory, old_name);
  }
  change.note_attempt(request, Answered{directory, failure});
  return change.commit();
}

Result<Unit> NameStore::rename_left_both(RequestNumber request, const Rename& rename, const Error& why) {
  NameChange change(*this);
  if (rename.replaced != 0) change.detach(rename.to, rename.replaced);
  change.doubt_name(rename.to);
  change.doubt_name(rename.from);
  if (auto source = change.records().inode(rename.source)) change.doubt(std::move(*source));
  change.note_attempt(request, Answered{rename.source, why});
  return change.commit();
}

Result<Unit> NameStore::let_go(InodeNumber number) {
  NameChange change(*this);
  const auto inode = change.records().inode(number);
  if (!inode || !inode->unlinked() || uses_.open(number)) return Unit{};
  change.records().erase(number);
  change.records().erase_upload(number);
  return change.commit();
}

// ---- doubts ---------------------------------------------------------------------------------------------------------

Result<Unit> NameStore::doubted(InodeNumber number) {
  NameChange change(*this);
  if (auto inode = change.records().inode(number)) change.doubt(std::move(*inode));
  return change.commit();
}

Result<Unit> NameStore::doubted(const Place& place) {
  NameChange change(*this);
  change.doubt_name(place);
  return change.commit();
}

Result<Unit> NameStore::all_doubted() {
  NameChange change(*this);
  moments_->distrust(change.records());
  return change.commit();
}

Result<Unit> NameStore::tree_doubted(const Place& place) {
  NameChange change(*this);
  auto inode = change.inode_at(place);
  if (!inode) {
    change.doubt_name(place);
    return change.commit();
  }
  inode->listed = {};
  change.note_move(inode->number);
  change.records().put(*inode);
  return change.commit();
}

}  // namespace pail::local
