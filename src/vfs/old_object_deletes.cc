#include "vfs/old_object_deletes.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/log.h"
#include "base/wake_on_stop.h"
#include "local/codec.h"
#include "pailfs/cos/fault.h"

namespace pail::vfs {

namespace {

// Something beside the marker of the directory, which it may have had before.
Result<bool> lies_below(cos::ObjectStore& store, const std::string& directory, const cos::CallContext& context) {
  const std::string marker = directory + "/";
  PAIL_TRY(const cos::ListPage page,
           store.list_objects({.prefix = marker, .start_after = marker, .max_keys = 1}, context));
  return !page.objects.empty();
}

}  // namespace

std::string OldTree::encode() const {
  local::RecordWriter fields;
  fields.number(job);
  fields.number(name.parent);
  fields.text(name.name);
  fields.text(keys.from);
  fields.text(keys.to);
  return fields.take();
}

std::optional<OldTree> OldTree::decode(const std::string& bytes) {
  local::RecordReader fields(bytes);
  OldTree tree;
  tree.job = fields.number();
  tree.name.parent = fields.number();
  tree.name.name = fields.text();
  tree.keys.from = fields.text();
  tree.keys.to = fields.text();
  return fields.complete() ? std::optional(std::move(tree)) : std::nullopt;
}

// The last two are guarded by mutex_, the others one thread's at a time.
struct OldObjectDeletes::Deleting {
  const local::RequestNumber request;  // under which the names have it
  const InodeNumber subject;
  const OldTree tree;
  const OtherSide copies;
  TreeGate::Closure closed;
  Caller caller;
  std::optional<Result<Unit>> outcome = std::nullopt;
};

OldObjectDeletes::OldObjectDeletes(local::NameStore& names, TreeGate& gate, cos::ObjectStore& store, RenameJobs& jobs,
                                   Around around, unsigned parallel)
    : names_(names), gate_(gate), store_(store), jobs_(jobs), around_(std::move(around)), deleters_(parallel) {}

OldObjectDeletes::~OldObjectDeletes() {
  stop_.request_stop();
  waiter_.finish();
  left_deleters_.finish();
  deleters_.finish();
}

// ---- of renames that are asked for ----------------------------------------------------------------------------------

Result<Unit> OldObjectDeletes::carry_out(const Request& request, InodeNumber subject, OldTree tree, OtherSide copies,
                                         TreeGate::Closure closed) {
  const auto number = local::NameStore::request_of_deletes(request.unique, tree.job);
  const auto deleting =
      std::make_shared<Deleting>(Deleting{number, subject, std::move(tree), copies, std::move(closed), Caller::waits});
  begin(deleters_, deleting);
  return wait(*deleting, request.stop);
}

void OldObjectDeletes::go_on(const std::vector<local::DeletesLeft>& left) {
  for (const auto& [request, subject, job] : left) {
    auto tree = OldTree::decode(job);
    if (!tree) continue;
    // Of this mount: what comes below the new name stays what was copied until the old one is gone.
    const bool of_this_mount = local::NameStore::may_be_asked_again(request);
    const auto numbers = of_this_mount ? std::vector<InodeNumber>{subject} : std::vector<InodeNumber>();
    auto closed = gate_.close({tree->name}, numbers, stop_.token());
    if (!closed) return;
    const auto deleting = std::make_shared<Deleting>(
        Deleting{request, subject, *std::move(tree), OtherSide::any_object, *std::move(closed), Caller::is_gone});
    {
      MutexLock lock(mutex_);
      gone_on_.emplace(request, deleting);
    }
    begin(of_this_mount ? deleters_ : left_deleters_, deleting);
  }
}

Result<Unit> OldObjectDeletes::resume(const Request& request, const local::DeletesLeft& left) {
  std::shared_ptr<Deleting> deleting;
  {
    MutexLock lock(mutex_);
    const auto found = gone_on_.find(left.request);
    if (found == gone_on_.end()) return Error{EIO, "renamed, but it is not known which old objects are to be deleted"};
    deleting = found->second;
    deleting->caller = Caller::waits;
  }
  return wait(*deleting, request.stop);
}

void OldObjectDeletes::begin(runtime::Executor& deleters, std::shared_ptr<Deleting> deleting) {
  one_more();
  deleters.run(Lane::demand, [this, deleting = std::move(deleting)] { run(*deleting); });
}

void OldObjectDeletes::run(Deleting& deleting) {
  auto outcome = delete_copied(deleting);
  deleting.closed.open();
  const bool deleted = outcome.has_value();
  const Caller caller = end(deleting, std::move(outcome));
  if (deleted && caller == Caller::is_gone) look_later(deleting.tree.name.parent);
  one_less();
}

void OldObjectDeletes::look_later(InodeNumber directory) {
  run_beside([this, directory] { around_.lost_an_entry(directory, stop_.token()); });
}

OldObjectDeletes::Caller OldObjectDeletes::caller_of(const Deleting& deleting) {
  MutexLock lock(mutex_);
  return deleting.caller;
}

OldObjectDeletes::Caller OldObjectDeletes::end(Deleting& deleting, Result<Unit> outcome) {
  MutexLock lock(mutex_);
  deleting.outcome = std::move(outcome);
  ended_.notify_all();
  return deleting.caller;
}

Result<Unit> OldObjectDeletes::wait(Deleting& deleting, const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, ended_);
  MutexLock lock(mutex_);
  while (!deleting.outcome) {
    if (stop.stop_requested()) {
      deleting.caller = Caller::is_gone;
      return Error{EINTR, "interrupted; the old objects go on being deleted", Fault::stopped};
    }
    ended_.wait(mutex_);
  }
  return *deleting.outcome;
}

// Ends a rename: nothing is left that a later process would do, but when this one ends, or nobody is told what stays.
Result<Unit> OldObjectDeletes::delete_copied(const Deleting& deleting) {
  const OldTree& tree = deleting.tree;
  const StopToken ending = stop_.token();
  const Lane lane = caller_of(deleting) == Caller::waits ? Lane::demand : Lane::background;
  const auto noted = jobs_.deletes_begin(tree.job, tree.keys);
  const OldObjectsLeft left = noted
                                  ? delete_old_objects(store_, jobs_.path_of(tree.job), deleting.copies, {ending, lane})
                                  : OldObjectsLeft{.others = true, .ours = noted.error()};
  if (left.ours && ending.stop_requested())
    return Error{EINTR, "the next mount deletes what is left of a rename", Fault::stopped};
  const bool told = left.ours && caller_of(deleting) == Caller::waits;
  // What nobody is told of is not given up, where the store may answer otherwise.
  if (left.ours && !told && left.ours->fault != Fault::none) return leave(deleting, *left.ours);
  std::optional<Error> error;
  if (left.ours) error = old_objects_stay(tree.keys.from, *left.ours);
  jobs_.end(tree.job);  // what the journal has of it is to be gone on with, what the names have is too
  using local::OldObjects;
  PAIL_CHECK(note_end(deleting, left.others,
                      told         ? OldObjects::told_all
                      : left.any() ? OldObjects::some
                                   : OldObjects::gone,
                      error));
  if (told) around_.has_old_name_again(deleting.subject);
  jobs_.remove_file(tree.job);
  if (error) return *error;
  return Unit{};
}

// The journal has it for the next mount, and the names do not any more: the gate opens now, and what is under either
// name then is to be compared with the copies.
Error OldObjectDeletes::leave(const Deleting& deleting, const Error& why) {
  const OldTree& tree = deleting.tree;
  spdlog::warn("{}: old objects of its rename to {} stay until the next mount: {}", quote(tree.keys.from),
               quote(tree.keys.to), why.context);
  const auto noted = note_end(deleting, true, local::OldObjects::some, why);
  return noted ? why : noted.error();
}

// Where the gate was open since the rename, the old name may be of something else: with `others` below it that keeps
// its numbers, and a file is looked up.
Result<Unit> OldObjectDeletes::note_end(const Deleting& deleting, bool others, local::OldObjects left,
                                        const std::optional<Error>& error) {
  using local::OldObjects;
  const OldTree& tree = deleting.tree;
  const bool was_open = deleting.copies == OtherSide::the_copy;
  if (was_open && others) return names_.doubted(tree.name);
  return names_.deletes_ended(deleting.request, tree.name, deleting.subject,
                              was_open && left == OldObjects::gone ? OldObjects::some : left, error);
}

// ---- of the mount before this one -----------------------------------------------------------------------------------

void OldObjectDeletes::finish_left(const std::vector<local::DeletesLeft>& known) {
  std::vector<std::pair<local::DeletesLeft, OldTree>> trees;
  std::vector<std::uint64_t> jobs;
  for (const local::DeletesLeft& each : known) {
    if (auto tree = OldTree::decode(each.job)) {
      jobs.push_back(tree->job);
      trees.emplace_back(each, *std::move(tree));
    } else if (const auto ended = names_.found_done(each.request, each.subject); !ended) {
      spdlog::warn("{}", ended.error().context);
    }
  }
  const RenameJobs::Left left = jobs_.left_but(jobs);
  {
    MutexLock lock(mutex_);
    for (const RenameJobs::Job& job : left.deleting) to_be_closed_.insert(job.keys.from);
  }
  for (auto& [each, tree] : trees)
    if (auto closed = gate_.close({tree.name}, {}, stop_.token()))
      begin_left(each, std::move(tree), OtherSide::any_object, *std::move(closed));
  for (const RenameJobs::Job& job : left.copying) run_beside([this, job] { look_at_copies(job); });
  for (const RenameJobs::Job& job : left.deleting)
    run_beside([this, job] {
      delete_left(job);
      closed(job.keys.from);
    });
}

void OldObjectDeletes::begin_left(const local::DeletesLeft& left, OldTree tree, OtherSide copies,
                                  TreeGate::Closure closed) {
  const auto number = local::NameStore::request_of_deletes(left.request, tree.job);
  begin(left_deleters_, std::make_shared<Deleting>(Deleting{number, left.subject, std::move(tree), copies,
                                                            std::move(closed), Caller::is_gone}));
}

// Nobody knows which copies were made, so nothing is deleted. What users are to compare is looked for.
void OldObjectDeletes::look_at_copies(const RenameJobs::Job& job) {
  const cos::CallContext context(stop_.token(), Lane::background);
  const auto copies = lies_below(store_, job.keys.to, context);
  const auto objects = copies && *copies ? lies_below(store_, job.keys.from, context) : copies;
  if (!objects)
    return spdlog::info("the next mount looks for copies that the rename of {} to {} left: {}", quote(job.keys.from),
                        quote(job.keys.to), objects.error().context);
  if (*objects)
    spdlog::warn(
        "the rename of {} to {} was cut short while it copied: files lie under both names; compare them before you "
        "remove any",
        quote(job.keys.from), quote(job.keys.to));
  jobs_.end(job.number);
}

// The names were made anew: where the old objects lie now is looked up, so that nobody writes there meanwhile. While
// the gate was waited for the name may have come to lead elsewhere.
void OldObjectDeletes::delete_left(const RenameJobs::Job& job) {
  const StopToken stop = stop_.token();
  auto name = around_.name_of(job.keys.from, stop);
  while (name) {
    auto closed = gate_.close({*name}, {}, stop);
    if (!closed) return;
    auto now = around_.name_of(job.keys.from, stop);
    if (now && *now == *name)
      return begin_left({}, {job.number, *std::move(name), job.keys}, OtherSide::the_copy, *std::move(closed));
    name = std::move(now);
  }
  if (name.error().fault != Fault::no_key)
    return spdlog::warn("the next mount deletes what is left of the rename of {}: {}", quote(job.keys.from),
                        name.error().context);
  jobs_.end(job.number);
  jobs_.remove_file(job.number);
}

// ---- what is going on -----------------------------------------------------------------------------------------------

void OldObjectDeletes::run_beside(std::function<void()> task) {
  one_more();
  waiter_.run(Lane::background, [this, task = std::move(task)] {
    task();
    one_less();
  });
}

void OldObjectDeletes::one_more() {
  MutexLock lock(mutex_);
  ++under_way_;
}

void OldObjectDeletes::one_less() {
  MutexLock lock(mutex_);
  --under_way_;
  ended_.notify_all();
}

void OldObjectDeletes::closed(const std::string& key) {
  MutexLock lock(mutex_);
  to_be_closed_.erase(key);
  ended_.notify_all();
}

Result<Unit> OldObjectDeletes::wait_until_closed(const std::string& key, const StopToken& stop) {
  const auto lies_there = [&](const std::string& each) { return each == key || each.starts_with(key + "/"); };
  const WakeOnStop wake(stop, mutex_, ended_);
  MutexLock lock(mutex_);
  while (std::ranges::any_of(to_be_closed_, lies_there)) {
    if (stop.stop_requested()) return Error{EINTR, "interrupted", Fault::stopped};
    ended_.wait(mutex_);
  }
  return Unit{};
}

void OldObjectDeletes::wait_for_all(const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, ended_);
  MutexLock lock(mutex_);
  while (under_way_ > 0 && !stop.stop_requested()) ended_.wait(mutex_);
}

}  // namespace pail::vfs
