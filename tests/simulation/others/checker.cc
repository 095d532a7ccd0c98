#include "simulation/others/checker.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "base/log.h"

namespace pail::simulation::others {
namespace {

// What a mount deletes was looked at before, by a request that may be repeated for so long; so may be the delete.
constexpr std::chrono::minutes kFromLookToDelete{2};

bool writes_to(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

std::string path_of(const std::string& key) {
  return key.ends_with('/') ? key.substr(0, key.size() - 1) : key;
}

bool changes_uploads_alone(Operation operation) {
  return operation == Operation::create_upload || operation == Operation::upload_part ||
         operation == Operation::copy_part || operation == Operation::abort_upload;
}

std::string text_of(const Version& version) {
  return fmt::format("{} ({} bytes, of {})", version.etag, version.bytes.size(), version.of_others ? "others" : "here");
}

}  // namespace

// ---- questions ------------------------------------------------------------------------------------------------------

void Checker::asked(const Call& call, SteadyTime now) {
  now_ = now;
  if (std::holds_alternative<Forget>(call.question) || pending_.contains(call.unique)) return;
  Pending& pending = pending_[call.unique];
  pending.call = call;
  pending.asked = now;
  pending.order = ++order_;
  std::visit([&](const auto& question) { note(pending, question); }, call.question);
  pending.name_changes = name_changes_;
}

void Checker::note(Pending& pending, const Write& write) {
  File& file = files_[write.number];
  pending.cuts = file.cuts;
  file.written.add(write.at, write.bytes);
  file.known.forget(write.at, write.at + write.bytes.size());
  file.unstored.forget(write.at, write.at + write.bytes.size());
  file.changed_at = file.written_at = now_;
  begin_difference(file);
}

void Checker::note(Pending&, const SetAttributes& set) {
  if (!set.size) return;
  File& file = files_[set.number];
  file.written.resized();
  file.known.forget_from(*set.size);
  file.unstored.forget_from(*set.size);
  file.changed_at = now_;
  begin_difference(file);
}

void Checker::note(Pending&, const Open& open) {
  if ((open.flags & O_TRUNC) != 0) cut(open.number, false);
}

void Checker::note(Pending&, const Create& create) {
  if ((create.flags & O_TRUNC) != 0) ++cutting_creates_;
}

void Checker::note(Pending& pending, const Read& read) {
  pending.known = files_[read.number].known.slice(read.at, read.size);
}

void Checker::note(Pending&, const Release& release) {
  File& file = files_[release.number];
  file.handles.erase(release.handle);
  if (!file.handles.empty()) return;
  file.known = {};
  file.below.reset();
}

void Checker::note(Pending&, const MakeSymlink& make) {
  symlink_targets_.insert(make.target);
}

void Checker::note(Pending& pending, const Unlink&) {
  begin_names(pending);
}

void Checker::note(Pending& pending, const RemoveDirectory&) {
  begin_names(pending);
}

void Checker::note(Pending& pending, const Rename& rename) {
  begin_names(pending);
  names().moving({rename.parent, rename.name}, {rename.new_parent, rename.new_name});
}

void Checker::begin_names(Pending& pending) {
  ++name_changes_;
  renames_and_removals_.push_back({pending.call.question, names_.size() - 1, now_});
  pending.name_call = &renames_and_removals_.back();
}

void Checker::begin_store(Pending& pending, InodeNumber number) {
  pending.known = files_[number].known;
  pending.changed_at = files_[number].changed_at;
  pending.written_at = files_[number].written_at;
  pending.path = names().path(number);
}

// Whatever is known of it is not known any more, before and after.
void Checker::cut(InodeNumber number, bool ends) {
  File& file = files_[number];
  file.written.resized();
  file.known = {};
  ++file.cuts;
  if (ends)
    --file.changing;
  else
    ++file.changing;
  file.changed_at = now_;
  begin_difference(file);
}

// ---- answers --------------------------------------------------------------------------------------------------------

Verdict Checker::answered(const Answer& answer, Around around, const BucketView&, SteadyTime now) {
  now_ = now;
  around_ = around;
  const auto found = pending_.extract(answer.unique);
  if (found.empty()) return Violation{fmt::format("({}) was answered, and is not asked", answer.unique)};
  const Pending& pending = found.mapped();
  ++order_;
  return std::visit([&](const auto& question) { return take(pending, question, answer); }, pending.call.question);
}

Verdict Checker::take(const Pending& pending, const Write& write, const Answer& answer) {
  File& file = files_[write.number];
  begin_difference(file);
  if (answer.errnum != 0) return {};
  if (is_refused(pending, write.number, write.handle))
    return Violation{fmt::format("#{} was written to by a handle that a conflict has ended", write.number)};
  file.has_unstored = true;
  const bool is_uncut = pending.cuts == file.cuts && file.changing == 0 && cutting_creates_ == 0;
  const std::uint64_t size = std::get<simulation::Written>(answer.value).size;
  if (!is_uncut || file.handles.empty()) return {};
  const auto done = std::string_view(write.bytes).substr(0, size);
  file.known.set(write.at, done);
  file.unstored.set(write.at, done);
  return {};
}

Verdict Checker::take(const Pending&, const SetAttributes& set, const Answer& answer) {
  attributes_set_[set.number] = order_;
  if (set.size) {
    files_[set.number].known.forget_from(*set.size);
    files_[set.number].unstored.forget_from(*set.size);
    begin_difference(files_[set.number]);
  }
  const auto* entry = std::get_if<ShownEntry>(&answer.value);
  if (answer.errnum == 0 && entry != nullptr && entry->number != set.number)
    return Violation{fmt::format("attributes of #{} are answered as those of #{}", set.number, entry->number)};
  return answer.errnum == 0 && entry != nullptr ? has_type(entry->number, entry->type) : Verdict();
}

Verdict Checker::take(const Pending&, const GetAttributes&, const Answer& answer) {
  if (answer.errnum != 0) return {};
  const auto& entry = std::get<ShownEntry>(answer.value);
  return has_type(entry.number, entry.type);
}

Verdict Checker::take(const Pending& pending, const Open& open, const Answer& answer) {
  if ((open.flags & O_TRUNC) != 0) cut(open.number, true);
  if (answer.errnum == 0) opened(pending, open.number, std::get<OpenedFile>(answer.value).handle, open.flags);
  return {};
}

Verdict Checker::take(const Pending& pending, const Create& create, const Answer& answer) {
  const bool cuts = (create.flags & O_TRUNC) != 0;
  if (cuts) --cutting_creates_;
  if (answer.errnum != 0) failed_creates_.insert({create.parent, create.name});
  if (answer.errnum != 0) return {};
  const auto& file = std::get<OpenedFile>(answer.value);
  if (cuts) {
    cut(file.entry->number, false);
    cut(file.entry->number, true);
  }
  begin_difference(files_[file.entry->number]);
  opened(pending, file.entry->number, file.handle, create.flags);
  return shown(pending, {create.parent, create.name}, *file.entry);
}

void Checker::opened(const Pending& pending, InodeNumber number, std::uint64_t handle, int flags) {
  File& file = files_[number];
  if (file.handles.empty()) {
    file.open_asked = pending.asked;
    file.open_since = now_;
    file.known = {};
    file.below.reset();
  }
  file.handles[handle] = {writes_to(flags), std::nullopt};
}

Verdict Checker::take(const Pending& pending, const Read& read, const Answer& answer) {
  if (answer.errnum != 0) return {};
  const std::string& bytes = std::get<Bytes>(answer.value).bytes;
  File& file = files_[read.number];
  if (is_refused(pending, read.number, read.handle))
    return Violation{fmt::format("#{} was read by a handle that a conflict has ended", read.number)};
  const bool is_sure = file.changing == 0 && cutting_creates_ == 0;
  const KnownBytes known = pending.known.common(file.known.slice(read.at, read.size));
  const std::size_t different = known.first_difference(bytes);
  if (is_sure && different != KnownBytes::npos)
    return Violation{
        fmt::format("#{} does not read as it was written, from byte {} on", read.number, read.at + different)};
  return same_version(read, file, bytes);
}

Verdict Checker::same_version(const Read& read, File& file, const std::string& bytes) const {
  const bool is_own = !file.written.nothing();
  if (!file.below) {
    file.below.emplace(1, nullptr);
    for (const VersionPtr& version : versions_.all())
      if (is_own || version->until >= file.open_asked - ttl_) file.below->push_back(version);
  }
  const auto unexplained = is_own ? file.written.unexplained(read.at, bytes) : std::vector<std::size_t>();
  std::erase_if(*file.below, [&](const VersionPtr& version) {
    return is_own ? !explains(version.get(), read.at, bytes, unexplained)
                  : !reads_as(version.get(), read.at, read.size, bytes);
  });
  if (!file.below->empty()) return {};
  return Violation{fmt::format("what was read from #{} at {}, {} bytes, is of no one version{}", read.number, read.at,
                               bytes.size(), is_own ? " and what was written to it here" : "")};
}

bool Checker::is_refused(const Pending& pending, InodeNumber number, std::uint64_t handle) const {
  const auto file = files_.find(number);
  if (file == files_.end()) return false;
  const auto found = file->second.handles.find(handle);
  return found != file->second.handles.end() && found->second.refused && *found->second.refused < pending.order;
}

Verdict Checker::take(const Pending& pending, const Flush& flush, const Answer& answer) {
  Verdict wrong = stored(pending, flush.number, flush.handle, answer);
  files_[flush.number].last_store = order_;
  if (answer.errnum == 0 && !flush.caller_has_another)
    end_difference_by_its_writer(pending, flush.number, flush.handle);
  return wrong;
}

Verdict Checker::take(const Pending& pending, const Sync& sync, const Answer& answer) {
  Verdict wrong = stored(pending, sync.number, sync.handle, answer);
  files_[sync.number].last_store = order_;
  if (answer.errnum == 0) end_difference_by_its_writer(pending, sync.number, sync.handle);
  return wrong;
}

// What one that does not write stores is not told.
void Checker::end_difference_by_its_writer(const Pending& pending, InodeNumber number, std::uint64_t handle) {
  File& file = files_[number];
  const auto found = file.handles.find(handle);
  const bool writes = found != file.handles.end() && found->second.writes;
  const bool is_changing = file.changing > 0 || cutting_creates_ > 0 || is_written(number);
  if (writes && !is_changing && file.last_change <= pending.order) file.differs = false;
}

bool Checker::is_written(InodeNumber number) const {
  return std::ranges::any_of(pending_, [&](const auto& each) {
    const auto* write = std::get_if<Write>(&each.second.call.question);
    const auto* set = std::get_if<SetAttributes>(&each.second.call.question);
    return (write != nullptr && write->number == number) || (set != nullptr && set->number == number && set->size);
  });
}

Verdict Checker::stored(const Pending& pending, InodeNumber number, std::uint64_t handle, const Answer& answer) {
  File& file = files_[number];
  const auto found = file.handles.find(handle);
  if (found == file.handles.end() || !found->second.writes) return {};
  const bool is_sure = file.changing == 0 && cutting_creates_ == 0;
  const KnownBytes known = is_sure ? pending.known.common(file.known) : KnownBytes();
  const bool has_its_name = pending.path && pending.name_changes == name_changes_ && !is_moving(*pending.path);
  if (answer.errnum == ESTALE) {
    found->second.refused = order_;
    const KnownBytes owed = known.common(file.unstored);
    if (!owed.empty() && has_its_name && !was_stored(pending.written_at, owed, versions_.all()))
      owed_.emplace_back(fmt::format("#{}, {}", number, *pending.path), owed);
    return {};
  }
  if (answer.errnum != 0) return {};
  file.has_unstored = file.may_be_attempted = false;
  file.unstored = {};
  if (is_refused(pending, number, handle))
    return Violation{fmt::format("#{} was stored by a handle that a conflict has ended", number)};
  if (!has_its_name || known.empty()) return {};
  // A rename stores the file, perhaps under a name that it has no more.
  const bool one_name = last_rename_ < pending.changed_at;
  if (was_stored(pending.changed_at, known, one_name ? versions_.of(*pending.path) : versions_.all())) return {};
  return Violation{fmt::format("#{} was stored, and {} never had what was written to it", number, *pending.path)};
}

// A version that was there since then has what is known.
bool Checker::was_stored(SteadyTime since, const KnownBytes& known, const std::vector<VersionPtr>& as) {
  return std::ranges::any_of(as, [&](const VersionPtr& version) {
    return version->until >= since && known.first_difference(version->bytes) == KnownBytes::npos;
  });
}

// ---- answers about names ----

Verdict Checker::take(const Pending& pending, const Lookup& lookup, const Answer& answer) {
  const Place place{lookup.parent, lookup.name};
  if (answer.errnum != 0) names().unsure(place);
  if (answer.errnum == 0)
    if (Verdict wrong = shown(pending, place, std::get<ShownEntry>(answer.value))) return wrong;
  if (around_ != Around::calm) return {};
  if (Verdict wrong = up_to_date(pending, place, answer)) return wrong;
  shown_in_calm(pending, place, answer);
  return {};
}

// What calls that failed before did there is known then.
void Checker::shown_in_calm(const Pending& pending, const Place& place, const Answer& answer) {
  const auto path = path_at(place);
  if (!path || !is_as_in_the_bucket(*path, answer)) return;
  for (NameCall& call : renames_and_removals_)
    if (call.failed && call.answered < pending.asked && names_path(call, *path)) call.shown_since.insert(*path);
}

bool Checker::is_as_in_the_bucket(const std::string& path, const Answer& answer) const {
  if (answer.errnum == ENOENT)
    return std::ranges::none_of(versions_.all(), [&](const VersionPtr& each) {
      return each->until == kNever && (each->key == path || each->key.starts_with(path + "/"));
    });
  const auto* entry = std::get_if<ShownEntry>(&answer.value);
  const VersionPtr there = versions_.now(path);
  return entry != nullptr && entry->type == vfs::FileType::regular && there != nullptr &&
         there->bytes.size() == entry->size;
}

std::optional<std::string> Checker::path_at(const Place& place) const {
  const auto parent = names().path(place.parent);
  if (!parent) return std::nullopt;
  return parent->empty() ? place.name : *parent + "/" + place.name;
}

Verdict Checker::take(const Pending& pending, const MakeDirectory& make, const Answer& answer) {
  if (answer.errnum != 0) return {};
  return shown(pending, {make.parent, make.name}, std::get<ShownEntry>(answer.value));
}

Verdict Checker::take(const Pending& pending, const MakeSymlink& make, const Answer& answer) {
  if (answer.errnum != 0) return {};
  return shown(pending, {make.parent, make.name}, std::get<ShownEntry>(answer.value));
}

Verdict Checker::take(const Pending&, const ReadDirectory& reading, const Answer& answer) {
  if (answer.errnum != 0) return {};
  for (const ListedName& each : std::get<Listed>(answer.value).names) {
    if (each.name == "." || each.name == ".." || each.number == 0) continue;
    names().shown(each.number, {reading.number, each.name}, false);
    if (Verdict wrong = each.type ? has_type(each.number, *each.type) : Verdict()) return wrong;
  }
  return {};
}

Verdict Checker::take(const Pending& pending, const Unlink& unlink, const Answer& answer) {
  end_names(pending, answer.errnum != 0);
  names().unsure({unlink.parent, unlink.name});
  return {};
}

Verdict Checker::take(const Pending& pending, const RemoveDirectory& remove, const Answer& answer) {
  end_names(pending, answer.errnum != 0);
  names().unsure({remove.parent, remove.name});
  return {};
}

Verdict Checker::take(const Pending& pending, const Rename& rename, const Answer& answer) {
  end_names(pending, answer.errnum != 0);
  last_rename_ = now_;
  a_rename_failed_ = a_rename_failed_ || answer.errnum != 0;
  if (answer.errnum == EINTR) pending.name_call->goes_on = true;
  names().moved({rename.parent, rename.name}, {rename.new_parent, rename.new_name}, answer.errnum == 0);
  return {};
}

void Checker::end_names(const Pending& pending, bool failed) {
  ++name_changes_;
  pending.name_call->answered = now_;
  pending.name_call->failed = failed && around_ != Around::calm;  // else the store, or nobody, was asked in vain
}

Verdict Checker::shown(const Pending& pending, const Place& place, const ShownEntry& entry) {
  const auto places = names().places(entry.number);
  names().shown(entry.number, place, false);
  if (Verdict wrong = has_type(entry.number, entry.type)) return wrong;
  const bool is_new_place = !places.empty() && !places.contains(place);
  if (is_new_place && !names().is_target(place) && !a_rename_failed_)
    return Violation{fmt::format("#{} is {} in #{} now, to which nothing was renamed; it was {} in #{}", entry.number,
                                 quote(place.name), place.parent, quote(places.begin()->name), places.begin()->parent)};
  const auto changes_names = [](const auto& each) { return each.second.name_call != nullptr; };
  const bool at_rest = pending.name_changes == name_changes_ && std::ranges::none_of(pending_, changes_names);
  names().shown(entry.number, place, at_rest);
  return {};
}

Verdict Checker::has_type(InodeNumber number, vfs::FileType type) {
  const vfs::FileType before = types_.try_emplace(number, type).first->second;
  if (before == type) return {};
  return Violation{
      fmt::format("#{} was of type {} and is of type {}", number, static_cast<int>(before), static_cast<int>(type))};
}

// What is shown until the kernel asks again was so in the bucket within the metadata time.
Verdict Checker::up_to_date(const Pending& pending, const Place& place, const Answer& answer) const {
  const auto known = path_at(place);
  if (!known) return {};
  const std::string& path = *known;
  if (answer.errnum == ENOENT) return is_absent(path, pending.asked - ttl_);
  const auto* entry = std::get_if<ShownEntry>(&answer.value);
  if (entry == nullptr || entry->type != vfs::FileType::regular) return {};
  const bool is_being_made = is_created(place) && versions_.now(path) == nullptr;
  if (entry->size == 0 && (failed_creates_.contains(place) || is_being_made)) return {};
  const auto file = files_.find(entry->number);
  if (file != files_.end() && (file->second.differs || file->second.last_change > pending.order)) return {};
  if (is_or_was_stored(pending, entry->number)) return {};
  // While its attributes are being stored it is not asked for, and what is known of it may be old.
  const bool is_not_asked_for = attributes_were_being_set(pending, entry->number);
  if (entry->name_ttl.count() != 0 || !is_not_asked_for)
    if (Verdict wrong = is_there(path, trusted_since(pending, entry->name_ttl))) return wrong;
  if (entry->attributes_ttl.count() == 0 && is_not_asked_for) return {};
  return has_attributes(path, trusted_since(pending, entry->attributes_ttl), *entry);
}

bool Checker::is_created(const Place& place) const {
  return std::ranges::any_of(pending_, [&](const auto& each) {
    const auto* create = std::get_if<Create>(&each.second.call.question);
    return create != nullptr && create->parent == place.parent && create->name == place.name;
  });
}

// Since the call was asked: what was known of the file is shown then.
bool Checker::is_or_was_stored(const Pending& pending, InodeNumber number) const {
  const auto file = files_.find(number);
  if (file != files_.end() && file->second.last_store > pending.order) return true;
  return std::ranges::any_of(pending_, [&](const auto& each) {
    const auto* flush = std::get_if<Flush>(&each.second.call.question);
    const auto* sync = std::get_if<Sync>(&each.second.call.question);
    return (flush != nullptr && flush->number == number) || (sync != nullptr && sync->number == number);
  });
}

// What is trusted for so long was true at that time or later.
SteadyTime Checker::trusted_since(const Pending& pending, std::chrono::nanoseconds trusted) const {
  return trusted.count() == 0 ? pending.asked - ttl_ : std::max(pending.asked, now_ + trusted) - ttl_;
}

bool Checker::attributes_were_being_set(const Pending& pending, InodeNumber number) const {
  const auto set = attributes_set_.find(number);
  if (set != attributes_set_.end() && set->second > pending.order) return true;
  return std::ranges::any_of(pending_, [&](const auto& each) {
    const auto* call = std::get_if<SetAttributes>(&each.second.call.question);
    return call != nullptr && call->number == number;
  });
}

Verdict Checker::is_absent(const std::string& path, SteadyTime since) const {
  if (may_move(path, since)) return {};
  for (const VersionPtr& each : versions_.all())
    if (each->since <= since && each->until == kNever && (each->key == path || each->key.starts_with(path + "/")))
      return Violation{
          fmt::format("{} was not found, and {} has been there for longer than the metadata time", path, each->key)};
  return {};
}

Verdict Checker::is_there(const std::string& path, SteadyTime since) const {
  if (may_move(path, since)) return {};
  const auto was_there = [&](const VersionPtr& each) { return each->until >= since; };
  if (std::ranges::any_of(versions_.of(path), was_there)) return {};
  return Violation{fmt::format("{} was shown, and was not there within the metadata time", path)};
}

// All of one version.
Verdict Checker::has_attributes(const std::string& path, SteadyTime since, const ShownEntry& entry) const {
  if (may_move(path, since)) return {};
  const auto is_it = [&](const VersionPtr& each) {
    const bool same_time = !each->modified || each->modified == entry.modified;
    return each->bytes.size() == entry.size && each->permissions == entry.permissions && same_time;
  };
  const auto had_them = [&](const VersionPtr& each) { return is_it(each) && versions_.seemed_there(*each, since); };
  if (std::ranges::any_of(versions_.of(path), had_them)) return {};
  // A rename takes along what others made of the object in the second in which the mount had stored it.
  const auto brought_others = [&](const VersionPtr& copy) {
    const auto was_stored_here = [&](const VersionPtr& each) {
      return is_it(each) && !each->of_others && each->key != path && each->bytes == copy->bytes;
    };
    return !copy->of_others && copy->until >= since && std::ranges::any_of(versions_.all(), was_stored_here);
  };
  if (std::ranges::any_of(versions_.of(path), brought_others)) return {};
  return Violation{
      fmt::format("{} was shown with {} bytes, {:04o}, modified {}, which it has not had within the metadata time",
                  path, entry.size, entry.permissions, entry.modified.time_since_epoch().count())};
}

// A call that was under way since then names the path or what is above it.
bool Checker::may_move(const std::string& path, SteadyTime since) const {
  return std::ranges::any_of(renames_and_removals_, [&](const NameCall& call) {
    return may_be_under_way(call, path, since) && names_path(call, path);
  });
}

// A call that is not answered yet does.
bool Checker::is_moving(const std::string& path) const {
  return std::ranges::any_of(pending_, [&](const auto& each) {
    return each.second.name_call != nullptr && names_path(*each.second.name_call, path);
  });
}

// The deletes of a rename go on beside the work of the mounts that follow, which hide the old names.
bool Checker::may_be_under_way(const NameCall& call, const std::string& path, SteadyTime since) const {
  const bool hides_names = call.goes_on && std::holds_alternative<Rename>(call.question);
  const bool is_in_doubt = call.failed && call.mount + 1 == names_.size() && !call.shown_since.contains(path);
  return call.answered >= since || is_in_doubt || hides_names;
}

// ---- the bucket -----------------------------------------------------------------------------------------------------

Verdict Checker::changed(const Effect& effect) {
  now_ = std::max(now_, effect.when);
  if (changes_uploads_alone(effect.operation)) return {};
  const VersionPtr before = versions_.now(effect.key);
  const bool is_of_mount = effect.who.kind == Actor::Kind::mount && !effect.abandoned;
  Verdict verdict;
  if (is_of_mount && !effect.after && before != nullptr && before->of_others) verdict = removed(effect, *before);
  if (is_of_mount && effect.after) {
    const std::string bytes = effect.after->content.bytes();
    if (before != nullptr && before->of_others && before->bytes != bytes) verdict = replaced(effect, *before, bytes);
    if (!verdict) verdict = made(effect, bytes);
    note_stored(effect.key, bytes);
  }
  versions_.changed(effect);
  return verdict;
}

Verdict Checker::removed(const Effect& effect, const Version& before) const {
  const bool was_seen = told_.contains({effect.key, before.etag});
  for (const NameCall& call : renames_and_removals_) {
    const bool just_before = call.goes_on && effect.when - before.since <= kFromLookToDelete;
    if (call.answered < before.since && !just_before) continue;
    if (names_key(call, effect.key)) return {};
    if (names_above(call, effect.key) && (!was_seen || was_copied(before.bytes, call.asked))) return {};
  }
  return Violation{fmt::format("{} of others was deleted, {}, and no call removes it", effect.key, text_of(before))};
}

bool Checker::was_copied(const std::string& bytes, SteadyTime since) const {
  return std::ranges::any_of(versions_.all(), [&](const VersionPtr& each) {
    return !each->of_others && each->until >= since && each->bytes == bytes;
  });
}

Verdict Checker::replaced(const Effect& effect, const Version& before, const std::string& bytes) const {
  const auto renames_to = [&](const NameCall& call) {
    return call.answered >= before.since && is_target(call, effect.key);
  };
  if (std::ranges::any_of(renames_and_removals_, renames_to)) return {};
  const std::string what = fmt::format("{} of others was replaced, {}", effect.key, text_of(before));
  if (effect.operation == Operation::copy) return Violation{what + ", by a copy that no rename asks for"};
  if (versions_.made_here(effect.key, before.etag)) return {};
  if (!told_.contains({effect.key, before.etag})) return Violation{what + ", of which the mount was not told"};
  if (was_opened_before(before, bytes)) return Violation{what + ", by a file that was open before it was there"};
  return {};
}

// An empty object, which an attempt of the mount without an answer would have made just so.
bool Checker::may_be_its_own(const File& file, const Version& version) const {
  return version.bytes.empty() && (file.may_be_attempted || attempts_.may_have_happened(version.key));
}

// A file with bytes of these that was opened before the version was there, and is open or not stored since.
bool Checker::was_opened_before(const Version& before, const std::string& bytes) const {
  const SteadyTime first = versions_.first(before.key, before.etag).value_or(before.since);
  return std::ranges::any_of(files_, [&](const auto& each) {
    const auto& [number, file] = each;
    const bool is_in_use = !file.handles.empty() || file.has_unstored;
    return is_in_use && !may_be_its_own(file, before) && file.open_since < first && file.written.is_in(bytes) &&
           !file.written.is_in(before.bytes) && names().may_be(number, before.key);
  });
}

Verdict Checker::made(const Effect& effect, const std::string& bytes) const {
  const bool is_upload = effect.operation == Operation::put || effect.operation == Operation::complete_upload;
  if (!is_upload || bytes.empty() || is_whole(bytes)) return {};
  return Violation{fmt::format("{} was written with {} bytes that no file here had", effect.key, bytes.size())};
}

// Also by another call than flush or fsync: a rename stores a file first.
void Checker::note_stored(const std::string& key, const std::string& bytes) {
  for (auto& [number, file] : files_)
    if (names().may_be(number, path_of(key)) && file.unstored.first_difference(bytes) == KnownBytes::npos)
      file.unstored = {};
}

// Some version of an object with what was written to one file.
bool Checker::is_whole(const std::string& bytes) const {
  if (symlink_targets_.contains(bytes)) return true;
  const auto explained_with = [&](const std::vector<std::size_t>& positions) {
    return positions.empty() || std::ranges::any_of(versions_.all(), [&](const VersionPtr& version) {
             return explains(version.get(), 0, bytes, positions);
           });
  };
  return std::ranges::any_of(files_, [&](const auto& each) {
    const Written& written = each.second.written;
    return !written.nothing() && explained_with(written.unexplained(0, bytes));
  });
}

bool Checker::names_key(const NameCall& call, const std::string& key) const {
  const Names& names = names_[call.mount];
  const std::string path = path_of(key);
  if (const auto* unlink = std::get_if<Unlink>(&call.question))
    return names.may_be(Place{unlink->parent, unlink->name}, path);
  if (const auto* remove = std::get_if<RemoveDirectory>(&call.question))
    return key != path && names.may_be(Place{remove->parent, remove->name}, path);
  const auto& rename = std::get<Rename>(call.question);
  return names.may_be(Place{rename.parent, rename.name}, path) ||
         names.may_be(Place{rename.new_parent, rename.new_name}, path);
}

bool Checker::names_above(const NameCall& call, const std::string& key) const {
  const auto* rename = std::get_if<Rename>(&call.question);
  if (rename == nullptr) return false;
  const Names& names = names_[call.mount];
  return names.may_be_above({rename->parent, rename->name}, path_of(key)) ||
         names.may_be_above({rename->new_parent, rename->new_name}, path_of(key));
}

bool Checker::names_path(const NameCall& call, const std::string& path) const {
  return names_key(call, path) || names_key(call, path + "/") || names_above(call, path);
}

bool Checker::is_target(const NameCall& call, const std::string& key) const {
  const auto* rename = std::get_if<Rename>(&call.question);
  if (rename == nullptr) return false;
  const Place target{rename->new_parent, rename->new_name};
  const Names& names = names_[call.mount];
  return names.may_be(target, path_of(key)) || names.may_be_above(target, path_of(key));
}

// ---- ends and beginnings --------------------------------------------------------------------------------------------

void Checker::resumed() {
  for (auto& [number, file] : files_)
    file.may_be_attempted = file.may_be_attempted || (file.differs && file.cuts > 0 && file.known.empty());
}

void Checker::begin_anew() {
  for (auto& [unique, pending] : pending_) {
    if (pending.name_call == nullptr) continue;
    pending.name_call->answered = now_;
    pending.name_call->goes_on = true;
  }
  pending_.clear();
  files_.clear();
  types_.clear();
  names_.emplace_back();
  cutting_creates_ = 0;
  failed_creates_.clear();
  attributes_set_.clear();
  a_rename_failed_ = false;
}

// In calm weather it waits for all deletes.
void Checker::unmounted(Around around, const BucketView&) {
  begin_anew();
  if (around != Around::calm) return;
  for (NameCall& call : renames_and_removals_) call.goes_on = false;
}

Verdict Checker::settled(const BucketView&, const KeptView& kept) {
  for (const auto& [what, bytes] : owed_) {
    const auto has_it = [&bytes = bytes](const fake::Content& content) {
      return bytes.first_difference(content.bytes()) == KnownBytes::npos;
    };
    if (std::ranges::none_of(kept, has_it))
      return Violation{fmt::format("what was written to {} when others changed it is not kept", what)};
  }
  return {};
}

}  // namespace pail::simulation::others
