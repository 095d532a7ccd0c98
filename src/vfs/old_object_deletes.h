// The deletes that end renames of directories, those that earlier mounts left among them.
//
// They run on threads of their own: a tree may have more objects than its caller has patience. The old name stays
// closed until its last object is deleted, so that nothing new is made among what is being deleted.
//
// Who deletes holds a closed gate, and waits for the store alone. Who waits for a gate does that on another thread, and
// holds none: so a gate that is closed is always opened, however many wait for it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cos/object_store.h"
#include "local/names/name_store.h"
#include "pailfs/base/stop.h"
#include "runtime/executor.h"
#include "vfs/old_objects.h"
#include "vfs/rename_jobs.h"
#include "vfs/tree_gate.h"
#include "vfs/types.h"

namespace pail::vfs {

// A directory that was renamed, whose old objects are to be deleted: the detail of an intent.
struct OldTree {
  std::uint64_t job = 0;  // its file says what was copied
  TreeGate::Name name;
  RenamedKeys keys;

  std::string encode() const;
  static std::optional<OldTree> decode(const std::string& bytes);
};

// Thread-safe.
class OldObjectDeletes {
 public:
  // What lies outside of this: called on any thread, with no lock held, and but where it says so with no gate closed.
  struct Around {
    // Where the name is that belongs to a key. Errors: Fault::no_key a directory above it is gone.
    std::function<Result<TreeGate::Name>(const std::string& key, const StopToken& stop)> name_of;
    // The inode of a directory whose rename was answered with an error has its old name again. Its gate is closed.
    std::function<void(InodeNumber directory)> has_old_name_again;
    // A directory has lost an entry; it may have been the last one. Waits for the turn of the directory.
    std::function<void(InodeNumber directory, const StopToken& stop)> lost_an_entry;
  };
  // `parallel`: trees at a time. All others outlive it.
  OldObjectDeletes(local::NameStore& names, TreeGate& gate, cos::ObjectStore& store, RenameJobs& jobs, Around around,
                   unsigned parallel);
  // What is not deleted by now is left to the next mount.
  ~OldObjectDeletes();

  // Deletes the old objects of `tree`, a rename that the names have, and then opens the gate. `subject` is the inode of
  // the directory; that the one above it has lost an entry is for the caller to see to. Errors: EINTR the caller waits
  // no longer: the deletes go on, and that is seen to with them; why some objects stay.
  Result<Unit> carry_out(const Request& request, InodeNumber subject, OldTree tree, OtherSide copies,
                         TreeGate::Closure closed) PAIL_EXCLUDES(mutex_);
  // Goes on with what the process before this one was deleting, whether or not the renames are asked for again. The old
  // names are closed when it returns. Called once, before anything is asked for.
  void go_on(const std::vector<local::DeletesLeft>& left) PAIL_EXCLUDES(mutex_);
  // Waits for one of them, whose rename is asked for again. Errors: as of carry_out(), and EIO it is not known what was
  // copied.
  Result<Unit> resume(const Request& request, const local::DeletesLeft& left) PAIL_EXCLUDES(mutex_);
  // Goes on with what the mount before this one left, as the names know it and as the journal does, without waiting for
  // it. The old names that the names know of are closed when it returns. Of what was cut short while it copied nothing
  // is deleted: the log says where files lie under both names. What the store does not answer, or refuses, is left to
  // the next mount.
  void finish_left(const std::vector<local::DeletesLeft>& known) PAIL_EXCLUDES(mutex_);

  // A directory has lost an entry, and who took it waits no longer: what that needs is done beside.
  void look_later(InodeNumber directory) PAIL_EXCLUDES(mutex_);

  // Of renames that the names do not know any more the old name is yet to be looked up and closed. Waits until that is
  // so for those at or below `key`: a rename of that directory would take the old objects along. Errors: EINTR.
  Result<Unit> wait_until_closed(const std::string& key, const StopToken& stop) PAIL_EXCLUDES(mutex_);

  // Waits until nothing of that is going on, or until `stop`.
  void wait_for_all(const StopToken& stop) PAIL_EXCLUDES(mutex_);

 private:
  struct Deleting;
  enum class Caller { waits, is_gone };

  void begin(runtime::Executor& deleters, std::shared_ptr<Deleting> deleting) PAIL_EXCLUDES(mutex_);
  Result<Unit> wait(Deleting& deleting, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  Caller caller_of(const Deleting& deleting) PAIL_EXCLUDES(mutex_);
  void run(Deleting& deleting) PAIL_EXCLUDES(mutex_);
  Caller end(Deleting& deleting, Result<Unit> outcome) PAIL_EXCLUDES(mutex_);
  Result<Unit> delete_copied(const Deleting& deleting);
  Error leave(const Deleting& deleting, const Error& why);
  Result<Unit> note_end(const Deleting& deleting, bool others, local::OldObjects left,
                        const std::optional<Error>& error);

  void run_beside(std::function<void()> task) PAIL_EXCLUDES(mutex_);
  void one_more() PAIL_EXCLUDES(mutex_);
  void one_less() PAIL_EXCLUDES(mutex_);
  void begin_left(const local::DeletesLeft& left, OldTree tree, OtherSide copies, TreeGate::Closure closed)
      PAIL_EXCLUDES(mutex_);
  void closed(const std::string& key) PAIL_EXCLUDES(mutex_);
  void look_at_copies(const RenameJobs::Job& job);
  void delete_left(const RenameJobs::Job& job) PAIL_EXCLUDES(mutex_);

  local::NameStore& names_;
  TreeGate& gate_;
  cos::ObjectStore& store_;
  RenameJobs& jobs_;
  const Around around_;
  StopSource stop_;
  Mutex mutex_;
  CondVar ended_;
  unsigned under_way_ PAIL_GUARDED_BY(mutex_) = 0;
  std::set<std::string> to_be_closed_ PAIL_GUARDED_BY(mutex_);  // old keys
  std::map<local::RequestNumber, std::shared_ptr<Deleting>> gone_on_ PAIL_GUARDED_BY(mutex_);
  // Trees at a time; of each a page of keys is deleted at a time.
  runtime::Executor deleters_;          // of renames of this mount
  runtime::Executor left_deleters_{1};  // of earlier ones: however many, none of this mount waits for them
  runtime::Executor waiter_{1};         // one after the other waits for its gate
};

}  // namespace pail::vfs
