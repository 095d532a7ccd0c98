#include "vfs/directories.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/promise.h"
#include "pailfs/base/stop.h"

namespace pail::vfs {

using local::Content;
using local::DirectoryForm;
using local::Dirent;
using local::InodeRecord;
using local::Knowledge;

namespace {

constexpr std::uint64_t kFirstChildOffset = 2;  // offsets 1 and 2 follow "." and "..", a child's is its number + 2
constexpr ByteCount kLargestLink{4096};         // a larger object is no symbolic link

Error no_such(std::string_view name) {
  return Error{ENOENT, fmt::format("{}: no such file or directory", quote(name)), Fault::no_key};
}

}  // namespace

Directories::Directories(local::Index& index, const Tree& tree, const AttributeView& view, OpenTable& opens,
                         Turns& turns, cos::ObjectStore& store, runtime::Executor& helpers)
    : index_(index), tree_(tree), view_(view), opens_(opens), turns_(turns), store_(store), helpers_(helpers) {}

// ---- names ----------------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::resolve(InodeNumber parent, std::string_view name, const StopToken& stop) {
  const WallTime asked = tree_.moment();
  PAIL_TRY(auto found, known(parent, name, asked));
  if (!found) {
    PAIL_CHECK(list_if_small(parent, name, asked, stop));
    PAIL_TRY(found, known(parent, name, asked));
  }
  if (!found) {
    PAIL_CHECK(probe(parent, name, stop));
    PAIL_TRY(found, known(parent, name, asked));
  }
  if (!found || found->record.number == 0) return no_such(name);
  const bool staged = found->record.content == Content::staged;
  if (staged || tree_.attributes_fresh(found->record, found->confirmed)) return std::move(*found);
  PAIL_TRY(InodeRecord record, exact(std::move(found->record), stop));
  if (record.unlinked()) return resolve(parent, name, stop);  // the name leads to another inode by now
  return Found{std::move(record), found->confirmed};
}

// One page tells all names of most directories, so that the next look-ups cost nothing. Where it does not, the
// directory counts as large from then on.
Result<Unit> Directories::list_if_small(InodeNumber parent, std::string_view name, WallTime asked,
                                        const StopToken& stop) {
  {
    MutexLock lock(mutex_);
    if (large_.contains(parent)) return Unit{};
  }
  PAIL_TRY(const auto turn, listing_turns_.take(parent, stop));
  PAIL_TRY(const auto found, known(parent, name, asked));
  if (found) return Unit{};
  Progress progress = Progress::moved;
  while (progress == Progress::moved) {
    PAIL_TRY(progress, list_page(parent, stop));
  }
  if (progress == Progress::complete) return Unit{};
  MutexLock lock(mutex_);
  large_.insert(parent);
  return Unit{};
}

// What is known of a name and fresh, or confirmed after `since`: an inode, its absence (number 0), or nothing.
Result<std::optional<Directories::Found>> Directories::known(InodeNumber parent, std::string_view name,
                                                             WallTime since) {
  const WallTime asked = tree_.moment();
  auto usable = [&](WallTime confirmed) {
    return (confirmed >= since && confirmed <= asked) || tree_.fresh(confirmed);
  };
  InodeNumber damaged = 0;
  {
    const auto view = index_.read();
    PAIL_TRY(const InodeRecord directory, require(*view, parent));
    if (directory.type != FileType::directory)
      return Error{ENOTDIR, fmt::format("{}: not a directory", directory.name)};
    if (directory.unlinked()) return std::optional(Found{InodeRecord{}, asked});  // removed, and empty for good
    const auto dirent = view->dirent(parent, name);
    const WallTime checked = latest(directory.listed, dirent ? dirent->checked : WallTime{});
    if (!dirent || dirent->number == 0) {
      if (usable(checked)) return std::optional(Found{InodeRecord{}, checked});
      return std::optional<Found>{};
    }
    auto record = view->inode(dirent->number);
    if (record && record->parent == parent && record->name == name && !record->unlinked()) {
      const WallTime confirmed = record->content == Content::staged ? asked : latest(checked, record->checked);
      if (!usable(confirmed)) return std::optional<Found>{};
      return std::optional(Found{std::move(*record), confirmed});
    }
    damaged = dirent->number;
  }
  heal(parent, damaged);
  return std::optional<Found>{};
}

// The later of two confirmations; one that is still to come says nothing, the clock was set back since.
WallTime Directories::latest(WallTime a, WallTime b) const {
  const WallTime now = tree_.moment();
  if (a > now) a = {};
  if (b > now) b = {};
  return std::max(a, b);
}

// A name leads to an inode that says it has another one, or to none: the name is forgotten and listed again.
bool Directories::heal(InodeNumber parent, InodeNumber child) {
  auto change = index_.write();
  std::optional<std::string> name;
  change->names(parent, "", [&](std::string_view each, const Dirent& dirent) {
    if (dirent.number == child) name = each;
    return !name;
  });
  auto record = change->inode(child);
  const bool sound = record && name && record->parent == parent && record->name == *name && !record->unlinked();
  if (!name || sound) return false;
  spdlog::warn("index: the name {} leads to inode {}, which has another name: it is listed again", quote(*name), child);
  change->forget(parent, *name);
  if (record && !record->unlinked() && !leads_to(*change, *record) && !vanish(*change, opens_, std::move(*record)))
    spdlog::warn("index: inode {} has bytes that are not stored yet; the next mount keeps them for you", child);
  const auto marked = change->update(parent, [](InodeRecord& directory) { directory.listed = {}; });
  return marked && change->commit();
}

// Asks for one name. A directory that was moved meanwhile is asked about at its new place.
Result<Unit> Directories::probe(InodeNumber parent, std::string_view name, const StopToken& stop) {
  for (;;) {
    PAIL_TRY(const bool bound, probe_once(parent, name, stop));
    if (bound) return Unit{};
  }
}

// The object and whether keys lie below it, both at once.
Result<bool> Directories::probe_once(InodeNumber parent, std::string_view name, const StopToken& stop) {
  std::string key;
  Asked asked;
  {
    auto change = index_.write();
    PAIL_TRY(key, tree_.prefix_of(*change, parent));
    PAIL_TRY(asked.spot, tree_.spot(*change, parent));
    const auto dirent = change->dirent(parent, name);
    if (dirent && dirent->number != 0) asked.known = change->inode(dirent->number);
    asked.sequence = change->next_sequence();
    PAIL_CHECK(change->commit());
  }
  key += name;
  const Promise<Result<cos::ObjectInfo>> object;
  store_.head_object(key, stop, [object](Result<cos::ObjectInfo> info) { object.set(std::move(info)); });
  const auto below = store_.list_objects({.prefix = key + "/", .max_keys = 1}, stop);
  const auto info = object.wait();
  if (!below) return below.error();
  if (!info && info.error().fault != Fault::no_key) return info.error();
  return bind_probed(asked, name, info, !below->objects.empty());
}

// False: the directory was moved while the store was asked.
Result<bool> Directories::bind_probed(const Asked& asked, std::string_view name, const Result<cos::ObjectInfo>& object,
                                      bool directory) {
  const std::uint64_t sequence = asked.sequence;
  const InodeNumber parent = asked.spot.number;
  const auto busy = turns_.taken();
  auto change = index_.write();
  if (!tree_.still_lies(*change, asked.spot)) return false;
  const auto dirent = change->dirent(parent, name);
  if (dirent && dirent->changed_seq > sequence) return true;
  auto record = dirent && dirent->number != 0 ? change->inode(dirent->number) : std::nullopt;
  auto bound_to = [&](InodeNumber number) -> Result<bool> {
    change->bind(parent, name, {number, tree_.moment(), dirent ? dirent->changed_seq : 0});
    PAIL_CHECK(change->commit());
    return true;
  };
  // What is being changed here, or has bytes that are not in the bucket yet, is there whatever the store says.
  if (record && (record->content == Content::staged || record->changed_seq > sequence || busy.contains(record->number)))
    return bound_to(record->number);
  // So is what a listing has told of since.
  const bool newer = record && (!asked.known || record->number != asked.known->number ||
                                record->etag != asked.known->etag || record->stored != asked.known->stored);
  if (newer) return bound_to(record->number);
  const bool other_type =
      record && (record->type == FileType::directory) != directory && record->form != DirectoryForm::plain_marker;
  const bool replaced = record && object && !directory && record->etag != object->etag.text &&
                        record->type != FileType::directory && opens_.maybe_open(record->number);
  if (other_type || replaced || (record && !object && !directory)) {
    const InodeNumber number = record->number;
    if (!vanish(*change, opens_, std::move(*record), sequence)) return bound_to(number);
    record.reset();
  }
  if (!object && !directory) return bound_to(0);
  if (!record) {
    record.emplace();
    record->number = change->next_inode_number();
    record->parent = parent;
    record->name = name;
    record->type = directory ? FileType::directory : FileType::regular;
    apply_defaults(*record, tree_.defaults());
    record->accessed = record->modified = record->changed = now();
  }
  if (!directory) {
    if (!record->etag.empty() && record->etag != object->etag.text) ++record->epoch;
    apply_object(*record, *object, false, tree_.defaults());
    if (record->type == FileType::directory) record->form = DirectoryForm::plain_marker;
    record->checked = tree_.moment();  // of a directory only that it is there was asked
  }
  change->put(*record);
  return bound_to(record->number);
}

// ---- attributes -----------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::current(InodeNumber number, const StopToken& stop, const Turns::Turn* turn) {
  InodeRecord record;
  WallTime confirmed;
  {
    const auto view = index_.read();
    PAIL_TRY(record, require(*view, number));
    confirmed = tree_.confirmed(*view, record);
  }
  const bool remote = record.content == Content::remote && !record.unlinked() && number != kRootInode;
  if (!remote) return Found{std::move(record), tree_.moment()};
  if (tree_.attributes_fresh(record, confirmed)) return Found{std::move(record), confirmed};
  PAIL_TRY(record, exact(std::move(record), stop, turn));
  return Found{std::move(record), tree_.moment()};
}

Result<InodeRecord> Directories::confirm(InodeNumber number, const StopToken& stop, const Turns::Turn* turn) {
  PAIL_TRY(InodeRecord record, require(*index_.read(), number));
  return exact(std::move(record), stop, turn);
}

Result<std::string> Directories::object_key(const InodeRecord& record) {
  const auto view = index_.read();
  if (record.type != FileType::directory) return tree_.key_of(*view, record.number);
  PAIL_TRY(const std::string prefix, tree_.prefix_of(*view, record.number));
  return Tree::marker_key(prefix, record.form);
}

Result<InodeRecord> Directories::exact(InodeRecord record, const StopToken& stop, const Turns::Turn* turn) {
  if (record.type != FileType::directory) head_siblings(record);
  for (;;) {
    PAIL_TRY(const Tree::Spot spot, tree_.spot(*index_.read(), record.number));
    PAIL_TRY(const std::string key, object_key(record));
    const auto info = store_.head_object(key, stop);
    PAIL_TRY(auto accepted, accept(record, spot, info, turn));
    if (accepted) return std::move(*accepted);
    PAIL_TRY(record, require(*index_.read(), record.number));
  }
}

// Takes over what HEAD said of a record, unless the inode was changed here in the meantime or is being changed.
// Nothing: it was moved, and what HEAD said is of another object.
Result<std::optional<InodeRecord>> Directories::accept(const InodeRecord& asked, const Tree::Spot& spot,
                                                       const Result<cos::ObjectInfo>& info, const Turns::Turn* turn) {
  const bool busy = turn == nullptr && turns_.taken().contains(asked.number);
  const Fault fault = info ? Fault::none : info.error().fault;
  auto change = index_.write();
  PAIL_TRY(InodeRecord record, require(*change, asked.number));
  if (record.changed_seq != asked.changed_seq || record.content == Content::staged || record.unlinked())
    return std::optional(std::move(record));
  // Nor of use: a listing has told of something newer since HEAD was sent.
  const bool newer = record.etag != asked.etag || record.stored != asked.stored || record.epoch != asked.epoch;
  if (newer || !tree_.still_lies(*change, spot)) return std::optional<InodeRecord>{};
  if (no_access(fault)) return std::optional(record);  // may be listed but not read: shown as the listing has it
  if (!info && fault != Fault::no_key) return info.error();
  if (busy) return std::optional(std::move(record));
  const bool directory = record.type == FileType::directory;
  if (!info && !directory) {
    if (!vanish(*change, opens_, std::move(record))) return Error{EIO, "an open file lost its place"};
    PAIL_CHECK(change->commit());
    return no_such(asked.name);
  }
  if (!info) {
    record.form = DirectoryForm::implicit;
    record.knowledge = Knowledge::exact;
  } else if (directory) {
    const auto form = record.form == DirectoryForm::implicit ? DirectoryForm::slash_marker : record.form;
    apply_object(record, *info, true, tree_.defaults());
    record.form = form;
  } else {
    const bool same = record.etag == info->etag.text;
    if (!same && opens_.maybe_open(record.number)) return replaced(std::move(change), std::move(record), *info);
    if (!same) ++record.epoch;
    const std::string target = record.link_target;
    apply_object(record, *info, false, tree_.defaults());
    if (same) record.link_target = target;
    if (record.type == FileType::directory) record.form = DirectoryForm::plain_marker;
  }
  record.checked = tree_.moment();
  change->put(record);
  PAIL_CHECK(change->commit());
  return std::optional(std::move(record));
}

// Others put another content under the name of a file that is open. The kernel's pages belong to the number, so the
// name gets a new one, and the old one is vanished.
Result<std::optional<InodeRecord>> Directories::replaced(std::unique_ptr<local::WriteTransaction> change,
                                                         InodeRecord old, const cos::ObjectInfo& info) {
  const InodeNumber number = old.number;
  InodeRecord fresh;
  fresh.number = change->next_inode_number();
  fresh.parent = old.parent;
  fresh.name = old.name;
  if (!vanish(*change, opens_, std::move(old))) return std::optional<InodeRecord>{};
  apply_object(fresh, info, false, tree_.defaults());
  if (fresh.type == FileType::directory) fresh.form = DirectoryForm::plain_marker;
  fresh.checked = tree_.moment();
  change->put(fresh);
  change->bind(fresh.parent, fresh.name, {fresh.number, fresh.checked, 0});
  PAIL_TRY(InodeRecord vanished, require(*change, number));
  PAIL_CHECK(change->commit());
  return std::optional(std::move(vanished));
}

// A program that asks for the attributes of one entry after the other gets those of the next ones in parallel.
void Directories::head_siblings(const InodeRecord& record) {
  constexpr std::size_t kAhead = 32;
  InodeNumber after = 0;
  {
    MutexLock lock(mutex_);
    Walk& walk = walks_[record.parent];
    const bool walking = walk.last != 0 && record.number > walk.last && record.number <= walk.last + 2 * kAhead;
    if (walking && walk.ahead < record.number + kAhead / 2) after = std::max(walk.ahead, record.number);
    walk.last = record.number;
    if (!walking) walk.ahead = 0;
    if (walks_.size() > 1000) walks_.clear();
  }
  if (after == 0) return;
  std::vector<InodeRecord> next;
  {
    const auto view = index_.read();
    view->children(record.parent, after, [&](InodeNumber number) {
      auto sibling = view->inode(number);
      after = number;
      if (sibling && sibling->knowledge == Knowledge::listed && sibling->type != FileType::directory)
        next.push_back(std::move(*sibling));
      return next.size() < kAhead;
    });
  }
  {
    MutexLock lock(mutex_);
    walks_[record.parent].ahead = after;
  }
  for (InodeRecord& sibling : next)
    helpers_.run([this, sibling = std::move(sibling)] {
      const auto spot = tree_.spot(*index_.read(), sibling.number);
      const auto key = object_key(sibling);
      if (spot && key) {
        const auto info = store_.head_object(*key);
        const auto taken = accept(sibling, *spot, info, nullptr);
        if (!taken) spdlog::debug("attributes ahead: {}", taken.error().context);
      }
    });
}

// ---- listings -------------------------------------------------------------------------------------------------------

// Fetches the next page of the directory's listing, beginning one where none is under way. In the directory's turn.
Result<Directories::Progress> Directories::list_page(InodeNumber directory, const StopToken& stop) {
  std::shared_ptr<Listing> listing;
  {
    MutexLock lock(mutex_);
    const auto found = listings_.find(directory);
    if (found != listings_.end()) listing = found->second;
  }
  constexpr auto kAbandoned = std::chrono::seconds(60);  // without a reader that asks for the next page
  if (listing && (tree_.moment() - listing->used > kAbandoned || !listing->merge.still_valid())) listing.reset();
  if (!listing) {
    PAIL_TRY(ListingMerge merge, ListingMerge::begin(index_, tree_, opens_, turns_, directory));
    listing = std::make_shared<Listing>(Listing{std::move(merge), {}, {}});
    MutexLock lock(mutex_);
    listings_[directory] = listing;
  }
  const cos::ListRequest request{
      .prefix = listing->merge.prefix(), .delimiter = "/", .continuation = listing->continuation};
  PAIL_TRY(const cos::ListPage page, store_.list_objects(request, stop));
  PAIL_TRY(const bool added, listing->merge.add(page));
  if (!added) return Progress::moved;
  listing->continuation = page.continuation;
  listing->used = tree_.moment();
  if (!page.continuation.empty()) return Progress::page;
  PAIL_TRY(const bool finished, listing->merge.finish());
  if (!finished) return Progress::moved;
  MutexLock lock(mutex_);
  listings_.erase(directory);
  if (request.continuation.empty()) large_.erase(directory);
  return Progress::complete;
}

Result<Unit> Directories::list_all(InodeNumber directory, const StopToken& stop) {
  for (;;) {
    PAIL_TRY(const Progress progress, list_page(directory, stop));
    if (progress == Progress::complete) return Unit{};
  }
}

// What the index has of a directory now, from the child after `after` on.
Result<Directories::Glimpse> Directories::glimpse(InodeNumber directory, InodeNumber after, std::size_t most) {
  Glimpse seen;
  std::vector<InodeNumber> damaged;
  {
    const auto view = index_.read();
    PAIL_TRY(seen.self, require(*view, directory));
    if (seen.self.type != FileType::directory)
      return Error{ENOTDIR, fmt::format("{}: not a directory", seen.self.name)};
    view->children(directory, after, [&](InodeNumber number) {
      auto record = view->inode(number);
      if (record && record->parent == directory && leads_to(*view, *record)) {
        const WallTime confirmed = tree_.confirmed(*view, *record);
        seen.children.push_back({std::move(*record), confirmed});
      } else {
        damaged.push_back(number);
      }
      return seen.children.size() < most;
    });
  }
  for (const InodeNumber number : damaged)
    if (heal(directory, number)) seen.self.listed = {};
  return seen;
}

DirectoryEntry Directories::entry_of(Found child, WithAttributes with) const {
  InodeRecord& record = child.record;
  DirectoryEntry entry{record.name, record.number, {}, record.number + kFirstChildOffset, {}};
  const bool staged = record.content == Content::staged;
  const bool exact = record.knowledge == Knowledge::exact;
  if (exact || staged || record.type == FileType::directory || record.size > kLargestLink) entry.type = record.type;
  if (with == WithAttributes::no || !exact) return entry;
  const auto shown = view_.shown(std::move(record));
  // Stored or removed since it was read, or not to be seen now: asked for when somebody wants to know.
  if (shown && shown->knowledge == Knowledge::exact && !shown->unlinked())
    entry.entry = tree_.entry(*shown, staged ? tree_.moment() : child.confirmed);
  return entry;
}

Result<std::vector<DirectoryEntry>> Directories::read(InodeNumber directory, std::uint64_t offset, std::size_t most,
                                                      WithAttributes with, const StopToken& stop) {
  const InodeNumber after = offset > kFirstChildOffset ? offset - kFirstChildOffset : 0;
  const std::size_t dots = offset <= 1 ? 2 - offset : 0;
  for (bool listed_now = false;;) {
    PAIL_TRY(Glimpse seen, glimpse(directory, after, most > dots ? most - dots : 1));
    if (seen.self.unlinked()) return std::vector<DirectoryEntry>{};
    if (may_be_shown(seen, offset, listed_now, most - std::min(most, dots))) {
      std::vector<DirectoryEntry> entries;
      if (offset == 0) entries.push_back({".", directory, FileType::directory, 1, {}});
      if (offset <= 1) entries.push_back({"..", seen.self.parent, FileType::directory, 2, {}});
      for (Found& child : seen.children) entries.push_back(entry_of(std::move(child), with));
      if (entries.size() > most) entries.resize(most);
      return entries;
    }
    PAIL_TRY(listed_now, list_on(directory, stop));
  }
}

bool Directories::may_be_shown(const Glimpse& seen, std::uint64_t offset, bool listed_now, std::size_t wanted) {
  const WallTime listed = seen.self.listed;
  // A stream that has begun goes on with the listing it began with, however old that is by now.
  if (tree_.fresh(listed) || listed_now || (offset > kFirstChildOffset && listed != WallTime{})) return true;
  // Without a complete listing: what a running listing found so far may be given out.
  if (listed != WallTime{} || seen.children.empty()) return false;
  if (seen.children.size() >= wanted) return true;
  MutexLock lock(mutex_);
  return listings_.contains(seen.self.number);
}

// Goes on with the listing of a directory whose names are not known or old. True: it is complete now.
Result<bool> Directories::list_on(InodeNumber directory, const StopToken& stop) {
  PAIL_TRY(const auto turn, listing_turns_.take(directory, stop));
  PAIL_TRY(const InodeRecord self, require(*index_.read(), directory));
  if (self.unlinked() || tree_.fresh(self.listed)) return false;  // by somebody who was faster
  if (self.listed == WallTime{}) {
    PAIL_TRY(const Progress progress, list_page(directory, stop));
    return progress == Progress::complete;
  }
  PAIL_CHECK(list_all(directory, stop));
  return true;
}

Result<bool> Directories::empty(InodeNumber directory, const StopToken& stop) {
  std::string prefix;
  {
    const auto view = index_.read();
    PAIL_TRY(prefix, tree_.prefix_of(*view, directory));
    bool staged = false;
    view->children(directory, 0, [&](InodeNumber number) {
      const auto record = view->inode(number);
      staged = record && record->content == Content::staged;
      return !staged;
    });
    if (staged) return false;
  }
  PAIL_TRY(const auto page, store_.list_objects({.prefix = prefix, .max_keys = 2}, stop));
  return std::ranges::all_of(page.objects, [&](const auto& object) { return object.key == prefix; });
}

}  // namespace pail::vfs
