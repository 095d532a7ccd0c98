// Operations on names: creating, removing and renaming, in the bucket and in the index.
//
// A request that is asked again (the process that carried it out was killed before its answer was taken) is recognised
// by the intent recorded before it began, carried out only as far as it was not, and answered as the first time.
// Thread-safe; the kernel sends one operation at a time for one name.
#pragma once

#include <string>
#include <string_view>

#include "base/executor.h"
#include "vfs/directories.h"
#include "vfs/files.h"

namespace pail::vfs {

enum class Existing { refuse, accept };

class Names {
 public:
  Names(cache::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, TreeGate& gate, cos::Client& store,
        Directories& directories, Files& files, const Options& options);

  // A new regular file, staged until it is closed; with `accept` the one that is there.
  // Errors: EEXIST.
  Result<cache::InodeRecord> create(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                                    Existing existing);
  // A directory, symlink, FIFO, socket or empty file, stored at once. `target` for symlinks.
  Result<cache::InodeRecord> make(const Request& request, InodeNumber parent, std::string_view name, FileType type,
                                  mode_t permissions, std::string_view target);
  Result<Unit> unlink(const Request& request, InodeNumber parent, std::string_view name);
  Result<Unit> rmdir(const Request& request, InodeNumber parent, std::string_view name);
  Result<Unit> rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                      std::string_view new_name, RenameMode mode);

  // Passes on the outcome of one of the operations; a failure is recorded, so that it is the answer if asked again.
  template <class T>
  Result<T> settle(const Request& request, Result<T> outcome) {
    if (!outcome) note_failure(request, outcome.error());
    return outcome;
  }

  // Removes what is left of an inode without a name, unless it is still open.
  void clean_up(InodeNumber number);

  // Finishes what the process before us began and whose answer nobody waits for any more.
  void finish_interrupted();

 private:
  struct Place {
    InodeNumber parent;
    std::string_view name;
  };
  using Intent = std::optional<cache::Intent>;

  Result<Intent> earlier(const Request& request);
  Result<Unit> begin(const Request& request, const Intent& earlier, InodeNumber subject);
  void note_failure(const Request& request, const Error& why);
  static void done(cache::WriteTransaction& change, const Request& request, InodeNumber subject);
  Result<cache::InodeRecord> new_record(cache::WriteTransaction& change, const Request& request, Place place,
                                        FileType type, std::uint32_t permissions);
  Result<std::string> key_for(Place place);
  Result<std::optional<cache::InodeRecord>> find(Place place, const std::stop_token& stop);
  Result<Unit> displace(cache::WriteTransaction& change, Place place);
  static Result<Unit> touch(cache::WriteTransaction& change, InodeNumber directory);
  static Result<Unit> detach(cache::WriteTransaction& change, InodeNumber number);
  void keep_directory(InodeNumber directory, const std::stop_token& stop);

  Result<Unit> check_rename(const cache::InodeRecord& source, const std::optional<cache::InodeRecord>& target,
                            RenameMode mode, const std::stop_token& stop);
  Result<Unit> rename_file(const Request& request, const Intent& earlier, cache::InodeRecord source,
                           std::optional<cache::InodeRecord> target, Place from, Place to);
  Result<cos::ETag> move_object(const cache::InodeRecord& source, const std::string& from, const std::string& to,
                                const Intent& earlier, const std::stop_token& stop);
  Result<Unit> rename_directory(const Request& request, cache::InodeRecord source,
                                const std::optional<cache::InodeRecord>& target, Place from, Place to);
  struct Moved {
    std::string below;  // key behind the directory's prefix
    cos::ETag etag;
  };
  Result<std::vector<Moved>> copy_tree(const std::string& from, const std::string& to, const std::stop_token& stop);
  Result<Unit> delete_copied(const std::string& from, const std::string& to, const std::stop_token& stop);
  Result<Unit> rebind(const Request& request, cache::InodeRecord source,
                      const std::optional<cache::InodeRecord>& target, Place from, Place to,
                      const std::vector<Moved>& moved, std::optional<std::string> unfinished);

  cache::Index& index_;
  const Tree& tree_;
  OpenTable& opens_;
  Turns& turns_;
  TreeGate& gate_;
  cos::Client& store_;
  Directories& directories_;
  Files& files_;
  const Options& options_;
  Executor copiers_;
};

}  // namespace pail::vfs
