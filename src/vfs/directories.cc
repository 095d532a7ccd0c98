#include "vfs/directories.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/promise.h"
#include "pailfs/base/stop.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

using local::Content;
using local::DirectoryForm;
using local::InodeRecord;
using local::Knowledge;
using local::Taken;

namespace {

constexpr std::uint64_t kFirstChildOffset = 2;  // offsets 1 and 2 follow "." and "..", a child's is its number + 2

Error no_such(std::string_view name) {
  return Error{ENOENT, fmt::format("{}: no such file or directory", quote(name)), Fault::no_key};
}

}  // namespace

Directories::Directories(local::NameStore& names, const Tree& tree, const AttributeView& view, cos::ObjectStore& store,
                         runtime::Executor& helpers)
    : names_(names), tree_(tree), view_(view), store_(store), helpers_(helpers) {}

// ---- names ----------------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::resolve(InodeNumber parent, std::string_view name, const StopToken& stop) {
  for (;;) {
    PAIL_TRY(auto found, find(parent, name, stop));
    if (!found) continue;
    if (found->record.number == 0) return no_such(name);
    const bool staged = found->record.content == Content::staged;
    if (staged || tree_.attributes_fresh(found->record, found->confirmed)) return std::move(*found);
    auto seen = exact(found->record, stop);
    // The name leads to another inode by now, or to none.
    const bool left = seen ? seen->record.unlinked() || seen->record.parent != parent || seen->record.name != name
                           : !names_.view().inode(found->record.number);
    if (left) continue;
    if (!seen) return seen.error();
    const WallTime confirmed = confirmed_by(*seen, found->confirmed);
    return Found{std::move(seen->record), confirmed};
  }
}

// What a name leads to, its attributes as they are known; number 0: to nothing. None: it was changed while the store
// was asked, and leads to nothing by now.
Result<std::optional<Directories::Found>> Directories::find(InodeNumber parent, std::string_view name,
                                                            const StopToken& stop) {
  const WallTime asked = tree_.moment();
  PAIL_TRY(auto found, known(parent, name, asked));
  if (!found) {
    PAIL_CHECK(list_if_small(parent, name, asked, stop));
    PAIL_TRY(found, known(parent, name, asked));
  }
  if (found) return found;
  PAIL_TRY(const Taken taken, probe(parent, name, stop));
  if (taken == Taken::at_work) return std::optional(Found{InodeRecord{}, asked});  // not yet there, or no more
  PAIL_TRY(found, known(parent, name, asked));
  if (found) return found;
  // What was changed here since the name was asked for is later than the answer, and was confirmed before the question.
  auto changed = names_.view().name(parent, name);
  if (!changed || !changed->inode) return std::optional<Found>{};
  return std::optional(Found{std::move(*changed->inode), changed->checked});
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
  const bool is_read = is_listed_by_a_reader(parent);
  Progress progress = Progress::moved;
  while (progress == Progress::moved) {
    PAIL_TRY(progress, list_page(parent, stop));
  }
  if (progress == Progress::complete) return Unit{};
  MutexLock lock(mutex_);
  large_.insert(parent);
  if (!is_read) listings_.erase(parent);  // whoever reads the directory begins with what is there then
  return Unit{};
}

bool Directories::is_listed_by_a_reader(InodeNumber directory) {
  MutexLock lock(mutex_);
  return listings_.contains(directory);
}

// What is known of a name and fresh, or confirmed after `since`: an inode, its absence (number 0), or nothing.
Result<std::optional<Directories::Found>> Directories::known(InodeNumber parent, std::string_view name,
                                                             WallTime since) {
  const WallTime asked = tree_.moment();
  auto usable = [&](WallTime confirmed) {
    return (confirmed >= since && confirmed <= asked) || tree_.fresh(confirmed);
  };
  const local::View view = names_.view();
  PAIL_TRY(const InodeRecord directory, view.require(parent));
  if (directory.type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", directory.name)};
  if (directory.unlinked()) return std::optional(Found{InodeRecord{}, asked});  // removed, and empty for good
  auto name_known = view.name(parent, name);
  const WallTime checked = latest(directory.listed, name_known ? name_known->checked : WallTime{});
  if (!name_known || !name_known->inode) {
    if (usable(checked)) return std::optional(Found{InodeRecord{}, checked});
    return std::optional<Found>{};
  }
  InodeRecord& record = *name_known->inode;
  const WallTime confirmed = record.content == Content::staged ? asked : latest(checked, record.checked);
  if (!usable(confirmed)) return std::optional<Found>{};
  return std::optional(Found{std::move(record), confirmed});
}

// The later of two confirmations; one that is still to come says nothing, the clock was set back since.
WallTime Directories::latest(WallTime a, WallTime b) const {
  const WallTime now = tree_.moment();
  if (a > now) a = {};
  if (b > now) b = {};
  return std::max(a, b);
}

// Asks for one name, until the answer is about what was asked.
Result<Taken> Directories::probe(InodeNumber parent, std::string_view name, const StopToken& stop) {
  for (;;) {
    PAIL_TRY(const Taken taken, probe_once(parent, name, stop));
    if (taken != Taken::stale && taken != Taken::moved) return taken;
  }
}

// The object and whether keys lie below it, both at once.
Result<Taken> Directories::probe_once(InodeNumber parent, std::string_view name, const StopToken& stop) {
  PAIL_TRY(const local::AskedName asked, names_.ask(local::Place{parent, std::string(name)}));
  PAIL_TRY(std::string key, tree_.prefix(asked.directory_path()));
  key += name;
  const Promise<Result<cos::ObjectInfo>> object;
  store_.head_object(key, stop, [object](Result<cos::ObjectInfo> info) { object.set(std::move(info)); });
  const auto below = store_.list_objects({.prefix = key + "/", .max_keys = 1}, stop);
  const auto info = object.wait();
  if (!below) return below.error();
  if (!info && info.error().fault != Fault::no_key) return info.error();
  if (!below->objects.empty()) return names_.answered(asked, local::SomeDirectory{});
  if (!info) return names_.answered(asked, local::NoSuchName{});
  return names_.answered(asked, object_facts(*info, false, tree_.defaults()));
}

// ---- attributes -----------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::current(InodeNumber number, const StopToken& stop, const Turns::Turn* turn) {
  InodeRecord record;
  WallTime confirmed;
  {
    const local::View view = names_.view();
    PAIL_TRY(record, view.require(number));
    confirmed = tree_.confirmed(view, record);
  }
  const bool remote = record.content == Content::remote && !record.unlinked() && number != kRootInode;
  if (!remote) return Found{std::move(record), tree_.moment()};
  if (tree_.attributes_fresh(record, confirmed)) return Found{std::move(record), confirmed};
  const WallTime asked = tree_.moment();
  PAIL_TRY(Seen seen, exact(record, stop, turn));
  confirmed = confirmed_by(seen, asked);
  return Found{std::move(seen.record), confirmed};
}

// What the store said may have been void: then nothing is confirmed.
WallTime Directories::confirmed_by(const Seen& seen, WallTime asked) const {
  const InodeRecord& record = seen.record;
  if (record.content == Content::staged || record.unlinked()) return asked;
  if (seen.denied) return std::min(tree_.trusted_briefly(), asked);
  return record.knowledge == Knowledge::exact ? asked : record.checked;
}

Result<cos::Found> Directories::look_after_refusal(const InodeRecord& known, const StopToken& stop,
                                                   const Turns::Turn* turn) {
  PAIL_TRY(const Seen now, exact(known, stop, turn));
  if (now.denied) return *now.denied;
  const bool same = !now.record.unlinked() && local::content_of(now.record) == local::content_of(known);
  return same ? cos::Found::expected : cos::Found::another;
}

Result<std::string> Directories::object_key(const local::AskedInode& asked) const {
  if (asked.inode().type != FileType::directory) return tree_.key(asked.path());
  PAIL_TRY(const std::string prefix, tree_.prefix(asked.path()));
  return Tree::marker_key(prefix, asked.inode().form);
}

Result<Directories::Seen> Directories::exact(const InodeRecord& known, const StopToken& stop, const Turns::Turn* turn) {
  if (known.type != FileType::directory) head_siblings(known);
  for (;;) {
    PAIL_TRY(const local::AskedInode asked,
             names_.ask(known.number, turn ? local::Asker::at_work : local::Asker::anybody));
    PAIL_TRY(const std::string key, object_key(asked));
    PAIL_TRY(auto accepted, accept(asked, store_.head_object(key, stop)));
    if (accepted) return std::move(*accepted);
  }
}

// Tells the name store what HEAD said.
Result<Taken> Directories::tell(const local::AskedInode& asked, const Result<cos::ObjectInfo>& info) {
  const bool directory = asked.inode().type == FileType::directory;
  if (info) return names_.learned(asked, object_facts(*info, directory, tree_.defaults()));
  if (info.error().fault == Fault::no_key) return names_.gone(asked);
  return names_.worth(asked);
}

// What the inode is after HEAD, by the name store. Nothing: ask again.
Result<std::optional<Directories::Seen>> Directories::accept(const local::AskedInode& asked,
                                                             const Result<cos::ObjectInfo>& info) {
  PAIL_TRY(const Taken taken, tell(asked, info));
  if (taken == Taken::stale || taken == Taken::moved) return std::optional<Seen>{};
  const Fault fault = info ? Fault::none : info.error().fault;
  if (taken == Taken::taken && fault == Fault::no_key && asked.inode().type != FileType::directory)
    return no_such(asked.inode().name);
  // One that may be listed but not read is shown as it is known: by a look of before at this version, or by the
  // listing.
  const bool denied = taken == Taken::taken && no_access(fault);
  const bool known = info || fault == Fault::no_key || denied;
  if (taken == Taken::taken && !known) return info.error();
  PAIL_TRY(InodeRecord record, names_.inode(asked.inode().number));
  return std::optional(Seen{std::move(record), denied ? std::optional(info.error()) : std::nullopt});
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
  std::vector<InodeNumber> next;
  names_.view().children(record.parent, after, [&](const InodeRecord& sibling) {
    after = sibling.number;
    if (sibling.knowledge == Knowledge::listed && sibling.type != FileType::directory) next.push_back(sibling.number);
    return next.size() < kAhead;
  });
  {
    MutexLock lock(mutex_);
    walks_[record.parent].ahead = after;
  }
  for (const InodeNumber number : next) helpers_.run(Lane::ahead, [this, number] { head_ahead(number); });
}

void Directories::head_ahead(InodeNumber number) {
  const auto asked = names_.ask(number, local::Asker::anybody);
  if (!asked || asked->inode().knowledge != Knowledge::listed) return;
  const auto key = object_key(*asked);
  if (!key) return;
  const auto taken = accept(*asked, store_.head_object(*key, {StopToken(), Lane::ahead}));
  if (!taken) spdlog::debug("attributes ahead: {}", taken.error().context);
}

// ---- listings -------------------------------------------------------------------------------------------------------

bool Directories::is_abandoned(const UnderWay& listing) const {
  constexpr auto kAbandoned = std::chrono::seconds(60);  // without a reader that asks for the next page
  return tree_.moment() - listing.used > kAbandoned;
}

// The listing under way, or one that begins.
Result<std::shared_ptr<Directories::Listing>> Directories::listing_of(InodeNumber directory) {
  std::shared_ptr<Listing> listing;
  {
    MutexLock lock(mutex_);
    const auto found = listings_.find(directory);
    if (found != listings_.end() && !is_abandoned(found->second)) listing = found->second.listing;
  }
  if (listing && names_.ask_page(listing->asked)) return listing;
  const WallTime began = tree_.moment();
  PAIL_TRY(local::AskedListing asked, names_.ask_all(directory));
  PAIL_TRY(std::string prefix, tree_.prefix(asked.path()));
  listing = std::make_shared<Listing>(Listing{began, std::move(asked), std::move(prefix), {}, {}});
  MutexLock lock(mutex_);
  listings_[directory] = {listing, {}};
  return listing;
}

void Directories::page_fetched(InodeNumber directory) {
  MutexLock lock(mutex_);
  const auto running = listings_.find(directory);
  if (running != listings_.end()) running->second.used = tree_.moment();
}

// Fetches the next page of the directory's listing, beginning one where none is under way. In the directory's turn.
Result<Directories::Progress> Directories::list_page(InodeNumber directory, const StopToken& stop) {
  PAIL_TRY(const auto listing, listing_of(directory));
  const cos::ListRequest request{.prefix = listing->prefix, .delimiter = "/", .continuation = listing->continuation};
  PAIL_TRY(const cos::ListPage page, store_.list_objects(request, stop));
  DecidedPage decided = listed_page(listing->prefix, page, listing->undecided);
  PAIL_TRY(const Taken added, names_.listed(listing->asked, decided.page));
  if (added != Taken::taken) return Progress::moved;
  listing->undecided = std::move(decided.undecided);
  listing->continuation = page.continuation;
  page_fetched(directory);
  if (!page.continuation.empty()) return Progress::page;
  PAIL_TRY(const Taken finished, names_.listing_complete(listing->asked));
  if (finished != Taken::taken) return Progress::moved;
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
  const local::View view = names_.view();
  PAIL_TRY(seen.self, view.require(directory));
  if (seen.self.type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", seen.self.name)};
  view.children(directory, after, [&](InodeRecord record) {
    const WallTime confirmed = tree_.confirmed(view, record);
    seen.children.push_back({std::move(record), confirmed});
    return seen.children.size() < most;
  });
  return seen;
}

DirectoryEntry Directories::entry_of(Found child, WithAttributes with) const {
  InodeRecord& record = child.record;
  DirectoryEntry entry{record.name, record.number, {}, record.number + kFirstChildOffset, {}};
  const bool staged = record.content == Content::staged;
  const bool exact = record.knowledge == Knowledge::exact;
  const bool no_link = record.size > kLongestLink && !local::is_in_doubt(record);
  if (exact || staged || record.type == FileType::directory || no_link) entry.type = record.type;
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
    bool shown = may_be_shown(seen, offset, listed_now);
    if (!shown && seen.self.listed == WallTime{}) {
      keep_confirmed(seen, offset);
      shown = !seen.children.empty();
    }
    if (shown) {
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

bool Directories::may_be_shown(const Glimpse& seen, std::uint64_t offset, bool listed_now) const {
  const WallTime listed = seen.self.listed;
  // A stream that has begun goes on with the listing it began with, however old that is by now.
  return tree_.fresh(listed) || listed_now || (offset > kFirstChildOffset && listed != WallTime{});
}

// Of a directory without a complete listing, of which what was found so far may be given out: up to the first child
// that may be gone. Those behind it would come before it in the stream, which then never showed it.
void Directories::keep_confirmed(Glimpse& seen, std::uint64_t offset) {
  WallTime began = WallTime::max();
  {
    MutexLock lock(mutex_);
    const auto running = listings_.find(seen.self.number);
    const bool counts = running != listings_.end() && !is_abandoned(running->second) &&
                        (offset > kFirstChildOffset || tree_.fresh(running->second.listing->began));
    if (counts) began = running->second.listing->began;
  }
  began = std::max(began, names_.trusted_from());
  const auto may_be_gone = [&](const Found& child) { return child.confirmed < began && !tree_.fresh(child.confirmed); };
  seen.children.erase(std::ranges::find_if(seen.children, may_be_gone), seen.children.end());
}

// Goes on with the listing of a directory whose names are not known or old. True: it is complete now.
Result<bool> Directories::list_on(InodeNumber directory, const StopToken& stop) {
  PAIL_TRY(const auto turn, listing_turns_.take(directory, stop));
  PAIL_TRY(const InodeRecord self, names_.inode(directory));
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
    const local::View view = names_.view();
    PAIL_TRY(prefix, tree_.prefix_of(view, directory));
    bool staged = false;
    view.children(directory, 0, [&](const InodeRecord& child) {
      staged = child.content == Content::staged;
      return !staged;
    });
    if (staged) return false;
  }
  PAIL_TRY(const auto page, store_.list_objects({.prefix = prefix, .max_keys = 2}, stop));
  return std::ranges::all_of(page.objects, [&](const auto& object) { return object.key == prefix; });
}

}  // namespace pail::vfs
