// What was asked of the object store about one inode or one name, and what it said.
#include "local/names/absent_names.h"
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

Result<Spot> spot_of(ReadTransaction& records, InodeNumber number, std::uint64_t sequence) {
  PAIL_TRY(std::string path, path_of(records, number));
  return Spot{number, std::move(path), sequence};
}

}  // namespace

bool NameStore::still_lies(ReadTransaction& records, const Spot& spot) const {
  const auto path = path_of(records, spot.number);
  if (!path || *path != spot.path) return false;
  for (auto inode = records.inode(spot.number); inode && inode->number != kRootInode;
       inode = records.inode(inode->parent))
    if (moves_->any_since(inode->number, spot.sequence)) return false;
  return true;
}

// ---- one inode ------------------------------------------------------------------------------------------------------

// The sequence is read before the records: an event between the two counts as later than the question.
Result<AskedInode> NameStore::ask(InodeNumber number, Asker asker) const {
  AskedInode asked;
  const std::uint64_t sequence = last_sequence_;
  const auto records = index_->read();
  auto inode = records->inode(number);
  if (!inode) return no_longer_exists(number);
  PAIL_TRY(asked.spot_, spot_of(*records, number, sequence));
  asked.inode_ = std::move(*inode);
  asked.asker_ = asker;
  return asked;
}

Taken NameStore::worth(ReadTransaction& records, const AskedInode& asked, const InodeRecord& inode) const {
  const InodeRecord& known = asked.inode_;
  if (inode.changed_seq != known.changed_seq || inode.content == Content::staged || inode.unlinked())
    return Taken::kept;
  if (inode.etag != known.etag || inode.stored != known.stored || inode.epoch != known.epoch) return Taken::stale;
  return still_lies(records, asked.spot_) ? Taken::taken : Taken::moved;
}

Result<Taken> NameStore::worth(const AskedInode& asked) const {
  const auto records = index_->read();
  const auto inode = records->inode(asked.inode_.number);
  if (!inode) return no_longer_exists(asked.inode_.number);
  return worth(*records, asked, *inode);
}

// An answer to somebody else than who works on the inode may be about that work, half done.
Taken NameStore::worth_of_answer(ReadTransaction& records, const AskedInode& asked, const InodeRecord& inode) const {
  const Taken worth = this->worth(records, asked, inode);
  if (worth != Taken::taken || asked.asker_ == Asker::at_work) return worth;
  return uses_.busy(inode.number) ? Taken::kept : Taken::taken;
}

Result<Taken> NameStore::learned(const AskedInode& asked, const ObjectFacts& object) {
  NameChange change(*this);
  PAIL_TRY(InodeRecord inode, change.require(asked.inode_.number));
  const Taken worth = worth_of_answer(change.records(), asked, inode);
  if (worth != Taken::taken) return worth;
  if (inode.type == FileType::directory) {
    describe_directory(inode, object);
    inode.checked = change.moment();
    change.records().put(inode);
  } else {
    const std::uint64_t our_last = change.sequence_of({inode.parent, inode.name});
    auto shown = change.take_content(std::move(inode), object.etag, NameChange::kOurs);
    if (!shown) return Taken::kept;
    describe_object(*shown, object);
    shown->checked = change.moment();
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
  const Taken worth = worth_of_answer(change.records(), asked, inode);
  if (worth != Taken::taken) return worth;
  if (inode.type == FileType::directory) {  // only its marker: there may be keys below it
    inode.form = DirectoryForm::implicit;
    inode.knowledge = Knowledge::exact;
    inode.checked = change.moment();
    change.records().put(inode);
  } else if (!change.vanish(std::move(inode), NameChange::kOurs)) {
    return Taken::kept;
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
  const std::uint64_t sequence = last_sequence_;
  const auto records = index_->read();
  PAIL_TRY(asked.directory_, spot_of(*records, place.parent, sequence));
  asked.name_ = place.name;
  const auto dirent = records->dirent(place.parent, place.name);
  if (dirent && dirent->number != 0) asked.known_ = records->inode(dirent->number);
  return asked;
}

namespace {

bool is_directory(const NameAnswer& answer) {
  const auto* object = std::get_if<ObjectFacts>(&answer);
  return object ? object->type == FileType::directory : std::holds_alternative<SomeDirectory>(answer);
}

// Whether a listing or another question has told of something newer than what was asked about.
bool is_newer(const InodeRecord& inode, const std::optional<InodeRecord>& known) {
  return !known || inode.number != known->number || inode.etag != known->etag || inode.stored != known->stored;
}

}  // namespace

Result<Taken> NameStore::answered(const AskedName& asked, const NameAnswer& answer) {
  const std::uint64_t since = asked.directory_.sequence;
  const Place place{asked.directory_.number, asked.name_};
  NameChange change(*this);
  PAIL_TRY(const InodeRecord directory, change.require(place.parent));
  if (directory.unlinked()) return was_removed(directory);  // what comes late must not bind names in it
  if (!change.still_lies(asked.directory_) || doubts_->any_since(subject_of(place), since)) return Taken::moved;
  const std::uint64_t our_last = change.sequence_of(place);
  if (our_last > since) return Taken::kept;
  auto inode = change.inode_at(place);
  if (!inode && absent_->dropped_since(place.parent, since)) return Taken::stale;

  // What is being changed here, or has bytes that are not in the bucket yet, is there whatever the store says; so is
  // what is newer.
  bool stays = inode && (change.is_ours(*inode, since) || is_newer(*inode, asked.known_));
  const bool other = inode && (std::holds_alternative<NoSuchName>(answer) ||
                               (inode->type == FileType::directory) != is_directory(answer));
  if (!stays && other) {
    stays = !change.vanish(*inode, since);
    if (!stays) inode.reset();
  }
  if (!stays && inode && std::holds_alternative<ObjectFacts>(answer)) {
    auto shown = change.take_content(*inode, std::get<ObjectFacts>(answer).etag, since);
    stays = !shown;
    if (shown) inode = std::move(shown);
  }
  if (stays)
    change.show(*inode, change.moment(), our_last);
  else
    show_answer(change, place, std::move(inode), answer, our_last);
  PAIL_CHECK(change.commit());
  return stays ? Taken::kept : Taken::taken;
}

// `inode` is what the name leads to from now on, as far as there was one before.
void NameStore::show_answer(NameChange& change, const Place& place, std::optional<InodeRecord> inode,
                            const NameAnswer& answer, std::uint64_t our_last) {
  if (std::holds_alternative<NoSuchName>(answer)) return change.note_absent(place, our_last);
  const auto* object = std::get_if<ObjectFacts>(&answer);
  if (!inode) {
    inode =
        change.new_inode(place, change.records().next_inode_number(), object ? FileType::regular : FileType::directory);
    inode->accessed = inode->modified = inode->changed = change.wall();
  }
  if (object) {
    describe_object(*inode, *object);
    inode->checked = change.moment();  // of a directory only that it is there was asked
  }
  change.show(*inode, change.moment(), our_last);
}

}  // namespace pail::local
