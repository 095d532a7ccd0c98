#include "vfs/names.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>

#include "base/log.h"
#include "pailfs/base/stop.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::InodeRecord;
using local::Knowledge;

namespace {

bool is_answered(const std::optional<local::Attempt>& earlier) {
  return earlier && std::holds_alternative<local::Answered>(*earlier);
}

cos::ObjectHeaders headers_of(const local::NewInode& attributes, WallTime modified) {
  InodeRecord record;
  record.type = attributes.type;
  record.permissions = attributes.permissions;
  record.uid = attributes.uid;
  record.gid = attributes.gid;
  record.accessed = record.modified = modified;
  return to_headers(record);
}

}  // namespace

Names::Names(local::NameStore& names, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate,
             cos::ObjectStore& store, Directories& directories, Files& files, const Options& options,
             local::JournalState& journal)
    : names_(names),
      tree_(tree),
      opens_(opens),
      turns_(turns),
      gate_(gate),
      store_(store),
      directories_(directories),
      files_(files),
      options_(options),
      jobs_(options.state_directory, journal),
      copiers_(options.parallel),
      old_objects_(
          names, gate, store, jobs_,
          {.name_of = [this](const std::string& key, const StopToken& stop) { return name_of_key(key, stop); },
           .has_old_name_again = [this](InodeNumber directory) { files_.note_staged_below(directory); },
           .lost_an_entry = [this](InodeNumber directory, const StopToken& stop) { keep_directory(directory, stop); }},
          options.parallel) {}

// ---- intents --------------------------------------------------------------------------------------------------------

// An earlier attempt at this request. That there was one means that all checks had passed then: what they would find
// now may be our own work.
Result<Names::Earlier> Names::earlier(const Request& request) {
  if (!request.resent) return Earlier{};
  auto attempt = names_.view().attempt(request.unique);
  const auto* answered = attempt ? std::get_if<local::Answered>(&*attempt) : nullptr;
  if (answered && answered->failure) return *answered->failure;  // it failed, and only the answer is missing
  return attempt;
}

void Names::note_failure(const Request& request, const Error& why) {
  if (const auto noted = names_.failed(request.unique, why); !noted) spdlog::warn("{}", noted.error().context);
}

// The checks have passed, and from here on the bucket may change.
Result<Unit> Names::begin(const Request& request, const Earlier& earlier, const local::Begun& begun) {
  if (earlier) return Unit{};
  return names_.begun(request.unique, begun);
}

void Names::keep_turns() {
  for (const auto& [request, begun] : names_.view().begun()) {
    if (begun.subject == 0) continue;
    if (auto turn = turns_.take(begun.subject, {})) kept_turns_.keep(request, std::move(*turn));
  }
}

Result<Turns::Turn> Names::turn_for(const Request& request, InodeNumber number) {
  if (auto kept = kept_turns_.claim(request.unique, number)) return std::move(*kept);
  return turns_.take(number, request.stop);
}

// ---- records --------------------------------------------------------------------------------------------------------

Result<std::string> Names::key_for(Place place) {
  PAIL_CHECK(check_name(place.name));
  const local::View view = names_.view();
  PAIL_TRY(const InodeRecord parent, view.require(place.parent));
  // Another directory may have its name by now.
  if (parent.unlinked()) return Error{ENOENT, fmt::format("{}: was removed", quote(parent.name))};
  PAIL_TRY(std::string key, tree_.prefix_of(view, place.parent));
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

void Names::clean_up(InodeNumber number) {
  if (opens_.maybe_open(number)) return;
  files_.discard(number);
  if (const auto gone = names_.let_go(number); !gone) spdlog::warn("{}", gone.error().context);
  files_.note_staged(number);
}

// A directory that existed only through what was in it does not vanish with its last entry.
void Names::keep_directory(InodeNumber directory, const StopToken& stop) {
  if (directory == kRootInode) return;
  {
    const local::View view = names_.view();
    const auto known = view.inode(directory);
    if (!known || known->form != DirectoryForm::implicit || known->unlinked()) return;
    bool occupied = false;
    view.children(directory, 0, [&](const InodeRecord&) {
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

// By whoever may wait no longer: then it is kept beside.
void Names::lost_an_entry(InodeNumber directory, const StopToken& stop) {
  keep_directory(directory, stop);
  if (stop.stop_requested()) old_objects_.look_later(directory);
}

// ---- creating -------------------------------------------------------------------------------------------------------

Result<InodeRecord> Names::create(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                                  Existing existing) {
  const Place place{parent, name};
  PAIL_CHECK(key_for(place));
  PAIL_TRY(const Earlier earlier, this->earlier(request));
  if (is_answered(earlier)) return names_.inode(local::subject_of(*earlier));
  PAIL_TRY(const auto there, find(place, request.stop));
  if (there && (existing == Existing::refuse || there->type != FileType::regular))
    return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  if (there) return *there;
  PAIL_TRY(const auto attributes, names_.inherited(parent, {FileType::regular, mode, request.uid, request.gid}));
  PAIL_TRY(const InodeNumber number, names_.next_number());
  PAIL_CHECK(files_.stage_empty(number));
  auto created = names_.created(request.unique, place.key(), number, attributes);
  if (!created) files_.discard(number);
  if (created) files_.note_staged(number);
  return created;
}

Result<InodeRecord> Names::make(const Request& request, InodeNumber parent, std::string_view name, FileType type,
                                mode_t permissions, std::string_view target) {
  const Place place{parent, name};
  PAIL_TRY(std::string key, key_for(place));
  PAIL_TRY(const Earlier earlier, this->earlier(request));
  if (is_answered(earlier)) return names_.inode(local::subject_of(*earlier));
  PAIL_TRY(const auto there, find(place, request.stop));
  if (there && !earlier) return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  if (there && there->type == type) {  // made by us before we could say so
    PAIL_CHECK(names_.found_done(request.unique, there->number));
    return *there;
  }
  const WallTime free = names_.view().last_free(parent, name);
  PAIL_CHECK(begin(request, earlier, {}));

  // Alone with the name: a listing may show what is made before it is answered, and others could change that.
  PAIL_TRY(const auto closed, gate_.close({place.key()}, {}, request.stop));
  if (!earlier && !leads_to(place, 0)) return Error{EEXIST, fmt::format("{}: exists", quote(name))};
  PAIL_TRY(key, key_for(place));
  if (type == FileType::directory) key += '/';
  PAIL_TRY(const auto attributes, names_.inherited(parent, {type, permissions, request.uid, request.gid}));
  const WallTime modified = tree_.now();
  auto stored = files_.create_object(key, std::string(target), headers_of(attributes, modified), request.stop);
  if (!stored && !(earlier && stored.error().fault == Fault::exists)) {
    ask_anew(place.key());  // others made it, or we did although it failed
    return stored.error();
  }
  local::MadeObject made{
      .size = {target.size()}, .link_target = std::string(target), .modified = modified, .free = free};
  if (stored) {
    made.etag = stored->etag.text;
    made.written = stored->window;
    made.confirmed = stored->confirmed;
  }
  return names_.made(request.unique, place.key(), attributes, made);
}

// ---- removing -------------------------------------------------------------------------------------------------------

Result<Unit> Names::unlink(const Request& request, InodeNumber parent, std::string_view name) {
  const Place place{parent, name};
  PAIL_TRY(const Earlier earlier, this->earlier(request));
  while (!is_answered(earlier)) {
    PAIL_TRY(const auto found, find(place, request.stop));
    if (!found && earlier) break;  // its object went with the earlier attempt
    if (!found) return Error{ENOENT, fmt::format("{}: not there", quote(name))};
    if (found->type == FileType::directory) return Error{EISDIR, fmt::format("{}: a directory", quote(name))};
    PAIL_TRY(const Progress progress, remove_file(request, earlier, place, found->number));
    if (progress == Progress::done) break;
  }
  lost_an_entry(parent, request.stop);
  return Unit{};
}

Result<Names::Progress> Names::remove_file(const Request& request, const Earlier& earlier, Place place,
                                           InodeNumber number) {
  PAIL_TRY(const auto turn, turn_for(request, number));
  PAIL_TRY(auto pass, gate_.enter_name(place.key(), request.stop));
  if (!leads_to(place, number)) return Progress::look_again;
  PAIL_TRY(const InodeRecord record, names_.inode(number));
  PAIL_TRY(const std::string key, key_for(place));
  PAIL_TRY(auto preserved, files_.preserve(number, request.stop));
  PAIL_CHECK(begin(request, earlier, {number}));
  // An upload that ended with an error may have made an object all the same.
  const bool stored = !record.etag.empty() || !record.attempted.empty();
  const auto deleted = stored ? store_.delete_object(key, request.stop) : Result<Unit>(Unit{});
  if (!deleted) {
    ask_anew(place.key());  // it may have been carried out
    return deleted.error();
  }
  preserved.keep();
  PAIL_CHECK(names_.removed(request.unique, place.key(), number));
  files_.note_staged(number);
  pass.leave();
  clean_up(number);
  return Progress::done;
}

Result<Unit> Names::rmdir(const Request& request, InodeNumber parent, std::string_view name) {
  const Place place{parent, name};
  PAIL_TRY(const Earlier earlier, this->earlier(request));
  while (!is_answered(earlier)) {
    PAIL_TRY(const auto found, find(place, request.stop));
    if (!found && earlier) break;  // its object went with the earlier attempt
    if (!found) return Error{ENOENT, fmt::format("{}: not there", quote(name))};
    if (found->type != FileType::directory) return Error{ENOTDIR, fmt::format("{}: not a directory", quote(name))};
    PAIL_TRY(const Progress progress, remove_directory(request, earlier, place, *found));
    if (progress == Progress::done) break;
  }
  lost_an_entry(parent, request.stop);
  return Unit{};
}

Result<Names::Progress> Names::remove_directory(const Request& request, const Earlier& earlier, Place place,
                                                const InodeRecord& found) {
  PAIL_CHECK(check_nothing_staged(found));
  PAIL_TRY(const auto closed, gate_.close({place.key()}, {found.number}, request.stop));
  if (!leads_to(place, found.number)) return Progress::look_again;
  PAIL_CHECK(check_empty(found, request.stop));
  PAIL_CHECK(begin(request, earlier, {found.number}));
  PAIL_TRY(const std::string key, key_for(place));
  if (const auto deleted = delete_markers(key, found.form, request.stop); !deleted) {
    ask_anew(place.key());  // it may have been carried out
    return deleted.error();
  }
  PAIL_TRY(const auto taken, names_.removed(request.unique, place.key(), found.number));
  if (taken == local::Taken::kept) return not_empty(found);  // a file was made in it just now
  return Progress::done;
}

Result<Unit> Names::delete_markers(const std::string& key, DirectoryForm form, const StopToken& stop) {
  PAIL_CHECK(delete_folder_marker(store_, key, stop));
  PAIL_CHECK(store_.delete_object(key + "/", stop));
  return form == DirectoryForm::plain_marker ? store_.delete_object(key, stop) : Result<Unit>(Unit{});
}

Error Names::not_empty(const InodeRecord& directory) {
  return {ENOTEMPTY, fmt::format("{}: not empty", quote(directory.name))};
}

// What costs no request, and must not wait for an upload in the directory.
Result<Unit> Names::check_nothing_staged(const InodeRecord& directory) {
  if (names_.view().holds_staged(directory.number)) return not_empty(directory);
  return Unit{};
}

Result<Unit> Names::check_empty(const InodeRecord& directory, const StopToken& stop) {
  PAIL_TRY(const bool empty, directories_.empty(directory.number, stop));
  if (!empty) return not_empty(directory);
  return Unit{};
}

}  // namespace pail::vfs
