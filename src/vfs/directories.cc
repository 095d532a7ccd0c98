#include "vfs/directories.h"

#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/log.h"

namespace pail::vfs {

using cache::Content;
using cache::DirectoryForm;
using cache::Dirent;
using cache::InodeRecord;
using cache::Knowledge;

namespace {

constexpr std::uint64_t kFirstChildOffset = 2;  // offsets 1 and 2 follow "." and "..", a child's is its number + 2
constexpr ByteCount kLargestLink{4096};         // a larger object is no symbolic link

Error no_such(std::string_view name) {
  return Error{ENOENT, fmt::format("{}: no such file or directory", quote(name))};
}

}  // namespace

Directories::Directories(cache::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, cos::Client& store,
                         std::string bucket, Executor& helpers)
    : index_(index),
      tree_(tree),
      opens_(opens),
      turns_(turns),
      store_(store),
      bucket_(std::move(bucket)),
      helpers_(helpers) {}

// ---- names ----------------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::resolve(InodeNumber parent, std::string_view name,
                                                const std::stop_token& stop) {
  const WallTime asked = now();
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
  if (found->record.knowledge == Knowledge::exact) return std::move(*found);
  PAIL_TRY(InodeRecord record, exact(std::move(found->record), stop));
  return Found{std::move(record), found->confirmed};
}

// One page tells all names of most directories, so that the next look-ups cost nothing. Where it does not, the
// directory counts as large from then on.
Result<Unit> Directories::list_if_small(InodeNumber parent, std::string_view name, WallTime asked,
                                        const std::stop_token& stop) {
  {
    MutexLock lock(mutex_);
    if (large_.contains(parent)) return Unit{};
  }
  PAIL_TRY(const auto turn, turns_.take(parent, stop));
  PAIL_TRY(const auto found, known(parent, name, asked));
  if (found) return Unit{};
  PAIL_TRY(const Progress progress, list_page(parent, stop));
  if (progress == Progress::complete) return Unit{};
  MutexLock lock(mutex_);
  large_.insert(parent);
  return Unit{};
}

// What is known of a name and fresh, or confirmed after `since`: an inode, its absence (number 0), or nothing.
Result<std::optional<Directories::Found>> Directories::known(InodeNumber parent, std::string_view name,
                                                             WallTime since) {
  auto usable = [&](WallTime confirmed) { return confirmed >= since || tree_.fresh(confirmed); };
  const auto view = index_.read();
  PAIL_TRY(const InodeRecord directory, require(*view, parent));
  if (directory.type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", directory.name)};
  const auto dirent = view->dirent(parent, name);
  const WallTime checked = std::max(directory.listed, dirent ? dirent->checked : WallTime{});
  if (dirent && dirent->number != 0) {
    auto record = view->inode(dirent->number);
    if (!record) return std::optional<Found>{};
    const WallTime confirmed = record->content == Content::staged ? now() : std::max(checked, record->checked);
    if (!usable(confirmed)) return std::optional<Found>{};
    return std::optional(Found{std::move(*record), confirmed});
  }
  if (usable(checked)) return std::optional(Found{InodeRecord{}, checked});
  return std::optional<Found>{};
}

// Asks for one name: the object and whether keys lie below it, both at once.
Result<Unit> Directories::probe(InodeNumber parent, std::string_view name, const std::stop_token& stop) {
  std::string key;
  std::uint64_t sequence = 0;
  {
    auto change = index_.write();
    PAIL_TRY(key, tree_.prefix_of(*change, parent));
    sequence = change->next_sequence();
    PAIL_CHECK(change->commit());
  }
  key += name;
  auto promise = std::make_shared<std::promise<Result<cos::ObjectInfo>>>();
  auto object = promise->get_future();
  helpers_.run([this, key, stop, promise] { promise->set_value(store_.head_object(bucket_, key, stop)); });
  const auto below = store_.list_objects(bucket_, {.prefix = key + "/", .max_keys = 1}, stop);
  const auto info = object.get();
  if (!below) return below.error();
  if (!info && info.error().fault != Fault::no_key) return info.error();
  return bind_probed(parent, name, info, !below->objects.empty(), sequence);
}

Result<Unit> Directories::bind_probed(InodeNumber parent, std::string_view name, const Result<cos::ObjectInfo>& object,
                                      bool directory, std::uint64_t sequence) {
  auto change = index_.write();
  const auto dirent = change->dirent(parent, name);
  if (dirent && dirent->changed_seq > sequence) return Unit{};
  auto record = dirent && dirent->number != 0 ? change->inode(dirent->number) : std::nullopt;
  if (record && record->content == Content::staged) return Unit{};
  if (record && (record->type == FileType::directory) != directory && record->form != DirectoryForm::plain_marker) {
    remove_tree(*change, opens_, std::move(*record));
    record.reset();
  }
  if (!object && !directory) {
    if (record) remove_tree(*change, opens_, std::move(*record));
    change->unbind(parent, name, {0, now(), dirent ? dirent->changed_seq : 0});
    return change->commit();
  }
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
  }
  record->checked = now();
  change->put(*record);
  change->bind(parent, name, {record->number, record->checked, dirent ? dirent->changed_seq : 0});
  return change->commit();
}

// ---- attributes -----------------------------------------------------------------------------------------------------

Result<Directories::Found> Directories::current(InodeNumber number, const std::stop_token& stop) {
  InodeRecord record;
  WallTime confirmed;
  {
    const auto view = index_.read();
    PAIL_TRY(record, require(*view, number));
    confirmed = tree_.confirmed(*view, record);
  }
  const bool remote = record.content == Content::remote && !record.unlinked && number != kRootInode;
  // A directory's attributes are read anew when its listing shows that its marker changed.
  const bool trusted =
      record.knowledge == Knowledge::exact && (record.type == FileType::directory || tree_.fresh(confirmed));
  if (!remote || trusted) return Found{std::move(record), remote ? confirmed : now()};
  PAIL_TRY(record, exact(std::move(record), stop));
  return Found{std::move(record), now()};
}

Result<InodeRecord> Directories::confirm(InodeNumber number, const std::stop_token& stop) {
  PAIL_TRY(InodeRecord record, require(*index_.read(), number));
  return exact(std::move(record), stop);
}

Result<std::string> Directories::object_key(const InodeRecord& record) {
  const auto view = index_.read();
  if (record.type != FileType::directory) return tree_.key_of(*view, record.number);
  PAIL_TRY(const std::string prefix, tree_.prefix_of(*view, record.number));
  return Tree::marker_key(prefix, record.form);
}

Result<InodeRecord> Directories::exact(InodeRecord record, const std::stop_token& stop) {
  if (record.type != FileType::directory) head_siblings(record);
  PAIL_TRY(const std::string key, object_key(record));
  const auto info = store_.head_object(bucket_, key, stop);
  return accept(std::move(record), info);
}

// Takes over what HEAD said of a record, unless the inode was changed here in the meantime.
Result<InodeRecord> Directories::accept(InodeRecord asked, const Result<cos::ObjectInfo>& info) {
  auto change = index_.write();
  PAIL_TRY(InodeRecord record, require(*change, asked.number));
  if (record.changed_seq != asked.changed_seq || record.content == Content::staged) return record;
  const bool directory = record.type == FileType::directory;
  if (!info) {
    const Fault fault = info.error().fault;
    if (fault == Fault::denied) return record;  // may be listed but not read: shown as the listing has it
    if (fault != Fault::no_key) return info.error();
    if (!directory) {
      change->forget(record.parent, record.name);
      remove_tree(*change, opens_, std::move(record));
      PAIL_CHECK(change->commit());
      return no_such(asked.name);
    }
    record.form = DirectoryForm::implicit;
    record.knowledge = Knowledge::exact;
  } else if (directory) {
    const auto form = record.form == DirectoryForm::implicit ? DirectoryForm::slash_marker : record.form;
    apply_object(record, *info, true, tree_.defaults());
    record.form = form;
  } else {
    if (record.etag != info->etag.text) ++record.epoch;
    const bool same = record.etag == info->etag.text;
    const std::string target = record.link_target;
    apply_object(record, *info, false, tree_.defaults());
    if (same) record.link_target = target;
    if (record.type == FileType::directory) record.form = DirectoryForm::plain_marker;
  }
  record.checked = now();
  change->put(record);
  PAIL_CHECK(change->commit());
  return record;
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
      if (auto key = object_key(sibling)) {
        const auto info = store_.head_object(bucket_, *key);
        const auto taken = accept(sibling, info);
        if (!taken) spdlog::debug("attributes ahead: {}", taken.error().context);
      }
    });
}

// ---- listings -------------------------------------------------------------------------------------------------------

// Fetches the next page of the directory's listing, beginning one where none is under way. In the directory's turn.
Result<Directories::Progress> Directories::list_page(InodeNumber directory, const std::stop_token& stop) {
  std::shared_ptr<Listing> listing;
  {
    MutexLock lock(mutex_);
    const auto found = listings_.find(directory);
    if (found != listings_.end()) listing = found->second;
  }
  constexpr auto kAbandoned = std::chrono::seconds(60);  // without a reader that asks for the next page
  if (listing && (now() - listing->used > kAbandoned || !listing->merge.still_valid())) listing.reset();
  if (!listing) {
    PAIL_TRY(ListingMerge merge, ListingMerge::begin(index_, tree_, opens_, directory));
    listing = std::make_shared<Listing>(Listing{std::move(merge), {}, {}});
    MutexLock lock(mutex_);
    listings_[directory] = listing;
  }
  const cos::ListRequest request{
      .prefix = listing->merge.prefix(), .delimiter = "/", .continuation = listing->continuation};
  PAIL_TRY(const cos::ListPage page, store_.list_objects(bucket_, request, stop));
  if (!listing->merge.still_valid()) return Error{ESTALE, "the directory was moved while it was listed"};
  PAIL_CHECK(listing->merge.add(page));
  listing->continuation = page.continuation;
  listing->used = now();
  if (!page.continuation.empty()) return Progress::page;
  PAIL_CHECK(listing->merge.finish());
  MutexLock lock(mutex_);
  listings_.erase(directory);
  if (request.continuation.empty()) large_.erase(directory);
  return Progress::complete;
}

Result<Unit> Directories::list_all(InodeNumber directory, const std::stop_token& stop) {
  for (;;) {
    PAIL_TRY(const Progress progress, list_page(directory, stop));
    if (progress == Progress::complete) return Unit{};
  }
}

Result<std::vector<DirectoryEntry>> Directories::read(InodeNumber directory, std::uint64_t offset, std::size_t most,
                                                      WithAttributes with, const std::stop_token& stop) {
  std::vector<DirectoryEntry> entries;
  for (bool listed_now = false;;) {
    bool fresh = false, never_listed = false;
    InodeRecord self;
    {
      const auto view = index_.read();
      PAIL_TRY(self, require(*view, directory));
      if (self.type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", self.name)};
      // A stream that has begun goes on with the listing it began with, however old that is by now.
      fresh = tree_.fresh(self.listed) || listed_now || (offset > kFirstChildOffset && self.listed != WallTime{});
      never_listed = self.listed == WallTime{};
      if (offset == 0) entries.push_back({".", directory, FileType::directory, 1, {}});
      if (offset <= 1 && entries.size() < most) entries.push_back({"..", self.parent, FileType::directory, 2, {}});
      const InodeNumber after = offset > kFirstChildOffset ? offset - kFirstChildOffset : 0;
      std::vector<InodeNumber> numbers;
      if (fresh || never_listed)
        view->children(directory, after, [&](InodeNumber number) {
          numbers.push_back(number);
          return numbers.size() + entries.size() < most;
        });
      for (const InodeNumber number : numbers) {
        const auto record = view->inode(number);
        if (!record) continue;
        DirectoryEntry& entry =
            entries.emplace_back(DirectoryEntry{record->name, number, {}, number + kFirstChildOffset, {}});
        const bool typed = record->knowledge == Knowledge::exact || record->type == FileType::directory ||
                           record->content == Content::staged || record->size > kLargestLink;
        if (typed) entry.type = record->type;
        if (with == WithAttributes::yes && record->knowledge == Knowledge::exact)
          entry.entry = tree_.entry(*record, tree_.confirmed(*view, *record));
      }
      if (fresh || numbers.size() + (offset <= 1 ? 2 : 0) >= most) return entries;
      // Without a complete listing: what a running listing found so far may be given out.
      MutexLock lock(mutex_);
      if (never_listed && !numbers.empty() && listings_.contains(directory)) return entries;
    }
    entries.clear();
    PAIL_TRY(const auto turn, turns_.take(directory, stop));
    PAIL_TRY(self, require(*index_.read(), directory));
    if (tree_.fresh(self.listed)) continue;
    if (self.listed == WallTime{}) {
      PAIL_TRY(const Progress progress, list_page(directory, stop));
      listed_now = progress == Progress::complete;
    } else {
      PAIL_CHECK(list_all(directory, stop));
      listed_now = true;
    }
  }
}

Result<bool> Directories::empty(InodeNumber directory, const std::stop_token& stop) {
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
  PAIL_TRY(const auto page, store_.list_objects(bucket_, {.prefix = prefix, .max_keys = 2}, stop));
  return std::ranges::all_of(page.objects, [&](const auto& object) { return object.key == prefix; });
}

}  // namespace pail::vfs
