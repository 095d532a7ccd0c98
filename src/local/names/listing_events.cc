// The pages of a directory's complete listing.
//
// What changed here after the listing began is left as it is, the listing may not show it yet; so is what was shown by
// a question that was asked after the page was.
#include "base/checksum.h"
#include "base/encoding.h"
#include "local/names/absent_names.h"
#include "local/names/name_change.h"
#include "local/names/object_time.h"
#include "local/names/recent_changes.h"
#include "local/names/tree_walk.h"

namespace pail::local {
namespace {

std::uint64_t hash(std::string_view name) {
  return xxh3(bytes_of(name));
}

// All that a listing tells of a name; the rest is assumed.
void describe(NameChange& change, InodeRecord& inode, const ListedName& listed, WallTime asked) {
  const auto* file = std::get_if<ListedFile>(&listed.what);
  const auto* directory = std::get_if<ListedDirectory>(&listed.what);
  InodeRecord anew =
      change.new_inode({inode.parent, inode.name}, inode.number, file ? FileType::regular : FileType::directory);
  anew.epoch = inode.epoch;
  anew.changed_seq = inode.changed_seq;
  anew.checked = asked;
  if (file) {
    anew.size = file->size;
    anew.etag = file->etag;
    anew.stored = file->stored;
  } else {
    anew.form = directory->form;
    anew.stored = directory->stored;
  }
  anew.accessed = anew.modified = anew.changed = anew.stored != WallTime{} ? anew.stored : asked;
  inode = std::move(anew);
}

// One name of a page: what it led to before stays, takes the content, or makes room for another inode.
void show_listed(NameChange& change, const Place& place, const Asking& since, const ListedName& listed) {
  const std::uint64_t our_last = change.sequence_of(place);
  if (our_last > since.sequence) return;
  auto inode = change.inode_at(place);
  const auto* file = std::get_if<ListedFile>(&listed.what);
  const bool at_work = change.at_work(place);
  if (at_work && !inode) return;
  if (inode && (at_work || change.is_ours(*inode, since)))
    return change.doubt_at_work(*std::move(inode),
                                file ? std::optional(SeenObject{file->etag, file->stored}) : std::nullopt);
  if (change.last_told(place, inode) > since.moment) return;
  const bool known_directory = inode && inode->type == FileType::directory;
  if (known_directory && !file) return;
  if (inode && file && !inode->etag.empty() && inode->etag == file->etag) {
    // Its attributes, even its type, may have been changed by another mount, which the object's time alone shows.
    const bool knew = inode->knowledge == Knowledge::exact;
    if (!note_time(*inode, file->stored)) return;
    if (knew && inode->knowledge == Knowledge::listed) put_in_doubt(*inode);
    change.show(*inode, since.moment, our_last);
    return;
  }
  // What a listing does not tell is looked at before it is used.
  const bool has_other_type = inode && !known_directory && inode->type != FileType::regular;
  if (inode && file && (has_other_type || change.may_be_own_copy(*inode, file->size))) {
    put_in_doubt(*inode);
    change.show(*inode, since.moment, our_last);
    return;
  }
  if (inode && known_directory == (file == nullptr)) {
    inode = change.take_content(std::move(*inode), file->etag, since);
    if (!inode) return;
  } else {
    if (inode && !change.vanish(std::move(*inode), since)) return;
    inode = change.new_inode(place, change.records().next_inode_number(), FileType::regular);
  }
  describe(change, *inode, listed, since.moment);
  change.show(*inode, since.moment, our_last);
}

}  // namespace

Result<AskedListing> NameStore::ask_all(InodeNumber directory) const {
  AskedListing asked;
  asked.page_ = asking();
  const auto records = index_->read();
  PAIL_TRY(std::string path, path_of(*records, directory));
  asked.directory_ = {directory, std::move(path), asked.page_};
  records->names(directory, "", [&](std::string_view, const Dirent&) {
    asked.had_names_ = true;
    return false;
  });
  return asked;
}

bool NameStore::still_counts(ReadTransaction& records, const AskedListing& asked) const {
  const Spot& directory = asked.directory_;
  const auto self = records.inode(directory.number);
  if (!self || self->listed > directory.asked.moment) return false;  // a later listing is complete
  return still_lies(records, directory) && !doubtful_->any_since(directory.number, directory.asked.sequence);
}

// A page does not show what was removed before it was asked for: however many names are removed while a long listing is
// under way, it goes on.
bool NameStore::ask_page(AskedListing& asked) const {
  asked.page_ = asking();
  const auto records = index_->read();
  return still_counts(*records, asked);
}

Result<Taken> NameStore::listed(AskedListing& asked, const ListedPage& page) {
  const Spot& directory = asked.directory_;
  NameChange change(*this);
  PAIL_TRY(InodeRecord self, change.require(directory.number));
  if (self.unlinked()) return was_removed(self);  // what came late must not bind names in it
  if (!change.still_counts(asked)) return Taken::moved;
  if (absent_->dropped_since(directory.number, asked.page_.sequence)) return Taken::stale;
  const Asking since{directory.asked.sequence, asked.page_.moment};
  // The directory's own marker: when somebody else wrote it, its attributes are read anew.
  const bool ours = directory.number == kRootInode || change.is_ours(self, since);
  if (page.marker && !ours && self.checked <= since.moment && note_time(self, *page.marker)) {
    if (self.form != DirectoryForm::slash_marker) self.knowledge = Knowledge::listed;
    self.form = DirectoryForm::slash_marker;
    change.records().put(self);
  }
  for (const ListedName& listed : page.names) {
    if (asked.had_names_) asked.seen_.insert(hash(listed.name));
    const Place place{directory.number, listed.name};
    if (voided_->any_since(subject_of(place), asked.page_.sequence)) return Taken::stale;
    show_listed(change, place, since, listed);
  }
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

// A batch of names a commit: others need not wait for all of a large directory.
Result<Taken> NameStore::listing_complete(AskedListing& asked) {
  std::string after;
  for (bool more = asked.had_names_; more;) {
    PAIL_TRY(const Taken swept, forget_unseen(asked, after, more));
    if (swept != Taken::taken) return swept;
  }
  NameChange change(*this);
  PAIL_TRY(InodeRecord self, change.require(asked.directory_.number));
  if (!change.still_counts(asked)) return Taken::moved;
  self.listed = asked.directory_.asked.moment;
  change.records().put(self);
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

// The next names of the directory, behind `after`: those that no page showed are gone.
Result<Taken> NameStore::forget_unseen(const AskedListing& asked, std::string& after, bool& more) {
  constexpr std::size_t kBatch = 1000;
  const Spot& directory = asked.directory_;
  NameChange change(*this);
  if (!change.still_counts(asked)) return Taken::moved;
  std::vector<std::pair<std::string, Dirent>> gone;
  std::size_t visited = 0;
  more = false;
  change.records().names(directory.number, after, [&](std::string_view name, const Dirent& dirent) {
    after = name;
    const bool ours = dirent.changed_seq > directory.asked.sequence;
    if (!ours && !asked.seen_.contains(hash(name))) gone.emplace_back(name, dirent);
    more = ++visited == kBatch;
    return !more;
  });
  for (const auto& [name, dirent] : gone) {
    auto inode = dirent.number != 0 ? change.records().inode(dirent.number) : std::nullopt;
    if (!inode || change.vanish(*inode, directory.asked))
      change.records().forget(directory.number, name);
    else
      change.doubt_at_work(*std::move(inode), std::nullopt);
  }
  PAIL_CHECK(change.commit());
  return Taken::taken;
}

}  // namespace pail::local
