// Renames of directories. All objects are copied, then the index changes in one step, then the old objects go: readers
// see the old tree or the new one.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "base/log.h"
#include "base/promise.h"
#include "local/codec.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/fault.h"
#include "vfs/names.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

using local::DirectoryForm;
using local::InodeRecord;

// What is left to do when the index has the result: the detail of an intent.
struct Names::Deletes {
  std::uint64_t job = 0;  // number of the file that says what was copied
  TreeGate::Name old_name;
  RenamedKeys keys;

  std::string encode() const {
    local::RecordWriter fields;
    fields.number(job);
    fields.number(old_name.parent);
    fields.text(old_name.name);
    fields.text(keys.from);
    fields.text(keys.to);
    return fields.take();
  }
  static std::optional<Deletes> decode(const std::string& bytes) {
    local::RecordReader fields(bytes);
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
  return options_.state_directory / "renames" / std::to_string(job);
}

Result<Names::Progress> Names::rename_directory(const Renaming& renaming) {
  const auto& [source, target] = renaming.inodes;
  if (target) PAIL_CHECK(check_nothing_staged(*target));
  PAIL_TRY(auto closed, close_gate(renaming));
  if (!still_there(renaming)) return Progress::look_again;
  if (!renaming.earlier) {
    PAIL_TRY(const Progress free, check_free(renaming));
    if (free != Progress::done) return free;
  }
  PAIL_CHECK(begin(renaming.request, renaming.earlier, source.number));
  PAIL_TRY(Deletes deletes, copy_directory(closed, renaming));
  // From here on the new tree is what everybody sees. An interruption ends the wait, and not the deletes.
  const auto deleting = begin_deletes(renaming.request, source.number, std::move(deletes), OtherSide::known,
                                      Caller::waits, std::move(closed));
  PAIL_CHECK(wait_for(*deleting, renaming.request.stop));
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
Result<Names::Deletes> Names::copy_directory(const TreeGate::Closure& closed, const Renaming& renaming) {
  Deletes deletes{0, renaming.from.key(), {}};
  PAIL_TRY(deletes.keys.from, key_for(renaming.from));
  PAIL_TRY(deletes.keys.to, key_for(renaming.to));
  PAIL_TRY(deletes.job, names_.next_job());
  end_earlier_jobs(deletes.keys);
  auto copied = [&]() -> Result<Unit> {
    PAIL_TRY(RenameJob job, RenameJob::create(job_path(deletes.job), deletes.keys));
    PAIL_CHECK(journal_.commit(
        local::JobBegun{deletes.job, local::JobBegun::Kind::rename_directory, {deletes.keys.from, deletes.keys.to}}));
    PAIL_TRY(const InodeRecord source, names_.inode(renaming.inodes.source.number));
    PAIL_CHECK(copy_markers(source, renaming.inodes.target.has_value(), deletes.keys, job, renaming.request.stop));
    PAIL_CHECK(copy_tree(closed, deletes.keys, job, renaming.request.stop));
    PAIL_CHECK(job.sync());  // before anything is deleted
    return rebind_directory(renaming, deletes, job.etags_changed());
  }();
  if (copied) return deletes;
  take_back_copies(renaming, deletes, copied.error());
  end_job(deletes.job);
  remove_job_file(deletes.job);
  return copied.error();
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
    std::optional<Error> failed;
    PAIL_CHECK(job.add(copy_page(page, keys, failed, stop)));
    if (failed) return *failed;
    list.continuation = page.continuation;
  } while (!list.continuation.empty());
  return Unit{};
}

// Those that were copied, also when one failed.
std::vector<CopiedObject> Names::copy_page(const cos::ListPage& page, const RenamedKeys& keys,
                                           std::optional<Error>& failed, const StopToken& stop) {
  using Copy = std::optional<Result<cos::CopyResult>>;  // none: not tried, another one had failed
  std::vector<Promise<Copy>> copies(page.objects.size());
  std::atomic<bool> give_up{false};
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copiers_.run(Lane::demand, [this, &object = page.objects[i], &keys, &stop, &give_up, outcome = copies[i]] {
      if (give_up) return outcome.set({});
      const std::string to = keys.to + object.key.substr(keys.from.size());
      auto copy = files_.copy({object.key, to, object.etag, object.size}, stop);
      if (!copy) give_up = true;
      outcome.set(std::move(copy));
    });
  }
  std::vector<CopiedObject> copied;
  for (std::size_t i = 0; i < copies.size(); ++i) {
    const cos::ListedObject& object = page.objects[i];
    const Copy copy = copies[i].wait();
    if (copy && *copy) {
      copied.push_back({object.key.substr(keys.from.size()), object.size, object.etag, object.last_modified,
                        (*copy)->etag, (*copy)->last_modified});
    } else if (copy && !failed) {
      failed = copy->error();
    }
  }
  return copied;
}

// ---- the index ------------------------------------------------------------------------------------------------------

// Binds the new name in one step; the request stays open for the deletes.
Result<Unit> Names::rebind_directory(const Renaming& renaming, const Deletes& deletes, bool etags_changed) {
  const auto& [source, target] = renaming.inodes;
  local::CopiedContents contents = [] { return Result<std::optional<local::CopiedContent>>(std::nullopt); };
  if (etags_changed) {
    PAIL_TRY(contents, changed_etags(deletes.job));
  }
  PAIL_TRY(const auto taken, names_.directory_renamed(renaming.request.unique, names_of(renaming), deletes.job,
                                                      deletes.encode(), contents));
  if (taken == local::Taken::kept) return not_empty(*target);
  files_.note_staged_below(source.number);
  return Unit{};
}

// Objects that were stored in parts have another ETag when they are copied.
Result<local::CopiedContents> Names::changed_etags(std::uint64_t job) {
  PAIL_TRY(RenameJobReader reader, RenameJobReader::open(job_path(job)));
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

// A rename that fails leaves nothing under the new name, as far as its copies can be told from what others wrote.
void Names::take_back_copies(const Renaming& renaming, const Deletes& deletes, const Error& why) {
  // Without a store there is nothing to be done, and waiting for it twice helps nobody.
  if (why.fault != Fault::lost) {
    const auto target = renaming.inodes.target ? names_.view().inode(renaming.inodes.target->number) : std::nullopt;
    const bool marked = target && target->form == DirectoryForm::slash_marker;
    const auto left = delete_copies(store_, job_path(deletes.job), marked ? TargetMarker::keep : TargetMarker::remove,
                                    renaming.request.stop);
    if (left.ours) spdlog::warn("a rename that failed leaves copies: {}", left.ours->context);
    if (marked) restore_marker(*target, deletes.keys.to + "/", renaming.request.stop);
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

// ---- deletes --------------------------------------------------------------------------------------------------------

// Guarded by Names::mutex_, but for the number.
struct Names::Deleting {
  const std::uint64_t unique;  // of the request
  bool waited_for;
  std::optional<Result<Unit>> outcome;
};

// Deletes on a thread of its own and opens the gate then. A tree may have more objects than its caller has patience.
std::shared_ptr<Names::Deleting> Names::begin_deletes(const Request& request, InodeNumber subject, Deletes deletes,
                                                      OtherSide copies, Caller caller, TreeGate::Closure closed) {
  {
    MutexLock lock(mutex_);
    ++deletes_under_way_;
  }
  const std::uint64_t unique = local::NameStore::request_of_deletes(request.unique, deletes.job);
  auto deleting = std::make_shared<Deleting>(Deleting{unique, caller == Caller::waits, {}});
  auto held = std::make_shared<TreeGate::Closure>(std::move(closed));
  copiers_.run(Lane::background, [this, subject, deletes = std::move(deletes), copies, deleting, held] {
    auto outcome = delete_copied(*deleting, subject, deletes, copies);
    held->open();
    if (outcome) keep_directory(deletes.old_name.parent, end_deletes_.token());
    MutexLock lock(mutex_);
    deleting->outcome = std::move(outcome);
    --deletes_under_way_;
    deletes_ended_.notify_all();
  });
  return deleting;
}

bool Names::is_waited_for(const Deleting& deleting) {
  MutexLock lock(mutex_);
  return deleting.waited_for;
}

Result<Unit> Names::wait_for(Deleting& deleting, const StopToken& stop) {
  const StopCallback wake(stop, [this] {
    MutexLock lock(mutex_);
    deletes_ended_.notify_all();
  });
  MutexLock lock(mutex_);
  while (!deleting.outcome) {
    if (stop.stop_requested()) {
      deleting.waited_for = false;
      return Error{EINTR, "interrupted; the old objects go on being deleted", Fault::stopped};
    }
    deletes_ended_.wait(mutex_);
  }
  return *deleting.outcome;
}

void Names::wait_for_deletes(const StopToken& stop) {
  const StopCallback wake(stop, [this] {
    MutexLock lock(mutex_);
    deletes_ended_.notify_all();
  });
  MutexLock lock(mutex_);
  while (deletes_under_way_ > 0 && !stop.stop_requested()) deletes_ended_.wait(mutex_);
}

// Ends a rename: whatever comes of the deletes, nothing is left that a later process would do, but when this one ends.
Result<Unit> Names::delete_copied(const Deleting& deleting, InodeNumber subject, const Deletes& deletes,
                                  OtherSide copies) {
  const StopToken ending = end_deletes_.token();
  const Lane lane = is_waited_for(deleting) ? Lane::demand : Lane::background;
  // From here on a power cut does not end it: the next mount goes on.
  const auto noted = journal_.commit(local::JobProgressed{deletes.job, deletes.keys.to});
  const OldObjectsLeft left = noted ? delete_old_objects(store_, job_path(deletes.job), copies, {ending, lane})
                                    : OldObjectsLeft{.others = true, .ours = noted.error()};
  if (left.ours && ending.stop_requested())
    return Error{EINTR, "the next mount deletes what is left of a rename", Fault::stopped};
  std::optional<Error> error;
  if (left.ours) error = old_object_stays(deletes.keys.from, *left.ours);
  using local::OldObjects;
  const bool told = error && is_waited_for(deleting);
  const OldObjects state = told ? OldObjects::told_all : left.any() ? OldObjects::some : OldObjects::gone;
  end_job(deletes.job);  // what the journal has of it is to be gone on with, what the names have is too
  PAIL_CHECK(names_.deletes_ended(deleting.unique, deletes.old_name, subject, state, error));
  if (told) files_.note_staged_below(subject);  // it has its old name again
  remove_job_file(deletes.job);
  if (error) return *error;
  return Unit{};
}

// Asked again, of a process that ended while it deleted.
Result<Unit> Names::resume_deletes(const Request& request, const local::DeletesLeft& left) {
  const auto deletes = Deletes::decode(left.job);
  if (!deletes) return Error{EIO, "renamed, but it is not known which old objects are to be deleted"};
  PAIL_TRY(auto closed, gate_.close({deletes->old_name}, {}, request.stop));
  const auto deleting =
      begin_deletes(request, left.subject, *deletes, OtherSide::to_be_seen, Caller::waits, std::move(closed));
  return wait_for(*deleting, request.stop);
}

void Names::end_job(std::uint64_t job) {
  const auto noted = journal_.record(local::JobEnded{job});
  if (!noted) spdlog::debug("the next mount looks at a rename that has ended: {}", noted.error().context);
}

void Names::remove_job_file(std::uint64_t job) {
  std::error_code failed;
  std::filesystem::remove(job_path(job), failed);
  if (failed) spdlog::warn("{}: {}", job_path(job).string(), failed.message());
}

// Of a process that was killed while it copied what is copied again now.
void Names::end_earlier_jobs(const RenamedKeys& keys) {
  const local::LiveEntries live = journal_.live();
  for (const auto& [job, entry] : live.jobs()) {
    if (entry.begun.keys != std::vector{keys.from, keys.to}) continue;
    end_job(job);
    remove_job_file(job);
  }
}

// ---- after the process, or the machine, has stopped -----------------------------------------------------------------

// Of the mount before this one. What it began is finished beside the work of this one; who wants one of the names
// waits.
void Names::finish_interrupted() {
  const auto interrupted = names_.mount_begun();
  if (!interrupted) return spdlog::warn("{}", interrupted.error().context);
  if (interrupted->in_doubt) tree_.distrust();  // names may have changed in the bucket, and not here
  std::vector<std::pair<local::DeletesLeft, Deletes>> left;
  for (const local::DeletesLeft& each : interrupted->deletes) {
    if (auto deletes = Deletes::decode(each.job)) {
      left.emplace_back(each, *std::move(deletes));
    } else if (const auto ended = names_.found_done(each.request, each.subject); !ended) {
      spdlog::warn("{}", ended.error().context);
    }
  }
  std::vector<std::uint64_t> jobs;
  for (const auto& [each, deletes] : left) jobs.push_back(deletes.job);
  for (const std::uint64_t job : finish_jobs_but(jobs)) jobs.push_back(job);
  remove_job_files_but(jobs);
  for (auto& [each, deletes] : left) {
    Request request;
    request.unique = each.request;
    if (auto closed = gate_.close({deletes.old_name}, {}, {}))
      begin_deletes(request, each.subject, std::move(deletes), OtherSide::to_be_seen, Caller::is_gone,
                    *std::move(closed));
  }
}

void Names::remove_job_files_but(const std::vector<std::uint64_t>& left) {
  std::error_code failed;
  for (const auto& file : std::filesystem::directory_iterator(options_.state_directory / "renames", failed)) {
    const bool needed = std::ranges::any_of(left, [&](std::uint64_t job) { return job_path(job) == file.path(); });
    if (!needed && !std::filesystem::remove(file.path(), failed))
      spdlog::warn("{}: {}", file.path().string(), failed.message());
  }
}

// One that was copying leaves everything where it is: its list of copies need not be on disk, and what was written to
// them since is not ours to judge. One that was deleting goes on: all is copied, and its list was synced before.
std::vector<std::uint64_t> Names::finish_jobs_but(const std::vector<std::uint64_t>& known) {
  std::vector<std::uint64_t> going_on;
  const local::LiveEntries live = journal_.live();
  for (const auto& [job, entry] : live.jobs()) {
    const bool ours = entry.begun.kind == local::JobBegun::Kind::rename_directory && entry.begun.keys.size() == 2;
    if (!ours || std::ranges::find(known, job) != known.end()) continue;
    const RenamedKeys keys{entry.begun.keys.front(), entry.begun.keys.back()};
    const bool deleting = !entry.done_to.empty();
    if (deleting && std::filesystem::exists(job_path(job))) {
      going_on.push_back(job);
      go_on_with_deletes(job, keys);
      continue;
    }
    if (!deleting)
      spdlog::warn(
          "the rename of {} to {} was cut short while it copied: files may lie under both names; compare them before "
          "you remove any",
          quote(keys.from), quote(keys.to));
    end_job(job);
  }
  return going_on;
}

void Names::go_on_with_deletes(std::uint64_t job, const RenamedKeys& keys) {
  {
    MutexLock lock(mutex_);
    ++deletes_under_way_;
  }
  copiers_.run(Lane::background, [this, job, keys] {
    if (const auto begun = delete_left(job, keys); !begun)
      spdlog::warn("the next mount deletes what is left of the rename of {}: {}", quote(keys.from),
                   begun.error().context);
    MutexLock lock(mutex_);
    --deletes_under_way_;
    deletes_ended_.notify_all();
  });
}

// The names were made anew: where the old objects lie now is looked up, so that nobody writes there meanwhile.
Result<Unit> Names::delete_left(std::uint64_t job, const RenamedKeys& keys) {
  const StopToken ending = end_deletes_.token();
  auto old_name = name_of_key(keys.from, ending);
  if (!old_name && old_name.error().fault == Fault::no_key) {
    end_job(job);
    remove_job_file(job);
    return Unit{};
  }
  if (!old_name) return old_name.error();
  PAIL_TRY(auto closed, gate_.close({*old_name}, {}, ending));
  begin_deletes({}, 0, {job, *std::move(old_name), keys}, OtherSide::to_be_seen, Caller::is_gone, std::move(closed));
  return Unit{};
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
