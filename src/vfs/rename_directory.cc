// Renames of directories. All objects are copied, then the index changes in one step, then the old objects go: readers
// see the old tree or the new one.
#include <fmt/format.h>

#include <algorithm>
#include <future>

#include "base/log.h"
#include "cache/codec.h"
#include "pailfs/cos/fault.h"
#include "vfs/names.h"
#include "vfs/old_objects.h"

namespace pail::vfs {

using cache::DirectoryForm;
using cache::InodeRecord;
using cache::IntentState;

namespace {

// Intents of requests without a number, which nobody asks again, are kept beside those with one.
constexpr std::uint64_t kOwnIntents = 1ull << 63;

}  // namespace

// What is left to do when the index has the result: the detail of an intent.
struct Names::Deletes {
  std::uint64_t job = 0;  // number of the file that says what was copied
  TreeGate::Name old_name;
  RenamedKeys keys;

  std::string encode() const {
    cache::RecordWriter fields;
    fields.number(job);
    fields.number(old_name.parent);
    fields.text(old_name.name);
    fields.text(keys.from);
    fields.text(keys.to);
    return fields.take();
  }
  static std::optional<Deletes> decode(const std::string& bytes) {
    cache::RecordReader fields(bytes);
    Deletes deletes;
    deletes.job = fields.number();
    deletes.old_name.parent = fields.number();
    deletes.old_name.name = fields.text();
    deletes.keys.from = fields.text();
    deletes.keys.to = fields.text();
    return fields.complete() ? std::optional(std::move(deletes)) : std::nullopt;
  }
};

std::filesystem::path Names::job_path(std::uint64_t job) const {
  return options_.cache_directory / "renames" / std::to_string(job);
}

Result<Names::Progress> Names::rename_directory(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  if (target) PAIL_CHECK(check_nothing_staged(*target));
  PAIL_TRY(auto closed, close_gate(renaming));
  if (!still_there(renaming)) return Progress::look_again;
  if (target && !renaming.earlier) PAIL_CHECK(check_empty(*target, renaming.request.stop));
  PAIL_CHECK(begin(renaming.request, renaming.earlier, source.number));
  PAIL_TRY(const Deletes deletes, copy_directory(closed, renaming));
  // From here on the new tree is what everybody sees; an interruption must not leave the old objects behind.
  const auto deleted = delete_copied(renaming.request, source.number, deletes);
  closed.open();
  if (!deleted) return deleted.error();
  keep_directory(renaming.from.parent, renaming.request.stop);
  return Progress::done;
}

// When it returns a value, all is copied and the index has the new name.
Result<Names::Deletes> Names::copy_directory(const TreeGate::Closure& closed, const Renaming& renaming) {
  Deletes deletes{0, renaming.from.key(), {}};
  PAIL_TRY(deletes.keys.from, key_for(renaming.from));
  PAIL_TRY(deletes.keys.to, key_for(renaming.to));
  {
    auto change = index_.write();
    deletes.job = change->next_sequence();
    PAIL_CHECK(change->commit());
  }
  auto copied = [&]() -> Result<Unit> {
    PAIL_TRY(RenameJob job, RenameJob::create(job_path(deletes.job), deletes.keys));
    PAIL_TRY(const InodeRecord source, require(*index_.read(), renaming.inodes.source.number));
    PAIL_CHECK(copy_markers(source, renaming.inodes.target.has_value(), deletes.keys, job, renaming.request.stop));
    PAIL_CHECK(copy_tree(closed, deletes.keys, job, renaming.request.stop));
    return rebind_directory(renaming, deletes, job.etags_changed());
  }();
  if (copied) return deletes;
  take_back_copies(renaming, deletes, copied.error());
  remove_job(deletes.job);
  return copied.error();
}

// Some tools keep a directory's attributes in an object beside it. The new directory gets the usual marker.
Result<Unit> Names::copy_markers(const InodeRecord& source, bool replaces, const RenamedKeys& keys, RenameJob& job,
                                 const std::stop_token& stop) {
  std::vector<CopiedObject> markers;
  auto add = [&](DirectoryForm form) -> Result<Unit> {
    const std::string key = Tree::marker_key(keys.from + "/", form);
    PAIL_TRY(const auto object, listed_object(store_, options_.bucket, key, stop));
    const bool marker = object && (form == DirectoryForm::folder_marker || object->size.n == 0);
    if (marker)
      markers.push_back(
          {key.substr(keys.from.size()), object->size, object->etag, object->last_modified, object->etag});
    return Unit{};
  };
  if (source.form == DirectoryForm::plain_marker) PAIL_CHECK(add(DirectoryForm::plain_marker));
  PAIL_CHECK(add(DirectoryForm::folder_marker));
  // A directory without a marker must not get that of the one it replaces.
  const bool other_marker = source.form == DirectoryForm::plain_marker || source.form == DirectoryForm::folder_marker;
  if (other_marker || (source.form == DirectoryForm::implicit && replaces))
    PAIL_CHECK(store_.put_object(options_.bucket, {.key = keys.to + "/", .headers = to_headers(source)}, stop));
  return job.add(markers);
}

// Copies every object in the directory, a page of keys at a time, and notes what it copied.
Result<Unit> Names::copy_tree(const TreeGate::Closure&, const RenamedKeys& keys, RenameJob& job,
                              const std::stop_token& stop) {
  cos::ListRequest list{.prefix = keys.from + "/"};
  do {
    PAIL_TRY(const cos::ListPage page, store_.list_objects(options_.bucket, list, stop));
    std::optional<Error> failed;
    PAIL_CHECK(job.add(copy_page(page, keys, failed, stop)));
    if (failed) return *failed;
    list.continuation = page.continuation;
  } while (!list.continuation.empty());
  return Unit{};
}

// Those that were copied, also when one failed.
std::vector<CopiedObject> Names::copy_page(const cos::ListPage& page, const RenamedKeys& keys,
                                           std::optional<Error>& failed, const std::stop_token& stop) {
  std::vector<std::future<Result<cos::CopyResult>>> copies;
  for (const cos::ListedObject& object : page.objects) {
    auto promise = std::make_shared<std::promise<Result<cos::CopyResult>>>();
    copies.push_back(promise->get_future());
    copiers_.run([this, &object, &keys, &stop, promise] {
      promise->set_value(files_.copy(object.key, keys.to + object.key.substr(keys.from.size()), object.etag,
                                     object.size, cos::MetadataDirective::copy, {}, stop));
    });
  }
  std::vector<CopiedObject> copied;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const cos::ListedObject& object = page.objects[i];
    auto copy = copies[i].get();
    if (copy) {
      copied.push_back({object.key.substr(keys.from.size()), object.size, object.etag, object.last_modified, copy->etag,
                        copy->last_modified});
    } else if (!failed) {
      failed = copy.error();
    }
  }
  return copied;
}

// ---- the index ------------------------------------------------------------------------------------------------------

// Binds the new name in one step; the intent stays open for the deletes.
Result<Unit> Names::rebind_directory(const Renaming& renaming, const Deletes& deletes, bool etags_changed) {
  const auto& [source, target] = renaming.inodes;
  auto change = index_.write();
  const std::uint64_t sequence = change->next_sequence();
  if (target && holds_staged(*change, target->number)) return not_empty(*target);
  PAIL_CHECK(rebind(*change, renaming, sequence));
  tree_.moving(source.number);
  PAIL_CHECK(change->update(source.number, [&target = target](InodeRecord& record) {
    if (target || record.form != DirectoryForm::implicit) record.form = DirectoryForm::slash_marker;
    record.stored = {};
  }));
  if (etags_changed) PAIL_CHECK(take_over_etags(*change, source.number, deletes.job, sequence));
  const std::uint64_t unique = renaming.request.unique;
  change->put_intent(unique != 0 ? unique : kOwnIntents | deletes.job,
                     {.state = IntentState::local, .subject = source.number, .detail = deletes.encode()});
  return change->commit();
}

// Objects that were stored in parts have another ETag when they are copied.
Result<Unit> Names::take_over_etags(cache::WriteTransaction& change, InodeNumber directory, std::uint64_t job,
                                    std::uint64_t sequence) {
  PAIL_TRY(RenameJobReader reader, RenameJobReader::open(job_path(job)));
  RenameJobCursor copied(std::move(reader));
  for (;; copied.advance()) {
    PAIL_TRY(const CopiedObject* object, copied.get());
    if (object == nullptr) return Unit{};
    if (object->copy == object->etag || !object->below.starts_with('/')) continue;
    const auto record = inode_below(change, directory, std::string_view(object->below).substr(1));
    if (!record || record->type == FileType::directory || record->etag != object->etag.text) continue;
    PAIL_CHECK(change.update(record->number, [&](InodeRecord& known) {
      known.etag = object->copy.text;
      known.changed_seq = sequence;
    }));
  }
}

std::optional<InodeRecord> Names::inode_below(cache::ReadTransaction& view, InodeNumber directory,
                                              std::string_view path) {
  std::optional<InodeRecord> record = view.inode(directory);
  while (record && !path.empty()) {
    const auto end = std::min(path.find('/'), path.size());
    const auto dirent = view.dirent(record->number, path.substr(0, end));
    record = dirent ? view.inode(dirent->number) : std::nullopt;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return record;
}

// A rename that fails leaves nothing under the new name, as far as its copies can be told from what others wrote.
void Names::take_back_copies(const Renaming& renaming, const Deletes& deletes, const Error& why) {
  // Without a store there is nothing to be done, and waiting for it twice helps nobody.
  if (why.fault != Fault::lost) {
    const auto target = renaming.inodes.target ? index_.read()->inode(renaming.inodes.target->number) : std::nullopt;
    const bool marked = target && target->form == DirectoryForm::slash_marker;
    const auto left = delete_copies(store_, options_.bucket, job_path(deletes.job),
                                    marked ? TargetMarker::keep : TargetMarker::remove, renaming.request.stop);
    if (left.ours) spdlog::warn("a rename that failed leaves copies: {}", left.ours->context);
    if (marked) restore_marker(*target, deletes.keys.to + "/", renaming.request.stop);
  }
  auto change = index_.write();
  const auto dirent = change->dirent(renaming.to.parent, renaming.to.name);
  if (!dirent || dirent->number == 0) {
    forget_name(*change, renaming.to.key());
  } else if (!change->update(dirent->number, [](InodeRecord& shown) { shown.listed = {}; })) {
    return;
  }
  if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
}

// The marker of the directory that was to be replaced may be a copy by now.
void Names::restore_marker(const InodeRecord& directory, const std::string& key, const std::stop_token& stop) {
  const auto restored = store_.put_object(options_.bucket, {.key = key, .headers = to_headers(directory)}, stop);
  if (restored) return;
  spdlog::warn("a rename that failed changed the attributes of its target: {}", restored.error().context);
  auto change = index_.write();
  const auto asked_anew =
      change->update(directory.number, [](InodeRecord& record) { record.knowledge = cache::Knowledge::listed; });
  if (!asked_anew || !change->commit()) spdlog::debug("{}: not noted", quote(key));
}

// ---- deletes --------------------------------------------------------------------------------------------------------

// Ends a rename: whatever comes of the deletes, nothing is left that a later process would do.
Result<Unit> Names::delete_copied(const Request& request, InodeNumber subject, const Deletes& deletes) {
  const OldObjectsLeft left = delete_old_objects(store_, options_.bucket, job_path(deletes.job), {});
  std::optional<Error> error;
  if (left.ours) error = old_object_stays(deletes.keys.from, *left.ours);
  auto change = index_.write();
  const TreeGate::Name& old_name = deletes.old_name;
  if (displace(*change, {old_name.parent, old_name.name})) {  // else a new file has the name by now
    change->unbind(old_name.parent, old_name.name, {0, tree_.moment(), change->next_sequence()});
    if (left.any()) forget_name(*change, old_name);
  }
  Request finished = request;
  if (finished.unique == 0) finished.unique = kOwnIntents | deletes.job;
  done(*change, finished, subject, error);
  PAIL_CHECK(change->commit());
  remove_job(deletes.job);
  if (error) return *error;
  return Unit{};
}

// Asked again, of a process that ended while it deleted.
Result<Unit> Names::resume_deletes(const Request& request, const cache::Intent& intent) {
  const auto deletes = Deletes::decode(intent.detail);
  if (!deletes) return Error{EIO, "renamed, but it is not known which old objects are to be deleted"};
  PAIL_TRY(const auto closed, gate_.close({deletes->old_name}, {}, request.stop));
  return delete_copied(request, intent.subject, *deletes);
}

void Names::remove_job(std::uint64_t job) {
  std::error_code failed;
  std::filesystem::remove(job_path(job), failed);
  if (failed) spdlog::warn("{}: {}", job_path(job).string(), failed.message());
}

void Names::finish_interrupted() {
  for (const auto& [unique, intent] : index_.read()->intents()) {
    if (intent.state != IntentState::local) continue;
    Request asked;
    asked.unique = unique;
    const auto finished = resume_deletes(asked, intent);
    if (!finished) spdlog::error("a rename that was cut short: {}", finished.error().context);
  }
  auto change = index_.write();
  change->clear_intents();
  if (const auto committed = change->commit(); !committed) spdlog::warn("{}", committed.error().context);
  std::error_code failed;
  std::filesystem::remove_all(options_.cache_directory / "renames", failed);
  if (failed) spdlog::warn("{}: {}", (options_.cache_directory / "renames").string(), failed.message());
}

}  // namespace pail::vfs
