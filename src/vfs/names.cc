#include "vfs/names.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "pailfs/base/stop.h"

namespace pail::vfs {

using local::Content;
using local::DirectoryForm;
using local::InodeRecord;
using local::IntentState;
using local::Knowledge;

Names::Names(local::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate,
             cos::ObjectStore& store, Directories& directories, Files& files, const Options& options)
    : index_(index),
      tree_(tree),
      opens_(opens),
      turns_(turns),
      gate_(gate),
      store_(store),
      directories_(directories),
      files_(files),
      options_(options),
      copiers_(options.parallel) {}

Names::~Names() {
  end_deletes_.request_stop();
  copiers_.finish();
}

// ---- intents --------------------------------------------------------------------------------------------------------

// The intent of an earlier attempt at this request. That it is there means that all checks had passed then: what they
// would find now may be our own work.
Result<Names::Intent> Names::earlier(const Request& request) {
  if (!request.resent) return Intent{};
  auto intent = index_.read()->intent(request.unique);
  if (!intent || intent->state != IntentState::done || intent->detail.empty()) return intent;
  const int errnum = std::atoi(intent->detail.c_str());  // it failed, and only the answer is missing
  return Error{errnum > 0 ? errnum : EIO, intent->detail.substr(intent->detail.find(' ') + 1)};
}

void Names::note_failure(const Request& request, const Error& why) {
  const auto intent = index_.read()->intent(request.unique);
  if (!intent || intent->state != IntentState::begun) return;
  auto change = index_.write();
  change->put_intent(request.unique, {.state = IntentState::done,
                                      .subject = intent->subject,
                                      .detail = fmt::format("{} {}", why.errnum, why.context)});
  if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
}

// The checks have passed, and from here on the bucket may change.
Result<Unit> Names::begin(const Request& request, const Intent& earlier, InodeNumber subject) {
  if (request.unique == 0 || earlier) return Unit{};
  auto change = index_.write();
  change->put_intent(request.unique, {.subject = subject, .detail = {}});
  return change->commit();
}

void Names::done(local::WriteTransaction& change, const Request& request, InodeNumber subject,
                 const std::optional<Error>& failure) {
  if (request.unique == 0) return;
  std::string detail = failure ? fmt::format("{} {}", failure->errnum, failure->context) : std::string();
  change.put_intent(request.unique, {.state = IntentState::done, .subject = subject, .detail = std::move(detail)});
}

void Names::keep_turns() {
  for (const auto& [unique, intent] : index_.read()->intents()) {
    if (intent.state != IntentState::begun || intent.subject == 0) continue;
    if (auto turn = turns_.take(intent.subject, {})) kept_turns_.keep(unique, std::move(*turn));
  }
}

Result<Turns::Turn> Names::turn_for(const Request& request, InodeNumber number) {
  if (auto kept = kept_turns_.claim(request.unique, number)) return std::move(*kept);
  return turns_.take(number, request.stop);
}

// ---- records --------------------------------------------------------------------------------------------------------

Result<std::string> Names::key_for(Place place) {
  PAIL_CHECK(check_name(place.name));
  const auto view = index_.read();
  PAIL_TRY(const InodeRecord parent, require(*view, place.parent));
  // Another directory may have its name by now.
  if (parent.unlinked()) return Error{ENOENT, fmt::format("{}: was removed", quote(parent.name))};
  PAIL_TRY(std::string key, tree_.prefix_of(*view, place.parent));
  key += place.name;
  if (key.size() + 1 > cos::kMaxKeyBytes)
    return Error{ENAMETOOLONG, fmt::format("{}: a key has at most {} bytes", quote(key), cos::kMaxKeyBytes)};
  return key;
}

Result<std::optional<InodeRecord>> Names::find(Place place, const StopToken& stop) {
  auto found = directories_.resolve(place.parent, place.name, stop);
  if (found) return std::optional(std::move(found->record));
  if (found.error().fault == Fault::no_key) return std::optional<InodeRecord>{};
  return found.error();
}

// A record for a new inode, bound to its name; the parent's times change. The caller puts it.
Result<InodeRecord> Names::new_record(local::WriteTransaction& change, const Request& request, Place place,
                                      FileType type, std::uint32_t permissions) {
  PAIL_TRY(const InodeRecord parent, require(change, place.parent));
  if (parent.unlinked()) return Error{ENOENT, fmt::format("{}: was removed", quote(parent.name))};
  PAIL_CHECK(displace(change, place));
  InodeRecord record;
  record.number = change.next_inode_number();
  record.parent = place.parent;
  record.name = place.name;
  record.type = type;
  record.permissions = permissions & 07777;
  record.uid = request.uid;
  record.gid = request.gid;
  if ((parent.permissions & S_ISGID) != 0) {
    record.gid = parent.gid;
    if (type == FileType::directory) record.permissions |= S_ISGID;
  }
  record.accessed = record.modified = record.changed = now();
  record.knowledge = Knowledge::exact;
  record.changed_seq = change.next_sequence();
  record.checked = tree_.moment();
  change.bind(place.parent, place.name, {record.number, record.checked, record.changed_seq});
  PAIL_CHECK(touch(change, place.parent));
  return record;
}

// A listing that ran beside an operation of ours may have found its result under the name already. `replaced` is the
// inode that is known to have the name.
Result<Unit> Names::displace(local::WriteTransaction& change, Place place, InodeNumber replaced) {
  const auto dirent = change.dirent(place.parent, place.name);
  const bool taken = dirent && dirent->number != 0 && dirent->number != replaced;
  auto found = taken ? change.inode(dirent->number) : std::nullopt;
  if (!found || vanish(change, opens_, std::move(*found))) return Unit{};
  return Error{EEXIST, fmt::format("{}: is being written", quote(place.name))};
}

// The names in a directory changed.
Result<Unit> Names::touch(local::WriteTransaction& change, InodeNumber directory) {
  PAIL_CHECK(change.update(directory, [](InodeRecord& record) { record.modified = record.changed = now(); }));
  return Unit{};
}

// The inode lost its name: it lives for as long as somebody holds it. What a directory had was gone before.
Result<Unit> Names::detach(local::WriteTransaction& change, InodeNumber number) {
  PAIL_TRY(const InodeRecord record, change.update(number, [](InodeRecord& removed) {
    removed.binding = local::Binding::removed;
    removed.changed = now();
  }));
  if (record.type == FileType::directory) forget_children(change, number);
  return Unit{};
}

void Names::forget_children(local::WriteTransaction& change, InodeNumber directory) {
  std::vector<InodeNumber> children;
  change.children(directory, 0, [&](InodeNumber child) {
    children.push_back(child);
    return true;
  });
  for (const InodeNumber number : children)
    if (auto child = change.inode(number)) {
      if (!vanish(change, opens_, std::move(*child))) spdlog::warn("a removed directory held what is being written");
    }
}

void Names::clean_up(InodeNumber number) {
  if (opens_.maybe_open(number)) return;
  files_.discard(number);
  auto change = index_.write();
  change->erase(number);
  if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
}

// A directory that existed only through what was in it does not vanish with its last entry.
void Names::keep_directory(InodeNumber directory, const StopToken& stop) {
  if (directory == kRootInode) return;
  {
    const auto view = index_.read();
    const auto known = view->inode(directory);
    if (!known || known->form != DirectoryForm::implicit || known->unlinked()) return;
    bool occupied = false;
    view->children(directory, 0, [&](InodeNumber) {
      occupied = true;
      return false;
    });
    if (occupied) return;
  }
  const auto turn = turns_.take(directory, stop);
  const auto unchanged = [](InodeRecord&) { return Result<Unit>(Unit{}); };
  const auto kept = turn ? files_.store_attributes(directory, unchanged, stop) : Result<Unit>(turn.error());
  if (!kept) spdlog::warn("an emptied directory may vanish: {}", kept.error().context);
}

// ---- creating -------------------------------------------------------------------------------------------------------

Result<InodeRecord> Names::create(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                                  Existing existing) {
  const Place place{parent, name};
  PAIL_CHECK(key_for(place));
  PAIL_TRY(const Intent earlier, this->earlier(request));
  if (earlier && earlier->state == IntentState::done) return require(*index_.read(), earlier->subject);
  PAIL_TRY(const auto there, find(place, request.stop));
  if (there && (existing == Existing::refuse || there->type != FileType::regular))
    return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  if (there) return *there;
  auto change = index_.write();
  PAIL_TRY(InodeRecord record, new_record(*change, request, place, FileType::regular, mode));
  PAIL_CHECK(files_.stage_empty(record.number));
  record.content = Content::staged;
  change->put(record);
  done(*change, request, record.number);
  PAIL_CHECK(change->commit());
  return record;
}

Result<InodeRecord> Names::make(const Request& request, InodeNumber parent, std::string_view name, FileType type,
                                mode_t permissions, std::string_view target) {
  const Place place{parent, name};
  PAIL_TRY(std::string key, key_for(place));
  PAIL_TRY(const Intent earlier, this->earlier(request));
  if (earlier && earlier->state == IntentState::done) return require(*index_.read(), earlier->subject);
  PAIL_TRY(const auto there, find(place, request.stop));
  if (there && !earlier) return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  if (there && there->type == type) {  // made by us before we could say so
    auto change = index_.write();
    done(*change, request, there->number);
    PAIL_CHECK(change->commit());
    return *there;
  }
  PAIL_CHECK(begin(request, earlier, 0));

  // Alone with the name: a listing may show what is made before it is answered, and others could change that.
  PAIL_TRY(const auto closed, gate_.close({place.key()}, {}, request.stop));
  if (!earlier && !leads_to(place, 0)) return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  PAIL_TRY(key, key_for(place));
  if (type == FileType::directory) key += '/';
  InodeRecord record;
  {
    // Only to know what is to be stored; the change is made when that has worked.
    auto draft = index_.write();
    PAIL_TRY(record, new_record(*draft, request, place, type, permissions));
  }
  auto stored = files_.create_object(key, std::string(target), to_headers(record), request.stop);
  if (!stored && !(earlier && stored.error().fault == Fault::exists)) {
    ask_anew(place.key());  // others made it, or we did although it failed
    return stored.error();
  }
  auto change = index_.write();
  PAIL_TRY(InodeRecord made, new_record(*change, request, place, type, permissions));
  made.accessed = made.modified = record.modified;
  made.size = {target.size()};
  if (stored) made.written = stored->window;
  made.link_target = target;
  if (type == FileType::directory) {
    made.form = DirectoryForm::slash_marker;
    made.listed = made.checked;  // nothing is in it
    made.size = {};
  } else if (stored) {
    made.etag = stored->etag.text;
  } else {
    made.knowledge = Knowledge::listed;
  }
  change->put(made);
  done(*change, request, made.number);
  PAIL_CHECK(change->commit());
  return made;
}

// ---- removing -------------------------------------------------------------------------------------------------------

Result<Unit> Names::unlink(const Request& request, InodeNumber parent, std::string_view name) {
  const Place place{parent, name};
  PAIL_TRY(const Intent earlier, this->earlier(request));
  while (!earlier || earlier->state != IntentState::done) {
    PAIL_TRY(const auto found, find(place, request.stop));
    if (!found && earlier) break;  // its object went with the earlier attempt
    if (!found) return Error{ENOENT, fmt::format("{}: not there", quote(name))};
    if (found->type == FileType::directory) return Error{EISDIR, fmt::format("{}: a directory", quote(name))};
    PAIL_TRY(const Progress progress, remove_file(request, earlier, place, found->number));
    if (progress == Progress::done) break;
  }
  keep_directory(parent, request.stop);
  return Unit{};
}

Result<Names::Progress> Names::remove_file(const Request& request, const Intent& earlier, Place place,
                                           InodeNumber number) {
  PAIL_TRY(const auto turn, turn_for(request, number));
  PAIL_TRY(auto pass, gate_.enter_name(place.key(), request.stop));
  if (!leads_to(place, number)) return Progress::look_again;
  PAIL_TRY(const InodeRecord record, require(*index_.read(), number));
  PAIL_TRY(const std::string key, key_for(place));
  PAIL_TRY(auto preserved, files_.preserve(number, request.stop));
  PAIL_CHECK(begin(request, earlier, number));
  // An upload that ended with an error may have made an object all the same.
  const bool stored = !record.etag.empty() || !record.attempted.empty();
  const auto deleted = stored ? store_.delete_object(key, request.stop) : Result<Unit>(Unit{});
  if (!deleted) return deleted.error();
  preserved.keep();
  {
    auto change = index_.write();
    change->unbind(place.parent, place.name, {0, tree_.moment(), change->next_sequence()});
    PAIL_CHECK(detach(*change, number));
    PAIL_CHECK(touch(*change, place.parent));
    done(*change, request, number);
    PAIL_CHECK(change->commit());
  }
  pass.leave();
  clean_up(number);
  return Progress::done;
}

Result<Unit> Names::rmdir(const Request& request, InodeNumber parent, std::string_view name) {
  const Place place{parent, name};
  PAIL_TRY(const Intent earlier, this->earlier(request));
  while (!earlier || earlier->state != IntentState::done) {
    PAIL_TRY(const auto found, find(place, request.stop));
    if (!found && earlier) break;  // its object went with the earlier attempt
    if (!found) return Error{ENOENT, fmt::format("{}: not there", quote(name))};
    if (found->type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", quote(name))};
    PAIL_TRY(const Progress progress, remove_directory(request, earlier, place, *found));
    if (progress == Progress::done) break;
  }
  keep_directory(parent, request.stop);
  return Unit{};
}

Result<Names::Progress> Names::remove_directory(const Request& request, const Intent& earlier, Place place,
                                                const InodeRecord& found) {
  PAIL_CHECK(check_nothing_staged(found));
  PAIL_TRY(const auto closed, gate_.close({place.key()}, {found.number}, request.stop));
  if (!leads_to(place, found.number)) return Progress::look_again;
  PAIL_CHECK(check_empty(found, request.stop));
  PAIL_CHECK(begin(request, earlier, found.number));
  PAIL_TRY(const std::string key, key_for(place));
  PAIL_CHECK(delete_folder_marker(store_, key, request.stop));
  PAIL_CHECK(store_.delete_object(key + "/", request.stop));
  if (found.form == DirectoryForm::plain_marker) PAIL_CHECK(store_.delete_object(key, request.stop));
  auto change = index_.write();
  if (holds_staged(*change, found.number)) {  // a file was made in it just now: its upload makes the directory again
    PAIL_CHECK(change->update(found.number, [](InodeRecord& record) { record.form = DirectoryForm::implicit; }));
    PAIL_CHECK(change->commit());
    return not_empty(found);
  }
  change->unbind(place.parent, place.name, {0, tree_.moment(), change->next_sequence()});
  PAIL_CHECK(detach(*change, found.number));
  PAIL_CHECK(touch(*change, place.parent));
  done(*change, request, found.number);
  PAIL_CHECK(change->commit());
  return Progress::done;
}

bool Names::lies_below(local::ReadTransaction& view, InodeNumber number, InodeNumber directory) {
  auto record = view.inode(number);
  while (record && !record->unlinked() && record->number != kRootInode && record->number != directory)
    record = view.inode(record->parent);
  return record && record->number == directory;
}

bool Names::holds_staged(local::ReadTransaction& view, InodeNumber directory) {
  return std::ranges::any_of(view.staged(), [&](InodeNumber number) { return lies_below(view, number, directory); });
}

Error Names::not_empty(const InodeRecord& directory) {
  return {ENOTEMPTY, fmt::format("{}: not empty", quote(directory.name))};
}

// What costs no request, and must not wait for an upload in the directory.
Result<Unit> Names::check_nothing_staged(const InodeRecord& directory) {
  if (holds_staged(*index_.read(), directory.number)) return not_empty(directory);
  return Unit{};
}

Result<Unit> Names::check_empty(const InodeRecord& directory, const StopToken& stop) {
  PAIL_TRY(const bool empty, directories_.empty(directory.number, stop));
  if (!empty) return not_empty(directory);
  return Unit{};
}

}  // namespace pail::vfs
