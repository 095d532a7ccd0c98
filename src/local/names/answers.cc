// What was asked of the object store about one inode or one name, and what it said.
#include <algorithm>

#include "local/names/absent_names.h"
#include "local/names/moments.h"
#include "local/names/name_change.h"
#include "local/names/recent_changes.h"
#include "local/names/tree_walk.h"

namespace pail::local {
namespace {

// All that headers tell. What a link leads to is known from its bytes, and stays while those do.
void describe(InodeRecord& inode, const ObjectFacts& object) {
  if (inode.etag != object.etag) inode.link_target.clear();
  inode.type = object.type;
  inode.permissions = object.permissions;
  inode.uid = object.uid;
  inode.gid = object.gid;
  inode.size = object.type == FileType::directory ? ByteCount{} : object.size;
  inode.accessed = object.accessed;
  inode.modified = object.modified;
  inode.changed = inode.stored = object.stored;
  inode.etag = object.etag;
  inode.headers = object.headers;
  inode.knowledge = Knowledge::exact;
}

// A directory's own marker, whose key the caller asked for.
void describe_directory(InodeRecord& inode, const ObjectFacts& marker) {
  describe(inode, marker);
  inode.type = FileType::directory;
  inode.size = {};
  if (inode.form == DirectoryForm::implicit) inode.form = DirectoryForm::slash_marker;
}

// An object under a plain key, which may be what some tools make of a directory.
void describe_object(InodeRecord& inode, const ObjectFacts& object) {
  describe(inode, object);
  if (inode.type == FileType::directory) inode.form = DirectoryForm::plain_marker;
}

SeenObject seen_of(const ObjectFacts& object) {
  return {object.etag, object.stored};
}

Result<Spot> spot_of(ReadTransaction& records, InodeNumber number, const Asking& asked) {
  PAIL_TRY(std::string path, path_of(records, number));
  return Spot{number, std::move(path), asked};
}

}  // namespace

// Before the records are read: an event between the two counts as later than the question.
Asking NameStore::asking() const {
  return {last_sequence_, moments_->of_question()};
}

bool NameStore::still_lies(ReadTransaction& records, const Spot& spot) const {
  const auto path = path_of(records, spot.number);
  if (!path || *path != spot.path) return false;
  for (auto inode = records.inode(spot.number); inode && inode->number != kRootInode;
       inode = records.inode(inode->parent))
    if (moves_->any_since(inode->number, spot.asked.sequence)) return false;
  return true;
}

// ---- one inode ------------------------------------------------------------------------------------------------------

Result<AskedInode> NameStore::ask(InodeNumber number, Asker asker) const {
  AskedInode asked;
  const Asking asking = this->asking();
  const auto records = index_->read();
  auto inode = records->inode(number);
  if (!inode) return no_longer_exists(number);
  PAIL_TRY(asked.spot_, spot_of(*records, number, asking));
  asked.inode_ = std::move(*inode);
  asked.asker_ = asker;
  return asked;
}

Taken NameStore::worth(ReadTransaction& records, const AskedInode& asked, const InodeRecord& inode) const {
  const InodeRecord& known = asked.inode_;
  if (inode.changed_seq != known.changed_seq || inode.content == Content::staged || inode.unlinked())
    return Taken::kept;
  if (inode.etag != known.etag || inode.stored != known.stored || inode.epoch != known.epoch) return Taken::stale;
  // That a directory is there says nothing of its marker.
  const WallTime told = inode.type == FileType::directory ? inode.checked : last_shown(records, inode);
  if (told > asked.spot_.asked.moment) return inode.knowledge == Knowledge::exact ? Taken::kept : Taken::stale;
  return still_lies(records, asked.spot_) ? Taken::taken : Taken::moved;
}

Result<Taken> NameStore::worth(const AskedInode& asked) const {
  const auto records = index_->read();
  const auto inode = records->inode(asked.inode_.number);
  if (!inode) return no_longer_exists(asked.inode_.number);
  return worth(*records, asked, *inode);
}

// An answer to somebody else than who works on the inode may be about that work, half done.
bool NameStore::is_of_work(const AskedInode& asked) const {
  return asked.asker_ != Asker::at_work && uses_.busy(asked.inode_.number);
}

Result<Taken> NameStore::learned(const AskedInode& asked, const ObjectFacts& object) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(asked.inode_.number));
  const Taken worth = this->worth(change.records(), asked, inode);
  if (worth != Taken::taken) return worth;
  if (is_of_work(asked)) return change.keep_at_work(std::move(inode), seen_of(object));
  if (inode.type == FileType::directory) {
    describe_directory(inode, object);
    change.forget_attributes_sent(inode.number);
    inode.checked = asked.spot_.asked.moment;
    change.records().put(inode);
  } else {
    const std::uint64_t our_last = change.sequence_of({inode.parent, inode.name});
    auto shown = change.take_object(std::move(inode), object, NameChange::kOurs);
    if (!shown) return Taken::kept;
    describe_object(*shown, object);
    shown->checked = asked.spot_.asked.moment;
    if (shown->number == asked.inode_.number)
      change.records().put(*shown);
    else
      change.show(*shown, shown->checked, our_last);
  }
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

Result<Taken> NameStore::gone(const AskedInode& asked) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(asked.inode_.number));
  const Taken worth = this->worth(change.records(), asked, inode);
  if (worth != Taken::taken) return worth;
  if (is_of_work(asked)) return change.keep_at_work(std::move(inode), std::nullopt);
  if (inode.type == FileType::directory) {  // only its marker: there may be keys below it
    inode.form = DirectoryForm::implicit;
    inode.knowledge = Knowledge::exact;
    inode.checked = asked.spot_.asked.moment;
    change.records().put(inode);
  } else {
    change.void_answers({inode.parent, inode.name});
    if (!change.vanish(std::move(inode), NameChange::kOurs)) return Taken::kept;
  }
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

Result<Taken> NameStore::link_learned(const AskedInode& asked, const std::string& target) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(asked.inode_.number));
  if (inode.etag != asked.inode_.etag) return Taken::stale;
  inode.link_target = target;
  change.records().put(inode);
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

// ---- one name -------------------------------------------------------------------------------------------------------

Result<AskedName> NameStore::ask(const Place& place) const {
  AskedName asked;
  const Asking asking = this->asking();
  const auto records = index_->read();
  PAIL_TRY(asked.directory_, spot_of(*records, place.parent, asking));
  asked.name_ = place.name;
  return asked;
}

namespace {

bool is_directory(const NameAnswer& answer) {
  const auto* object = std::get_if<ObjectFacts>(&answer);
  return object ? object->type == FileType::directory : std::holds_alternative<SomeDirectory>(answer);
}

}  // namespace

Result<Taken> NameStore::answered(const AskedName& asked, const NameAnswer& answer) {
  const Asking& since = asked.directory_.asked;
  const Place place{asked.directory_.number, asked.name_};
  NameChange change(*this);
  PAIL_TRY(const InodeRecord directory, change.require(place.parent));
  if (directory.unlinked()) return was_removed(directory);  // what comes late must not bind names in it
  if (!change.still_lies(asked.directory_)) return Taken::moved;
  if (voided_->any_since(subject_of(place), since.sequence)) return Taken::moved;
  const std::uint64_t our_last = change.sequence_of(place);
  if (our_last > since.sequence) return Taken::kept;
  auto inode = change.inode_at(place);
  if (!inode && absent_->dropped_since(place.parent, since.sequence)) return Taken::stale;
  if (std::max(directory.listed, change.last_told(place, inode)) > since.moment) return Taken::kept;

  // What is being changed here, or has bytes that are not in the bucket yet, is there whatever the store says.
  const bool at_work = uses_.busy(place);
  if (at_work && !inode) return Taken::at_work;
  bool stays = inode && (at_work || change.is_ours(*inode, since));
  const bool other = inode && (std::holds_alternative<NoSuchName>(answer) ||
                               (inode->type == FileType::directory) != is_directory(answer));
  if (!stays && other) {
    stays = !change.vanish(*inode, since);
    if (!stays) inode.reset();
  }
  if (!stays && inode && std::holds_alternative<ObjectFacts>(answer)) {
    auto shown = change.take_object(*inode, std::get<ObjectFacts>(answer), since);
    stays = !shown;
    if (shown) inode = std::move(shown);
  }
  if (stays) {
    change.show(*inode, since.moment, our_last);
    const auto* object = std::get_if<ObjectFacts>(&answer);
    change.doubt_at_work(*std::move(inode), object ? std::optional(seen_of(*object)) : std::nullopt);
  } else {
    show_answer(change, asked, std::move(inode), answer, our_last);
  }
  PAIL_CHECK(change.commit());
  return stays ? Taken::kept : Taken::taken;
}

// `inode` is what the name leads to from now on, as far as there was one before.
void NameStore::show_answer(NameChange& change, const AskedName& asked, std::optional<InodeRecord> inode,
                            const NameAnswer& answer, std::uint64_t our_last) {
  const Place place{asked.directory_.number, asked.name_};
  const WallTime moment = asked.directory_.asked.moment;
  if (std::holds_alternative<NoSuchName>(answer)) return change.note_absent(place, {moment, our_last});
  const auto* object = std::get_if<ObjectFacts>(&answer);
  if (!inode) {
    inode =
        change.new_inode(place, change.records().next_inode_number(), object ? FileType::regular : FileType::directory);
    inode->accessed = inode->modified = inode->changed = change.wall();
  }
  if (object) {
    describe_object(*inode, *object);
    inode->checked = moment;  // of a directory only that it is there was asked
  }
  change.show(*inode, moment, our_last);
}

}  // namespace pail::local
