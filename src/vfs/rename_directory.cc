// Renames of directories. All objects are copied, then the index changes in one step, then the old objects go: readers
// see the old tree or the new one.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "base/promise.h"
#include "cos/refusal.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/fault.h"
#include "vfs/names.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::InodeRecord;

Result<Names::Progress> Names::rename_directory(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  if (target) PAIL_CHECK(check_nothing_staged(*target));
  PAIL_TRY(const std::string key, key_for(renaming.from));
  PAIL_CHECK(old_objects_.wait_until_closed(key, renaming.request.stop));
  PAIL_TRY(auto closed, close_gate(renaming));
  if (!still_there(renaming)) return Progress::look_again;
  if (!renaming.earlier) {
    PAIL_TRY(const Progress free, check_free(renaming));
    if (free != Progress::done) return free;
  }
  PAIL_CHECK(begin(renaming.request, renaming.earlier, {source.number, target ? target->number : 0}));
  PAIL_TRY(OldTree old_tree, copy_directory(closed, renaming));
  // From here on the new tree is what everybody sees. An interruption ends the wait, and not the deletes.
  PAIL_CHECK(old_objects_.carry_out(renaming.request, source.number, std::move(old_tree), OtherSide::known,
                                    std::move(closed)));
  lost_an_entry(renaming.from.parent, renaming.request.stop);
  return Progress::done;
}

// Nothing must lie where the copies go: a failed rename could not tell it from them.
Result<Names::Progress> Names::check_free(const Renaming& renaming) {
  const StopToken& stop = renaming.request.stop;
  PAIL_TRY(const std::string from, key_for(renaming.from));
  PAIL_TRY(const std::string to, key_for(renaming.to));
  PAIL_CHECK(check_staged_keys(renaming.inodes.source.number, from, to));
  if (renaming.inodes.target) {
    PAIL_CHECK(check_empty(*renaming.inodes.target, stop));
    return Progress::done;
  }
  PAIL_TRY(const cos::ListPage there, store_.list_objects({.prefix = to + "/", .max_keys = 1}, stop));
  if (there.objects.empty()) return Progress::done;
  ask_anew(renaming.to.key());
  return Progress::look_again;
}

// Objects whose new key is too long cannot be copied; files without an object would find out at their close.
Result<Unit> Names::check_staged_keys(InodeNumber directory, const std::string& from, const std::string& to) {
  const local::View view = names_.view();
  for (const InodeNumber number : view.staged()) {
    const auto key = tree_.key_of(view, number);
    if (!key || !key->starts_with(from + "/") || !view.lies_below(number, directory)) continue;
    const std::size_t size = key->size() - from.size() + to.size();
    if (size > cos::kMaxKeyBytes)
      return Error{ENAMETOOLONG, fmt::format("{}: its key would have {} bytes, and may have {}", quote(*key), size,
                                             cos::kMaxKeyBytes)};
  }
  return Unit{};
}

// When it returns a value, all is copied and the index has the new name.
Result<OldTree> Names::copy_directory(const TreeGate::Closure& closed, const Renaming& renaming) {
  OldTree old_tree{0, renaming.from.key(), {}};
  PAIL_TRY(old_tree.keys.from, key_for(renaming.from));
  PAIL_TRY(old_tree.keys.to, key_for(renaming.to));
  PAIL_TRY(old_tree.job, names_.next_job());
  auto job = jobs_.begin(old_tree.job, old_tree.keys);
  const auto copied = job ? copy_all(closed, renaming, old_tree, *job) : Result<Unit>(job.error());
  if (!copied) take_back_copies(renaming, old_tree.keys, copied.error());
  if (!copied && job) jobs_.end_with_file(old_tree.job);
  if (!copied) return copied.error();
  for (const std::uint64_t earlier : jobs_.copying(old_tree.keys)) {
    if (earlier != old_tree.job) jobs_.end_with_file(earlier);
  }
  return old_tree;
}

Result<Unit> Names::copy_all(const TreeGate::Closure& closed, const Renaming& renaming, const OldTree& old_tree,
                             RenameJob& job) {
  PAIL_TRY(const InodeRecord source, names_.inode(renaming.inodes.source.number));
  PAIL_CHECK(copy_markers(source, renaming.inodes.target.has_value(), old_tree.keys, job, renaming.request.stop));
  PAIL_CHECK(copy_tree(closed, old_tree.keys, job, renaming.request.stop));
  PAIL_CHECK(job.sync());  // before anything is deleted
  // What may be of others keeps the ETag of before in the names, so that a look shows another version.
  PAIL_CHECK(rebind_directory(renaming, old_tree, job.etags_changed() && !job.in_doubt()));
  if (!job.in_doubt()) return Unit{};
  PAIL_CHECK(names_.all_doubted());
  return names_.tree_doubted(renaming.to.key());
}

// Some tools keep a directory's attributes in an object beside it. The new directory gets the usual marker.
Result<Unit> Names::copy_markers(const InodeRecord& source, bool replaces, const RenamedKeys& keys, RenameJob& job,
                                 const StopToken& stop) {
  std::vector<CopiedObject> markers;
  auto add = [&](DirectoryForm form) -> Result<Unit> {
    const std::string key = Tree::marker_key(keys.from + "/", form);
    PAIL_TRY(const auto object, listed_object(store_, key, stop));
    if (object && object->size.n == 0)
      markers.push_back(
          {key.substr(keys.from.size()), object->size, object->etag, object->last_modified, object->etag});
    return Unit{};
  };
  if (source.form == DirectoryForm::plain_marker) PAIL_CHECK(add(DirectoryForm::plain_marker));
  PAIL_CHECK(add(DirectoryForm::folder_marker));
  // A directory without a marker must not get that of the one it replaces.
  const bool other_marker = source.form == DirectoryForm::plain_marker || source.form == DirectoryForm::folder_marker;
  PAIL_CHECK(job.add(markers));
  if (!other_marker && !(source.form == DirectoryForm::implicit && replaces)) return Unit{};
  return make_marker(source, keys, job, stop);
}

// One without an old object. It is noted, so that it goes as the copies do when the rename fails.
Result<Unit> Names::make_marker(const InodeRecord& source, const RenamedKeys& keys, RenameJob& job,
                                const StopToken& stop) {
  PAIL_TRY(const auto old, listed_object(store_, keys.from + "/", stop));
  if (old) return Unit{};  // it is copied with the others
  const std::string key = keys.to + "/";
  PAIL_TRY(const auto put, store_.put_object({.key = key, .headers = to_headers(source)}, stop));
  PAIL_TRY(const auto made, listed_object(store_, key, stop));
  if (!made || made->etag != put.etag) return Unit{};  // others replaced it already
  return job.add({{"/", {}, made->etag, {}, made->etag, made->last_modified}});
}

// Copies every object in the directory, a page of keys at a time, and notes what it copied.
Result<Unit> Names::copy_tree(const TreeGate::Closure&, const RenamedKeys& keys, RenameJob& job,
                              const StopToken& stop) {
  cos::ListRequest list{.prefix = keys.from + "/"};
  do {
    PAIL_TRY(const cos::ListPage page, store_.list_objects(list, stop));
    PAIL_CHECK(job.prepare(page.objects));
    const CopiedPage copied = copy_page(page, keys, stop);
    PAIL_CHECK(job.add(copied.objects, copied.contents));
    if (copied.failed) return *copied.failed;
    list.continuation = page.continuation;
  } while (!list.continuation.empty());
  return Unit{};
}

// Those that were copied, also when one failed. They have their contents when it returns.
Names::CopiedPage Names::copy_page(const cos::ListPage& page, const RenamedKeys& keys, const StopToken& stop) {
  using Copy = std::optional<Result<MadeCopy>>;  // none: not tried, another one had failed
  std::vector<Promise<Copy>> copies(page.objects.size());
  std::atomic<bool> give_up{false};
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copiers_.run(Lane::demand, [this, &object = page.objects[i], &keys, &stop, &give_up, outcome = copies[i]] {
      if (give_up) return outcome.set({});
      const std::string to = keys.to + object.key.substr(keys.from.size());
      auto copy = files_.copy({object.key, to, object.etag, object.size}, stop);
      if (!copy) copy = cos::after_look(store_, object.key, object.etag, copy.error(), stop);
      if (!copy) give_up = true;
      outcome.set(std::move(copy));
    });
  }
  CopiedPage copied;
  std::vector<MadeCopy> made;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const cos::ListedObject& object = page.objects[i];
    Copy copy = copies[i].wait();
    if (copy && *copy) {
      copied.objects.push_back({object.key.substr(keys.from.size()), object.size, object.etag, object.last_modified,
                                (*copy)->object.etag, (*copy)->object.last_modified});
      if ((*copy)->contents() == Contents::in_doubt) copied.contents = Contents::in_doubt;
      made.push_back(**std::move(copy));
    } else if (copy && !copied.failed) {
      copied.failed = copy->error();
    }
  }
  files_.copied(made);
  return copied;
}

// ---- the index ------------------------------------------------------------------------------------------------------

// Binds the new name in one step; the request stays open for the deletes.
Result<Unit> Names::rebind_directory(const Renaming& renaming, const OldTree& old_tree, bool etags_changed) {
  const auto& [source, target] = renaming.inodes;
  local::CopiedContents contents = [] { return Result<std::optional<local::CopiedContent>>(std::nullopt); };
  if (etags_changed) {
    PAIL_TRY(contents, changed_etags(old_tree.job));
  }
  PAIL_TRY(const auto taken, names_.directory_renamed(renaming.request.unique, names_of(renaming), old_tree.job,
                                                      old_tree.encode(), contents));
  if (taken == local::Taken::kept) return not_empty(*target);
  files_.note_staged_below(source.number);
  return Unit{};
}

// Objects that were stored in parts have another ETag when they are copied.
Result<local::CopiedContents> Names::changed_etags(std::uint64_t job) {
  PAIL_TRY(RenameJobReader reader, RenameJobReader::open(jobs_.path_of(job)));
  auto cursor = std::make_shared<RenameJobCursor>(std::move(reader));
  return local::CopiedContents([cursor]() -> Result<std::optional<local::CopiedContent>> {
    for (;; cursor->advance()) {
      PAIL_TRY(const CopiedObject* object, cursor->get());
      if (object == nullptr) return std::optional<local::CopiedContent>();
      if (object->copy == object->etag || !object->below.starts_with('/')) continue;
      local::CopiedContent changed{object->below.substr(1), object->etag.text, object->copy.text};
      cursor->advance();
      return std::optional(std::move(changed));
    }
  });
}

// A rename that fails leaves nothing under the new name, as far as its copies, and those of a process before this one,
// can be told from what others wrote. What that one did not note is for the next mount to find.
void Names::take_back_copies(const Renaming& renaming, const RenamedKeys& keys, const Error& why) {
  // Without a store there is nothing to be done, and waiting for it twice helps nobody.
  if (why.fault != Fault::lost) {
    const auto target = renaming.inodes.target ? names_.view().inode(renaming.inodes.target->number) : std::nullopt;
    const bool marked = target && target->form == DirectoryForm::slash_marker;
    for (const std::uint64_t job : jobs_.copying(keys)) {
      const auto left = delete_copies(store_, jobs_.path_of(job), marked ? TargetMarker::keep : TargetMarker::remove,
                                      renaming.request.stop);
      if (left.ours) spdlog::warn("a rename that failed leaves copies: {}", left.ours->context);
    }
    if (marked) restore_marker(*target, keys.to + "/", renaming.request.stop);
  } else if (renaming.inodes.target) {
    files_.ask_anew(renaming.inodes.target->number);  // its marker may be a copy by now
  }
  const auto noted = names_.tree_doubted(renaming.to.key());
  if (!noted) spdlog::warn("{}", noted.error().context);
}

// The marker of the directory that was to be replaced may be a copy by now.
void Names::restore_marker(const InodeRecord& directory, const std::string& key, const StopToken& stop) {
  const auto restored = store_.put_object({.key = key, .headers = to_headers(directory)}, stop);
  if (restored) return;
  spdlog::warn("a rename that failed changed the attributes of its target: {}", restored.error().context);
  files_.ask_anew(directory.number);
}

// ---- after the process, or the machine, has stopped -----------------------------------------------------------------

void Names::finish_interrupted() {
  const auto interrupted = names_.mount_begun();
  if (!interrupted) return spdlog::warn("{}", interrupted.error().context);
  old_objects_.finish_left(*interrupted);
}

void Names::go_on_deleting() {
  old_objects_.go_on(names_.view().deletes_left());
}

Result<TreeGate::Name> Names::name_of_key(const std::string& key, const StopToken& stop) {
  std::string_view path = std::string_view(key).substr(std::min(key.size(), options_.prefix.size()));
  TreeGate::Name name{kRootInode, {}};
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    PAIL_TRY(const auto found, directories_.resolve(name.parent, path.substr(0, slash), stop));
    name.parent = found.record.number;
    path.remove_prefix(slash + 1);
  }
  name.name = path;
  return name;
}

}  // namespace pail::vfs
