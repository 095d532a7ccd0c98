#include "local/names/name_change.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "local/names/codec.h"
#include "local/names/intents.h"
#include "local/names/moments.h"
#include "local/names/object_time.h"
#include "local/names/recent_changes.h"
#include "local/names/tree_walk.h"

namespace pail::local {

namespace {

Mutex& ready_to_change(Index& index, Mutex& changing) {
  index.keep_numbers_ahead();
  return changing;
}

}  // namespace

NameChange::NameChange(NameStore& store)
    : store_(store), turn_(ready_to_change(*store.index_, store.changing_)), records_(store.index_->write()) {}

NameChange::~NameChange() = default;

std::uint64_t NameChange::sequence() {
  if (sequence_ == 0) sequence_ = records_->next_sequence();
  return sequence_;
}

Result<InodeRecord> NameChange::require(InodeNumber number) {
  auto inode = records_->inode(number);
  if (!inode) return no_longer_exists(number);
  return std::move(*inode);
}

std::optional<InodeRecord> NameChange::inode_at(const Place& place) {
  const auto dirent = records_->dirent(place.parent, place.name);
  return dirent && dirent->number != 0 ? records_->inode(dirent->number) : std::nullopt;
}

std::uint64_t NameChange::sequence_of(const Place& place) {
  if (const auto dirent = records_->dirent(place.parent, place.name)) return dirent->changed_seq;
  const auto absence = store_.absent_->find(place.parent, place.name);
  return absence ? absence->sequence : 0;
}

WallTime NameChange::last_told(const Place& place, const std::optional<InodeRecord>& inode) {
  if (inode) return last_shown(*records_, *inode);
  const auto absence = store_.absent_->find(place.parent, place.name);
  return absence ? absence->checked : WallTime{};
}

WallTime NameChange::last_free(const Place& place) {
  return local::last_free(*records_, *store_.absent_, place);
}

bool NameChange::leads_to(const Place& place, InodeNumber number) {
  const auto dirent = records_->dirent(place.parent, place.name);
  return (dirent ? dirent->number : 0) == number;
}

InodeRecord NameChange::new_inode(const Place& place, InodeNumber number, FileType type) {
  InodeRecord inode;
  inode.number = number;
  inode.parent = place.parent;
  inode.name = place.name;
  inode.type = type;
  const bool directory = type == FileType::directory;
  inode.permissions = directory ? defaults().directory_permissions : defaults().file_permissions;
  inode.uid = defaults().uid;
  inode.gid = defaults().gid;
  return inode;
}

void NameChange::show(const InodeRecord& inode, WallTime checked, std::uint64_t sequence) {
  records_->put(inode);
  records_->bind(inode.parent, inode.name, {inode.number, checked, sequence});
  if (store_.absent_->find(inode.parent, inode.name))
    names_.emplace_back(Place{inode.parent, inode.name}, std::nullopt);
}

void NameChange::bind(const Place& place, InodeNumber number, WallTime confirmed) {
  records_->bind(place.parent, place.name, {number, confirmed, sequence()});
  names_.emplace_back(place, std::nullopt);
}

void NameChange::unbind(const Place& place) {
  records_->forget(place.parent, place.name);
  names_.emplace_back(place, Absence{moment(), sequence()});
}

// A listing may have seen before us that it is gone; then the name leads nowhere, and is noted as ours all the same.
void NameChange::take_away(const Place& place, InodeNumber number) {
  if (leads_to(place, number) || leads_to(place, 0))
    unbind(place);
  else
    doubt_name(place);
}

void NameChange::note_absent(const Place& place, const Absence& absence) {
  records_->forget(place.parent, place.name);
  names_.emplace_back(place, absence);
}

void NameChange::doubt(InodeRecord inode) {
  put_in_doubt(inode);
  inode.changed_seq = sequence();
  records_->put(inode);
}

void NameChange::doubt_replaced(const Begun& begun) {
  if (auto replaced = records_->inode(begun.replaced)) doubt(*std::move(replaced));
}

void NameChange::doubt_at_work(InodeRecord inode, const std::optional<SeenObject>& seen) {
  const bool is_at_work = store_.uses_.busy(inode.number) || store_.uses_.busy(Place{inode.parent, inode.name});
  const bool is_stored_file = inode.type != FileType::directory && inode.content == Content::remote;
  const bool is_known = seen && seen->etag == inode.etag && is_known_time(inode, seen->stored);
  if (!is_at_work || !is_stored_file || inode.unlinked() || is_known) return;
  put_in_doubt(inode);
  records_->put(inode);
}

Result<Taken> NameChange::keep_at_work(InodeRecord inode, const std::optional<SeenObject>& seen) {
  doubt_at_work(std::move(inode), seen);
  PAIL_CHECK(commit());
  return Taken::kept;
}

void NameChange::doubt_name(const Place& place) {
  auto inode = inode_at(place);
  if (inode && !inode->unlinked() && inode->parent == place.parent && inode->name == place.name) {
    records_->bind(place.parent, place.name, {inode->number, WallTime{}, sequence()});
    doubt(std::move(*inode));
  } else {
    records_->forget(place.parent, place.name);
  }
  names_.emplace_back(place, std::nullopt);
  void_answers(place);
  doubtful_.push_back(place.parent);
  if (auto parent = records_->inode(place.parent)) {
    parent->listed = {};
    records_->put(*parent);
  }
}

void NameChange::touch(InodeNumber directory) {
  auto inode = records_->inode(directory);
  if (!inode) return;
  inode->modified = inode->changed = wall();
  records_->put(*inode);
}

// ---- what goes ------------------------------------------------------------------------------------------------------

bool NameChange::is_ours(const InodeRecord& inode, Since since) const {
  if (inode.content == Content::staged) return true;
  return since && (inode.changed_seq > since->sequence || store_.uses_.busy(inode.number));
}

bool NameChange::at_work(const Place& place) const {
  return store_.uses_.busy(place);
}

bool NameChange::vanish(InodeRecord inode, Since since) {
  if (is_ours(inode, since) || (since && last_shown(*records_, inode) > since->moment)) return false;
  if (inode.type == FileType::directory) {
    if (!vanish_children(inode.number, since)) return false;
    forget_names_in(inode.number);
  }
  if (has_its_name(*records_, inode)) records_->forget(inode.parent, inode.name);
  if (!store_.uses_.open(inode.number)) {
    records_->erase(inode.number);
    return true;
  }
  inode.binding = Binding::vanished;
  ++inode.epoch;  // whoever has it open must not write to it any more
  records_->put(inode);
  return true;
}

// All that can go goes, whether or not one stays.
bool NameChange::vanish_children(InodeNumber directory, Since since) {
  std::vector<InodeNumber> children;
  records_->children(directory, 0, [&](InodeNumber child) {
    children.push_back(child);
    return true;
  });
  bool all_gone = true;
  for (const InodeNumber number : children)
    if (auto child = records_->inode(number)) all_gone &= vanish(std::move(*child), since);
  return all_gone;
}

// A directory that is gone leaves no names behind, absent ones of older versions among them.
void NameChange::forget_names_in(InodeNumber directory) {
  std::vector<std::string> names;
  records_->names(directory, "", [&](std::string_view name, const Dirent&) {
    names.emplace_back(name);
    return true;
  });
  for (const std::string& name : names) records_->forget(directory, name);
  emptied_.push_back(directory);
}

void NameChange::detach(const Place& place, InodeNumber number) {
  auto inode = records_->inode(number);
  if (!inode || Place{inode->parent, inode->name} != place) return;
  inode->binding = Binding::removed;
  inode->changed = wall();
  records_->put(*inode);
  if (inode->type != FileType::directory) return;
  if (vanish_children(number, kOurs))
    forget_names_in(number);
  else
    spdlog::warn("a removed directory held what is being written");
}

Result<Unit> NameChange::displace(const Place& place, InodeNumber expected) {
  auto found = inode_at(place);
  if (!found || found->number == expected || vanish(std::move(*found), kOurs)) return Unit{};
  return Error{EEXIST, fmt::format("{}: is being written", quote(place.name))};
}

std::optional<InodeRecord> NameChange::take_content(InodeRecord inode, const std::string& etag, Since since) {
  const bool same = !inode.etag.empty() && inode.etag == etag;
  if (same || inode.type == FileType::directory) return inode;  // the kernel keeps no pages of directories
  if (store_.uses_.open(inode.number)) return make_room(std::move(inode), since);
  ++inode.epoch;
  return inode;
}

std::optional<InodeRecord> NameChange::make_room(InodeRecord inode, Since since) {
  InodeRecord fresh = new_inode({inode.parent, inode.name}, 0, FileType::regular);
  if (!vanish(std::move(inode), since)) return std::nullopt;
  fresh.number = records_->next_inode_number();
  return fresh;
}

namespace {

// The bytes are those that were copied where all else is, times to the nanosecond among it. An object that does not say
// when it was modified proves nothing.
bool is_copy(const ObjectFacts& found, const InodeRecord& sent) {
  const bool says_modified = found.modified != found.stored;
  return says_modified && found.modified == sent.modified && found.size == sent.size && found.type == sent.type &&
         found.permissions == sent.permissions && found.uid == sent.uid && found.gid == sent.gid;
}

// Listings do not tell files from links: an inode that was only listed so far has no type yet.
bool has_shown_its_type(const InodeRecord& inode) {
  return inode.knowledge == Knowledge::exact || inode.epoch > 0 || is_in_doubt(inode);
}

}  // namespace

// As it was sent, of the version that the inode still is.
std::optional<InodeRecord> NameChange::copy_sent(const InodeRecord& inode) {
  const auto noted = records_->intent(kAttributesSent | inode.number);
  auto sent = noted ? decode_inode(inode.number, noted->detail) : std::nullopt;
  if (sent && sent->etag != inode.etag) return std::nullopt;
  return sent;
}

bool NameChange::may_be_own_copy(const InodeRecord& inode, ByteCount size) {
  const auto sent = copy_sent(inode);
  return sent && sent->size == size;
}

std::optional<InodeRecord> NameChange::take_object(InodeRecord inode, const ObjectFacts& object, Since since) {
  const InodeNumber number = inode.number;
  const auto sent = copy_sent(inode);
  std::optional<InodeRecord> shown;
  if (sent && is_copy(object, *sent))
    shown = std::move(inode);
  else if (has_shown_its_type(inode) && inode.type != object.type)
    shown = make_room(std::move(inode), since);
  else
    shown = take_content(std::move(inode), object.etag, since);
  if (shown) forget_attributes_sent(number);
  return shown;
}

// ---- requests -------------------------------------------------------------------------------------------------------

void NameChange::note_attempt(RequestNumber request, const Attempt& attempt) {
  if (request != 0) records_->put_intent(request, intent_of(attempt));
}

void NameChange::note_attributes_sent(InodeNumber number) {
  note_attempt(kAttributesSent | number, Begun{number});
}

void NameChange::note_copy_sent(const InodeRecord& copy) {
  Intent intent = intent_of(Begun{copy.number});
  intent.detail = encode(copy);
  records_->put_intent(kAttributesSent | copy.number, intent);
}

void NameChange::forget_attributes_sent(InodeNumber number) {
  records_->erase_intent(kAttributesSent | number);
}

std::vector<InodeNumber> NameChange::attributes_left() {
  std::vector<InodeNumber> left;
  for (const auto& [request, intent] : records_->intents())
    if (says_attributes_sent(request)) left.push_back(intent.subject);
  return left;
}

Result<Unit> NameChange::commit() {
  if (!moved_.empty() || !voided_.empty()) sequence();
  store_.moments_->note(*records_);
  PAIL_CHECK(records_->commit());
  store_.moments_->committed();
  for (const InodeNumber directory : emptied_) store_.absent_->forget_all(directory);
  for (const auto& [place, absence] : names_) {
    if (absence)
      store_.absent_->note(place, *absence);
    else
      store_.absent_->forget(place);
  }
  for (const InodeNumber directory : moved_) store_.moves_->note(directory, sequence_);
  for (const Place& place : voided_) store_.voided_->note(subject_of(place), sequence_);
  for (const InodeNumber directory : doubtful_) store_.doubtful_->note(directory, sequence_);
  if (sequence_ != 0) store_.last_sequence_ = sequence_;
  return Unit{};
}

}  // namespace pail::local
