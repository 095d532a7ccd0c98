// Operations on names: creating, removing and renaming, in the bucket and in the index.
//
// A request that is asked again (the process that carried it out was killed before its answer was taken) is recognised
// by the intent recorded before it began, carried out only as far as it was not, and answered as the first time.
// Thread-safe; the kernel sends one operation at a time for one name.
#pragma once

#include <string>
#include <string_view>

#include "local/journal/journal_state.h"
#include "pailfs/base/stop.h"
#include "runtime/executor.h"
#include "vfs/directories.h"
#include "vfs/files.h"
#include "vfs/old_object_deletes.h"
#include "vfs/rename_jobs.h"

namespace pail::vfs {

enum class Existing { refuse, accept };

class Names {
 public:
  Names(local::NameStore& names, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate,
        cos::ObjectStore& store, Directories& directories, Files& files, const Options& options,
        local::JournalState& journal);

  // A new regular file, staged until it is closed; with `accept` the one that is there.
  // Errors: EEXIST.
  Result<local::InodeRecord> create(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                                    Existing existing);
  // A directory, symlink, FIFO, socket or empty file, stored at once. `target` for symlinks.
  Result<local::InodeRecord> make(const Request& request, InodeNumber parent, std::string_view name, FileType type,
                                  mode_t permissions, std::string_view target);
  Result<Unit> unlink(const Request& request, InodeNumber parent, std::string_view name);
  Result<Unit> rmdir(const Request& request, InodeNumber parent, std::string_view name);
  Result<Unit> rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                      std::string_view new_name, RenameMode mode);

  // Passes on the outcome of one of the operations; a failure is recorded, so that it is the answer if asked again.
  template <class T>
  Result<T> settle(const Request& request, Result<T> outcome) {
    if (!outcome) note_failure(request, outcome.error());
    kept_turns_.drop(request.unique);
    return outcome;
  }

  // Keeps the inodes of requests that the process before us began for when they are asked again: whoever finds an
  // object gone meanwhile waits for what becomes of it. Those that are not asked again are let go by drop_turns().
  void keep_turns();
  void drop_turns() { kept_turns_.drop_all(); }

  // Removes what is left of an inode without a name, unless it is still open.
  void clean_up(InodeNumber number);

  // Goes on with what the mount before this one began, beside the work of this one; who wants one of the names waits.
  // What is not done when this one ends is left to the next.
  void finish_interrupted();
  // The same after a process of this mount: no more than the deletes that it had begun.
  void go_on_deleting();
  // Waits until no old objects are being deleted, or until `stop`.
  void wait_for_deletes(const StopToken& stop) { old_objects_.wait_for_all(stop); }

 private:
  struct Place {
    InodeNumber parent;
    std::string_view name;
    TreeGate::Name key() const { return {parent, std::string(name)}; }
  };
  using Earlier = std::optional<local::Attempt>;
  // look_again: the names lead elsewhere by now. source_refused: the store says that it is not the version known here.
  enum class Progress { done, look_again, source_refused };

  Result<Earlier> earlier(const Request& request);
  Result<Unit> begin(const Request& request, const Earlier& earlier, const local::Begun& begun);
  Result<Turns::Turn> turn_for(const Request& request, InodeNumber number);
  void note_failure(const Request& request, const Error& why);
  Result<std::string> key_for(Place place);
  Result<std::optional<local::InodeRecord>> find(Place place, const StopToken& stop);
  static Error not_empty(const local::InodeRecord& directory);
  Result<Unit> check_nothing_staged(const local::InodeRecord& directory);
  Result<Unit> check_empty(const local::InodeRecord& directory, const StopToken& stop);
  void ask_anew(const TreeGate::Name& name);
  Result<Progress> remove_file(const Request& request, const Earlier& earlier, Place place, InodeNumber number);
  Result<Progress> remove_directory(const Request& request, const Earlier& earlier, Place place,
                                    const local::InodeRecord& found);
  Result<Unit> delete_markers(const std::string& key, local::DirectoryForm form, const StopToken& stop);
  void keep_directory(InodeNumber directory, const StopToken& stop);
  void lost_an_entry(InodeNumber directory, const StopToken& stop);

  // ---- renames ----
  // What a rename is about, as it was looked up.
  struct Renaming {
    const Request& request;
    Earlier earlier;
    Place from, to;
    struct Inodes {
      local::InodeRecord source;
      std::optional<local::InodeRecord> target;
    } inodes;
    std::optional<Error> refused;  // of source_refused
  };
  // What moving the object of a file came to.
  struct Moved {
    cos::ETag etag;
    WallTime stored{};
    WallTime confirmed{};                // as local::MovedObject has it
    std::optional<Error> old_stays;      // the old object could not be deleted
    Contents contents = Contents::same;  // in_doubt: noted as the version of before, so that a look shows another one
  };
  struct CopiedPage {
    std::vector<CopiedObject> objects;
    Contents contents = Contents::same;
    std::optional<Error> failed;  // the others were copied all the same
  };
  static local::Rename names_of(const Renaming& renaming);

  Result<Unit> rename_until_done(const Request& request, const Earlier& earlier, Place from, Place to, RenameMode mode);
  Result<Renaming> look_up(const Request& request, const Earlier& earlier, Place from, Place to);
  static Result<Unit> check_types(const local::InodeRecord& source, const std::optional<local::InodeRecord>& target,
                                  RenameMode mode);
  bool leads_to(Place place, InodeNumber number);
  bool still_there(const Renaming& renaming);
  Result<TreeGate::Closure> close_gate(const Renaming& renaming);
  Result<Progress> rename_file(Renaming& renaming);
  Result<Moved> move_file(const Renaming& renaming, bool local);
  Result<Unit> rebind_file(const Renaming& renaming, const Moved& moved);
  void doubt_target(const Renaming& renaming);
  void doubt_tree(Place place);

  Result<Progress> rename_directory(const Renaming& renaming);
  // done: it is free. Errors: ENOTEMPTY, ENAMETOOLONG.
  Result<Progress> check_free(const Renaming& renaming);
  Result<Unit> check_staged_keys(InodeNumber directory, const std::string& from, const std::string& to);
  Result<OldTree> copy_directory(const TreeGate::Closure& closed, const Renaming& renaming);
  Result<Unit> copy_all(const TreeGate::Closure& closed, const Renaming& renaming, const OldTree& old_tree,
                        RenameJob& job);
  Result<Unit> copy_markers(const local::InodeRecord& source, bool replaces, const RenamedKeys& keys, RenameJob& job,
                            const StopToken& stop);
  Result<Unit> make_marker(const local::InodeRecord& source, const RenamedKeys& keys, RenameJob& job,
                           const StopToken& stop);
  Result<Unit> copy_tree(const TreeGate::Closure& closed, const RenamedKeys& keys, RenameJob& job,
                         const StopToken& stop);
  CopiedPage copy_page(const cos::ListPage& page, const RenamedKeys& keys, const StopToken& stop);
  Result<Unit> rebind_directory(const Renaming& renaming, const OldTree& old_tree, bool etags_changed);
  Result<local::CopiedContents> changed_etags(std::uint64_t job);
  void take_back_copies(const Renaming& renaming, const RenamedKeys& keys, const Error& why);
  void restore_marker(const local::InodeRecord& directory, const std::string& key, const StopToken& stop);
  // Errors: Fault::no_key a directory above it is gone.
  Result<TreeGate::Name> name_of_key(const std::string& key, const StopToken& stop);

  local::NameStore& names_;
  const Tree& tree_;
  OpenTable& opens_;
  Turns& turns_;
  TreeGate& gate_;
  cos::ObjectStore& store_;
  Directories& directories_;
  Files& files_;
  const Options& options_;
  KeptTurns kept_turns_;
  RenameJobs jobs_;
  runtime::Executor copiers_;  // for the objects of directories; nothing else waits there
  OldObjectDeletes old_objects_;
};

}  // namespace pail::vfs
