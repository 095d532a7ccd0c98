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
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pailfs/base/clock.h"
#include "simulation/calls.h"
#include "simulation/kernel/inode_lock.h"

namespace pail::simulation {

using Process = std::uint32_t;
using Path = std::vector<std::string>;  // from the root; empty: the root

Path parent_of(const Path& path);  // of the root: the root

// What a system call returns.
struct Outcome {
  int errnum = 0;
  int descriptor = -1;             // of open and opendir
  std::string bytes;               // of read and readlink
  std::uint64_t written = 0;       // of write, also before an error
  std::vector<std::string> names;  // of readdir; none: the end
  ShownEntry attributes;           // of stat
};

class Kernel {
 public:
  using Then = std::function<void(const Outcome&)>;

  enum class Names { trusted, always_asked };

  // Unique numbers are even and begin above `unique`.
  Kernel(Names names, std::uint64_t unique);
  ~Kernel();
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  // ---- the mount ----
  void set_time(SteadyTime now) { now_ = now; }
  void answered(const Answer& answer);
  // Requests since the last time, in their order.
  std::vector<Call> take_calls();
  // Those that wait for an answer, marked as asked again, in the order in which they were asked.
  std::vector<Call> unanswered() const;
  bool idle() const;  // nothing is asked, and nothing is to be
  std::uint64_t last_unique() const { return unique_; }
  // Under pressure for memory: gives up one name that nothing uses, the one at `choice` modulo their number.
  void shrink(std::uint64_t choice);

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
  struct Inode;
  struct OpenFile;
  struct RenameOf;
  using InodeRef = std::shared_ptr<Inode>;
  using FileRef = std::shared_ptr<OpenFile>;
  using Hold = InodeLock::Hold;
  using Mode = InodeLock::Mode;
  using Answered = std::function<void(const Answer&)>;
  using Found = std::function<void(int errnum, InodeRef inode)>;
  using InDirectory =
      std::function<void(const InodeRef& directory, const std::string& name, const Hold& hold, const InodeRef& found)>;

  enum class Trust { cached, revalidate };
  enum class Directory { unlocked, locked };  // by the one who looks up
  enum class Kind { file, directory };

  struct Pending {
    Call call;
    Answered then;  // empty: nobody waits for it
  };
  struct Writing {
    std::uint64_t begin = 0;  // in the file
    std::uint64_t done = 0;   // bytes that are written
    std::shared_ptr<const std::string> bytes;
  };

  void ask(Process process, Question question, Answered then);

  // ---- inodes and names; what was asked at an older version than an inode has says nothing of its attributes
  InodeRef make_inode(const ShownEntry& entry);
  void forget(InodeNumber number);
  InodeRef learn(const ShownEntry& entry, std::uint64_t asked_at);
  InodeRef link(const InodeRef& directory, const std::string& name, const ShownEntry& entry, std::uint64_t asked_at);
  void unlink_name(const InodeRef& directory, const std::string& name);
  void expire_name(const InodeRef& directory, const std::string& name);
  SteadyTime expiry_of(const Inode& directory, const std::string& name) const;
  void changed(Inode& inode);
  static bool is_above(const InodeRef& ancestor, InodeRef inode);

  void look_up(Process process, InodeRef directory, std::string name, Trust trust, Directory directory_is, Found then);
  void revalidate(Process process, InodeRef directory, std::string name, Directory directory_is, Found then);
  void look_up_new(Process process, InodeRef directory, std::string name, Directory directory_is, Found then);
  void ask_for_name(Process process, InodeRef directory, const std::string& name, const Hold& held, Found then);
  void walk(Process process, Path path, std::size_t done, InodeRef from, Trust trust, Found then);
  void find(Process process, const Path& path, Trust trust, Found then);
  // The directory of the path's last name, held alone, and what has that name in it, if anything has.
  void lock_parent(Process process, const Path& path, Trust trust, const Then& failure, InDirectory then);
  // Carries out a system call, and again where it ends with ESTALE.
  static void repeat_when_stale(const std::function<void(Trust trust, const Then& then)>& call, const Then& then);

  // ---- open files
  FileRef make_file(Process process, const InodeRef& inode, std::uint64_t handle, int flags);
  Outcome install(Process process, FileRef file);
  FileRef file_of(Process process, int descriptor) const;  // null: none
  bool has_another(Process process, const OpenFile& file) const;

  // ---- parts of system calls
  void open_found(Process process, const InodeRef& inode, int flags, const Then& then);
  void create(Process process, const Create& question, const InodeRef& directory, const Hold& hold, const Then& then);
  void make(Process process, const Path& path, const std::function<Question(InodeNumber parent)>& question, Then done);
  void remove(Process process, const Path& path, Kind kind, const Then& done);
  void remove_locked(Process process, const InodeRef& directory, const std::string& name, const InodeRef& victim,
                     const Hold& holds, const Then& then);
  void attributes_of(Process process, const InodeRef& inode, const Then& then);
  void set_attributes(Process process, const InodeRef& inode, SetAttributes change, const Then& then);
  void set_attributes_by_path(Process process, const Path& path, SetAttributes change,
                              const std::function<int(const Inode& inode)>& check, Then done);
  void write_rest(Process process, const FileRef& file, const Hold& hold, const Writing& writing, const Then& then);
  Outcome take_names(OpenFile& stream, const Listed& listed, std::uint64_t asked_at);

  void lock_in_order(const std::shared_ptr<RenameOf>& rename, std::vector<std::shared_ptr<InodeLock>> locks,
                     const std::function<void()>& then);
  void lock_directories(const std::shared_ptr<RenameOf>& rename);
  void look_up_names(const std::shared_ptr<RenameOf>& rename);
  static int refused(const RenameOf& rename);
  void send_rename(const std::shared_ptr<RenameOf>& rename);
  void renamed(const RenameOf& rename, int errnum);

  const Names names_;
  SteadyTime now_{};
  std::uint64_t unique_;
  std::uint64_t version_ = 0;  // goes up with each change of attributes here: what was asked before is old
  bool ended_ = false;
  ReadyQueue ready_;
  std::vector<Call> calls_;
  std::map<std::uint64_t, Pending> pending_;
  std::map<InodeNumber, std::weak_ptr<Inode>> inodes_;
  std::map<Process, std::map<int, FileRef>> descriptors_;
  std::shared_ptr<InodeLock> renames_between_;  // one rename between two directories at a time
  InodeRef root_;
};

}  // namespace pail::simulation
