#include "vfs/listing_merge.h"

#include <map>

#include "base/checksum.h"
#include "base/encoding.h"
#include "base/log.h"
#include "vfs/own_write.h"

namespace pail::vfs {

using local::Content;
using local::DirectoryForm;
using local::Dirent;
using local::InodeRecord;
using local::Knowledge;

namespace {

constexpr std::string_view kFolderSuffix = "_$folder$";

std::uint64_t hash(std::string_view name) {
  return xxh3(bytes_of(name));
}

}  // namespace

struct ListingMerge::Seen {
  const cos::ListedObject* object = nullptr;  // a file, or a folder marker
  bool directory = false;
  DirectoryForm form = DirectoryForm::implicit;
};

bool vanish(local::WriteTransaction& change, OpenTable& opens, InodeRecord record, std::uint64_t since) {
  if (record.content == Content::staged || record.changed_seq > since) return false;
  std::vector<InodeNumber> children;
  change.children(record.number, 0, [&](InodeNumber child) {
    children.push_back(child);
    return true;
  });
  bool all_gone = true;
  for (const InodeNumber number : children)
    if (auto child = change.inode(number)) all_gone &= vanish(change, opens, std::move(*child), since);
  if (!all_gone) return false;
  if (leads_to(change, record)) change.forget(record.parent, record.name);
  if (!opens.maybe_open(record.number)) {
    change.erase(record.number);
    return true;
  }
  record.binding = local::Binding::vanished;
  ++record.epoch;  // whoever has it open must not write to it any more
  change.put(record);
  return true;
}

void forget_name(local::WriteTransaction& change, InodeNumber parent, std::string_view name) {
  change.forget(parent, name);
  // A parent that is gone as well needs no mark.
  const auto marked = change.update(parent, [](InodeRecord& record) { record.listed = {}; });
  if (!marked) spdlog::debug("{}", marked.error().context);
}

bool leads_to(local::ReadTransaction& view, const InodeRecord& record) {
  const auto dirent = view.dirent(record.parent, record.name);
  return dirent && dirent->number == record.number;
}

ListingMerge::ListingMerge(local::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, InodeNumber directory)
    : index_(&index), tree_(&tree), opens_(&opens), turns_(&turns), directory_(directory), begun_(tree.moment()) {}

Result<ListingMerge> ListingMerge::begin(local::Index& index, const Tree& tree, OpenTable& opens, Turns& turns,
                                         InodeNumber directory) {
  ListingMerge merge(index, tree, opens, turns, directory);
  auto change = index.write();
  PAIL_TRY(merge.prefix_, tree.prefix_of(*change, directory));
  PAIL_TRY(merge.spot_, tree.spot(*change, directory));
  merge.sequence_ = change->next_sequence();
  change->names(directory, "", [&](std::string_view, const Dirent&) {
    merge.had_names_ = true;
    return false;
  });
  PAIL_CHECK(change->commit());
  return merge;
}

bool ListingMerge::still_valid() const {
  return tree_->still_lies(*index_->read(), spot_);
}

Result<bool> ListingMerge::add(const cos::ListPage& page) {
  std::map<std::string, Seen, std::less<>> names;
  const cos::ListedObject* marker = nullptr;
  for (const std::string& prefix : page.common_prefixes) {
    std::string name = prefix.substr(prefix_.size());
    if (name.ends_with('/')) name.pop_back();
    names[std::move(name)] = {nullptr, true, DirectoryForm::implicit};
  }
  for (const cos::ListedObject& object : page.objects) {
    std::string name = object.key.substr(prefix_.size());
    if (name.empty()) {
      marker = &object;
    } else if (object.size.n == 0 && name.ends_with(kFolderSuffix) && name.size() > kFolderSuffix.size()) {
      name.resize(name.size() - kFolderSuffix.size());
      names.try_emplace(std::move(name), Seen{&object, true, DirectoryForm::folder_marker});
    } else {
      names.try_emplace(std::move(name), Seen{&object, false, DirectoryForm::implicit});
    }
  }
  auto change = index_->write();
  busy_ = turns_->taken();
  if (directory_ != kRootInode && !change->inode(directory_)) return Error{ESTALE, prefix_ + ": no longer exists"};
  if (!tree_->still_lies(*change, spot_)) return false;
  if (marker != nullptr) PAIL_CHECK(note_marker(*change, *marker));
  for (const auto& [name, seen] : names) {
    if (had_names_) seen_.insert(hash(name));
    if (check_name(name)) {
      merge(*change, name, seen);
    } else {
      spdlog::debug("{}: not shown, no file can have this name", quote(prefix_ + name));
    }
  }
  PAIL_CHECK(change->commit());
  return true;
}

// The directory's own marker: when somebody else wrote it, its attributes are read anew.
Result<Unit> ListingMerge::note_marker(local::WriteTransaction& change, const cos::ListedObject& marker) {
  PAIL_TRY(InodeRecord record, require(change, directory_));
  if (directory_ == kRootInode || record.changed_seq > sequence_ || busy_.contains(directory_)) return Unit{};
  if (!note_time(record, marker.last_modified)) return Unit{};
  if (record.form != DirectoryForm::slash_marker) record.knowledge = Knowledge::listed;
  record.form = DirectoryForm::slash_marker;
  change.put(record);
  return Unit{};
}

// What a listing must not touch: it may tell of a time before our own last change.
bool ListingMerge::is_kept(const InodeRecord& record) const {
  return record.content == Content::staged || record.changed_seq > sequence_ || busy_.contains(record.number);
}

// The content is the one we know. Its attributes may have been changed by another mount, which a copy onto itself shows
// by the object's time alone.
void ListingMerge::note_same_content(local::WriteTransaction& change, InodeRecord record,
                                     const cos::ListedObject& object) {
  if (note_time(record, object.last_modified)) change.put(record);
}

void ListingMerge::merge(local::WriteTransaction& change, const std::string& name, const Seen& seen) {
  const auto dirent = change.dirent(directory_, name);
  if (dirent && dirent->changed_seq > sequence_) return;
  auto known = dirent && dirent->number != 0 ? change.inode(dirent->number) : std::nullopt;
  if (known && is_kept(*known)) return;
  const bool known_directory = known && known->type == FileType::directory;
  if (known_directory && seen.directory) return;
  if (known && !seen.directory && known->etag == seen.object->etag.text && !known->etag.empty())
    return note_same_content(change, std::move(*known), *seen.object);
  // A file became a directory or the other way round; or its content is another one while it is open: the kernel's
  // pages belong to the number, so the new content gets a new one.
  if (known && (known_directory || seen.directory || opens_->maybe_open(known->number))) {
    if (!vanish(change, *opens_, std::move(*known), sequence_)) return;
    known.reset();
  }
  InodeRecord record;
  if (known) {
    record = std::move(*known);
    ++record.epoch;
  } else {
    record.number = change.next_inode_number();
    record.parent = directory_;
    record.name = name;
  }
  record.type = seen.directory ? FileType::directory : FileType::regular;
  record.form = seen.form;
  apply_defaults(record, tree_->defaults());
  record.knowledge = Knowledge::listed;
  record.checked = begun_;
  if (!seen.directory) {
    record.size = seen.object->size;
    record.etag = seen.object->etag.text;
  }
  record.stored = seen.object != nullptr ? seen.object->last_modified : WallTime{};
  record.written.reset();
  record.accessed = record.modified = record.changed = seen.object != nullptr ? seen.object->last_modified : begun_;
  change.put(record);
  change.bind(directory_, name, {record.number, begun_, dirent ? dirent->changed_seq : 0});
}

Result<bool> ListingMerge::finish() {
  constexpr std::size_t kBatch = 1000;
  std::string after;
  for (bool more = had_names_; more;) {
    auto change = index_->write();
    busy_ = turns_->taken();
    if (!tree_->still_lies(*change, spot_)) return false;
    std::vector<std::pair<std::string, Dirent>> gone;
    std::size_t visited = 0;
    more = false;
    change->names(directory_, after, [&](std::string_view name, const Dirent& dirent) {
      after = name;
      if (!seen_.contains(hash(name)) && dirent.changed_seq <= sequence_) gone.emplace_back(name, dirent);
      more = ++visited == kBatch;
      return !more;
    });
    for (const auto& [name, dirent] : gone) {
      auto record = dirent.number != 0 ? change->inode(dirent.number) : std::nullopt;
      if (record && is_kept(*record)) continue;
      if (record && !vanish(*change, *opens_, std::move(*record), sequence_)) continue;
      change->forget(directory_, name);
    }
    PAIL_CHECK(change->commit());
  }
  auto change = index_->write();
  if (!tree_->still_lies(*change, spot_)) return false;
  PAIL_CHECK(change->update(directory_, [&](InodeRecord& record) { record.listed = begun_; }));
  PAIL_CHECK(change->commit());
  return true;
}

}  // namespace pail::vfs
