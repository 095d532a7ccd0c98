// Renames. A file is copied by the store and its old object deleted; rename_directory.cc has those of directories.
//
// Inodes and names are looked up, then the gate is closed for them, and then they must still be what they were.
#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "pailfs/base/stop.h"
#include "vfs/names.h"

namespace pail::vfs {

using local::Content;
using local::InodeRecord;

namespace {

constexpr int kMostRefused = 3;  // times that a file may be looked at anew while it is renamed

}  // namespace

Result<Unit> Names::rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                           std::string_view new_name, RenameMode mode) {
  if (mode == RenameMode::exchange) return Error{EINVAL, "exchanging two names is not offered"};
  const Place from{parent, name}, to{new_parent, new_name};
  PAIL_CHECK(key_for(to));
  PAIL_TRY(const Earlier earlier, this->earlier(request));
  const auto* left = earlier ? std::get_if<local::DeletesLeft>(&*earlier) : nullptr;
  if (left != nullptr) PAIL_CHECK(old_objects_.resume(request, *left));
  if (left != nullptr || (earlier && std::holds_alternative<local::Answered>(*earlier))) {
    lost_an_entry(parent, request.stop);
    return Unit{};
  }
  auto renamed = rename_until_done(request, earlier, from, to, mode);
  if (!renamed && earlier) doubt_tree(to);
  return renamed;
}

Result<Unit> Names::rename_until_done(const Request& request, const Earlier& earlier, Place from, Place to,
                                      RenameMode mode) {
  for (int refused = 0;;) {
    PAIL_TRY(Renaming renaming, look_up(request, earlier, from, to));
    if (from.key() == to.key()) return Unit{};
    const auto& [source, target] = renaming.inodes;
    if (target && target->number == source.number) return Unit{};
    if (!earlier) PAIL_CHECK(check_types(source, target, mode));
    PAIL_TRY(const Progress progress,
             source.type == FileType::directory ? rename_directory(renaming) : rename_file(renaming));
    if (progress == Progress::done) return Unit{};
    if (progress == Progress::source_refused) {
      doubt_target(renaming);
      PAIL_TRY(const auto found, directories_.look_after_refusal(source, request.stop));
      if (++refused > kMostRefused) return cos::after_look(*renaming.refused, found);
    }
    if (request.stop.stop_requested())
      return Error{EINTR, "interrupted while the names were being changed", Fault::stopped};
  }
}

Result<Names::Renaming> Names::look_up(const Request& request, const Earlier& earlier, Place from, Place to) {
  std::optional<InodeRecord> source;
  // An earlier attempt may have taken the source out of the bucket already: then the index alone knows it.
  if (earlier && leads_to(from, local::subject_of(*earlier))) source = names_.view().inode(local::subject_of(*earlier));
  if (!source) {
    PAIL_TRY(source, find(from, request.stop));
  }
  if (!source) return Error{ENOENT, fmt::format("{}: not there", quote(from.name))};
  PAIL_TRY(auto target, find(to, request.stop));
  return Renaming{request, earlier, from, to, {std::move(*source), std::move(target)}, {}};
}

Result<Unit> Names::check_types(const InodeRecord& source, const std::optional<InodeRecord>& target, RenameMode mode) {
  if (!target) return Unit{};
  if (mode == RenameMode::no_replace) return Error{EEXIST, fmt::format("{}: exists", quote(target->name))};
  const bool from_directory = source.type == FileType::directory, to_directory = target->type == FileType::directory;
  if (to_directory && !from_directory) return Error{EISDIR, fmt::format("{}: a directory", quote(target->name))};
  if (!to_directory && from_directory) return Error{ENOTDIR, fmt::format("{}: not a directory", quote(target->name))};
  return Unit{};
}

bool Names::leads_to(Place place, InodeNumber number) {
  return names_.view().leads_to(place.parent, place.name, number);
}

bool Names::still_there(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  return leads_to(renaming.from, source.number) && leads_to(renaming.to, target ? target->number : 0);
}

Result<TreeGate::Closure> Names::close_gate(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  std::vector<InodeNumber> inodes{source.number};
  if (target) inodes.push_back(target->number);
  std::vector<TreeGate::Name> names{renaming.from.key(), renaming.to.key()};
  return gate_.close(std::move(names), std::move(inodes), renaming.request.stop);
}

// ---- files ----------------------------------------------------------------------------------------------------------

Result<Names::Progress> Names::rename_file(Renaming& renaming) {
  auto& [source, target] = renaming.inodes;
  const StopToken& stop = renaming.request.stop;
  std::vector<InodeNumber> numbers{source.number};
  if (target) numbers.push_back(target->number);
  std::ranges::sort(numbers);
  std::vector<Turns::Turn> turns;
  for (const InodeNumber number : numbers) {
    PAIL_TRY(auto turn, turn_for(renaming.request, number));
    turns.push_back(std::move(turn));
  }
  if (!still_there(renaming)) return Progress::look_again;
  PAIL_TRY(source, names_.inode(source.number));
  // A new file that is still open has no object yet: its upload goes to the new key. Anything else is stored first.
  const bool local = source.content == Content::staged && source.etag.empty() && source.attempted.empty() &&
                     opens_.maybe_open(source.number);
  if (!local) PAIL_CHECK(files_.store_in_turn(source.number, std::nullopt, Lane::demand, stop));
  PAIL_TRY(auto preserved, target ? files_.preserve(target->number, stop) : Files::Preserved());

  PAIL_TRY(auto closed, close_gate(renaming));
  if (!still_there(renaming)) return Progress::look_again;
  PAIL_TRY(source, names_.inode(source.number));
  if (target) {
    PAIL_TRY(target, names_.inode(target->number));
  }
  PAIL_CHECK(begin(renaming.request, renaming.earlier, {source.number, target ? target->number : 0}));
  const auto moved = move_file(renaming, local);
  if (!moved && moved.error().fault == Fault::precondition) {
    renaming.refused = moved.error();
    return Progress::source_refused;
  }
  if (!moved) doubt_target(renaming);
  if (!moved) return moved.error();
  if (moved->contents == Contents::in_doubt) PAIL_CHECK(names_.copy_sent(source));
  PAIL_CHECK(rebind_file(renaming, *moved));
  if (moved->contents == Contents::in_doubt) files_.ask_anew(source.number);
  files_.note_staged(source.number);
  if (target) files_.note_staged(target->number);
  preserved.keep();
  closed.open();
  turns.clear();
  if (target) clean_up(target->number);
  if (moved->old_stays) return *moved->old_stays;
  if (!local) lost_an_entry(renaming.from.parent, stop);
  return Progress::done;
}

Result<Names::Moved> Names::move_file(const Renaming& renaming, bool local) {
  const auto& [source, target] = renaming.inodes;
  PAIL_TRY(const std::string from, key_for(renaming.from));
  PAIL_TRY(const std::string to, key_for(renaming.to));
  // The upload of a file that has no object replaces what is there.
  const WallTime asked = tree_.moment();
  if (local) return Moved{{target ? target->etag : std::string()}, {}, asked, {}};
  const StopToken& stop = renaming.request.stop;
  const auto copied = files_.copy({from, to, {source.etag}, source.size}, stop);
  if (!copied && copied.error().fault == Fault::no_key && renaming.earlier) {
    // Asked again: the copy was made and the old object deleted before the process ended.
    PAIL_TRY(const cos::ObjectInfo info, store_.head_object(to, stop));
    if (info.etag.text == source.etag) return Moved{info.etag, info.last_modified, asked, {}};
    return Moved{
        {source.etag}, {}, asked, {}, Contents::in_doubt};  // a copy may have another one, or others wrote there
  }
  if (!copied) return copied.error();
  files_.copied({&*copied, 1});
  Moved moved{copied->object.etag, copied->object.last_modified, asked, {}};
  if (copied->contents() == Contents::in_doubt) moved = {{source.etag}, {}, asked, {}, Contents::in_doubt};
  auto deleted = store_.delete_object(from, stop);
  if (!deleted && deleted.error().may_have_happened) {
    const auto there = store_.head_object(from, stop);
    if (!there && there.error().fault == Fault::no_key) deleted = Unit{};
  }
  if (!deleted) moved.old_stays = old_objects_stay(from, deleted.error());
  return moved;
}

// The copy may have been made although it failed: what lies under the new name is asked anew.
void Names::doubt_target(const Renaming& renaming) {
  const auto& target = renaming.inodes.target;
  if (target) {
    files_.ask_anew(target->number);
  } else {
    ask_anew(renaming.to.key());
  }
}

// An earlier attempt may have made copies of which this one knows nothing.
void Names::doubt_tree(Place place) {
  ask_anew(place.key());
  if (const auto noted = names_.tree_doubted(place.key()); !noted) spdlog::warn("{}", noted.error().context);
}

// ---- the index ------------------------------------------------------------------------------------------------------

local::Rename Names::names_of(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  return {renaming.from.key(), renaming.to.key(), source.number, target ? target->number : 0};
}

Result<Unit> Names::rebind_file(const Renaming& renaming, const Moved& moved) {
  const auto unique = renaming.request.unique;
  if (moved.old_stays) return names_.rename_left_both(unique, names_of(renaming), *moved.old_stays);
  return names_.renamed(unique, names_of(renaming), {moved.etag.text, moved.stored, moved.confirmed});
}

void Names::ask_anew(const TreeGate::Name& name) {
  if (const auto noted = names_.doubted(name); !noted) spdlog::warn("{}", noted.error().context);
}

}  // namespace pail::vfs
