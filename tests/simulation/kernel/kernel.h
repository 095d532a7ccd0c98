// What Linux does between a program's system call and FUSE: names and attributes that it may trust for a while, locks
// of inodes, open files and their descriptors, and which requests a system call becomes.
//
// Pure and single-threaded: a system call returns at once, its requests are taken with take_calls(), and its outcome
// comes by a function when answered() was given the last answer. Nothing reads a clock: time is told.
//
// As in Linux: names whose time is up are asked for again without the lock of their directory; what changes a directory
// holds it alone, a lookup shares it and is the only one of its name; write, truncate, chmod, utimens and fsync hold
// the inode alone; close sends a flush, the last of an open file a release that nobody waits for; an inode that nothing
// refers to is forgotten; a system call with a path that ends with ESTALE is repeated once with all names asked for
// anew. Not simulated: the page cache (each read and write is a request), symbolic links on the way (ENOTDIR) and at
// its end (ELOOP for open), permissions, hard links, locks of files, mappings.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "pailfs/base/clock.h"
#include "simulation/calls.h"
#include "simulation/kernel/dentries.h"
#include "simulation/kernel/open_files.h"
#include "simulation/kernel/renames.h"
#include "simulation/kernel/requests.h"
#include "simulation/kernel/system_call.h"
#include "simulation/kernel/walk.h"

namespace pail::simulation {

class Kernel {
 public:
  using Then = kernel::Then;
  using Names = kernel::Names;

  // Unique numbers are even and begin above `unique`.
  Kernel(Names names, std::uint64_t unique);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // ---- the mount ----
  void set_time(SteadyTime now) { dentries_.set_time(now); }
  void answered(const Answer& answer) { requests_.answered(answer); }
  // Requests since the last time, in their order.
  std::vector<Call> take_calls() { return requests_.take(); }
  // Those that wait for an answer, marked as asked again, in the order in which they were asked.
  std::vector<Call> unanswered() const { return requests_.unanswered(); }
  bool idle() const { return requests_.idle(); }  // nothing is asked, and nothing is to be
  std::uint64_t last_unique() const { return requests_.last_unique(); }
  // Under pressure for memory: gives up one name that nothing uses, the one at `choice` modulo their number.
  void shrink(std::uint64_t choice) { dentries_.shrink(choice); }

  // ---- system calls by path; links are not followed ----
  void open(Process process, const Path& path, int flags, std::uint32_t permissions, Then then);
  void open_directory(Process process, const Path& path, Then then);
  void stat(Process process, const Path& path, Then then);
  void change_mode(Process process, const Path& path, std::uint32_t permissions, Then then);
  void set_modified(Process process, const Path& path, WallTime time, Then then);
  void truncate(Process process, const Path& path, std::uint64_t size, Then then);
  void make_directory(Process process, const Path& path, std::uint32_t permissions, Then then);
  void make_symlink(Process process, const Path& path, const std::string& target, Then then);
  void read_link(Process process, const Path& path, Then then);
  void unlink(Process process, const Path& path, Then then);
  void remove_directory(Process process, const Path& path, Then then);
  void rename(Process process, const Path& from, const Path& to, vfs::RenameMode mode, Then then);
  void stat_filesystem(Process process, Then then);

  // ---- system calls by descriptor ----
  int duplicate(Process process, int descriptor);  // -1: it is none
  void close(Process process, int descriptor, Then then);
  void read(Process process, int descriptor, std::uint64_t at, std::uint64_t size, Then then);
  // With O_APPEND at the end that the kernel knows, whatever `at` is.
  void write(Process process, int descriptor, std::uint64_t at, std::string bytes, Then then);
  void truncate_open(Process process, int descriptor, std::uint64_t size, Then then);
  void stat_open(Process process, int descriptor, Then then);
  void sync(Process process, int descriptor, Then then);
  // The next names, at most `most`; from the first on after a rewind.
  void read_directory(Process process, int descriptor, std::uint64_t most, bool with_attributes, Then then);
  void rewind_directory(Process process, int descriptor);

 private:
  using FileRef = kernel::FileRef;
  using Hold = kernel::Hold;
  using InodeRef = kernel::InodeRef;

  enum class Kind { file, directory };

  struct Writing {
    std::uint64_t begin = 0;  // in the file
    std::uint64_t done = 0;   // bytes that are written
    std::shared_ptr<const std::string> bytes;
  };

  void open_found(Process process, const InodeRef& inode, int flags, const Then& then);
  void create(Process process, const Create& question, const InodeRef& directory, const Hold& hold, const Then& then);
  void make(Process process, const Path& path, const std::function<Question(InodeNumber parent)>& question, Then done);
  void remove(Process process, const Path& path, Kind kind, const Then& done);
  void remove_locked(Process process, const InodeRef& directory, const std::string& name, const InodeRef& victim,
                     const Hold& holds, const Then& then);
  void attributes_of(Process process, const InodeRef& inode, const Then& then);
  void set_attributes(Process process, const InodeRef& inode, SetAttributes change, const Then& then);
  void set_attributes_by_path(Process process, const Path& path, SetAttributes change,
                              const std::function<int(const kernel::Inode& inode)>& check, Then done);
  void write_rest(Process process, const FileRef& file, const Hold& hold, const Writing& writing, const Then& then);
  Outcome take_names(kernel::OpenFile& stream, const Listed& listed, std::uint64_t asked_at);

  kernel::Requests requests_;
  kernel::Dentries dentries_;
  kernel::Walk walk_;
  kernel::OpenFiles files_;
  kernel::Renames renames_;
};

}  // namespace pail::simulation
