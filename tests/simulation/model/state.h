// One possible state of a mount and of what it keeps in the bucket: inodes, names, open files, directory streams.
//
// A copy costs a few pointers: inodes are shared until one is changed. What is not known is kept as such until an
// answer decides: a name that may be there (Dirent::sure), a content that is one of several (Inode::choices), an object
// that may be one of several or missing (Inode::stored).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/calls.h"
#include "simulation/model/file_bytes.h"

namespace pail::simulation::model {

using vfs::FileType;

// Names an inode over all lives of a mount. The same in all states that come from one history.
using Id = std::uint64_t;
inline constexpr Id kRoot = 1;

// Content and attributes of an inode at one moment.
struct Snapshot {
  FileBytes bytes;                           // of a symbolic link: the target
  std::optional<std::uint32_t> permissions;  // none: not known
  std::optional<WallTime> modified;          // none: not set since the last write
  std::uint64_t digest = 0;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;
SnapshotPtr make_snapshot(Snapshot snapshot);

// Several snapshots, each once, in an order of their own. Null: there is no object.
class Snapshots {
 public:
  Snapshots() = default;
  explicit Snapshots(SnapshotPtr only) { add(std::move(only)); }

  void add(const SnapshotPtr& snapshot);
  void add(const Snapshots& others);
  bool has(const SnapshotPtr& snapshot) const;
  bool has_nothing() const { return has(nullptr); }
  bool is_only(const SnapshotPtr& snapshot) const { return all_.size() == 1 && has(snapshot); }
  Snapshots without_nothing() const;
  std::size_t size() const { return all_.size(); }
  bool empty() const { return all_.empty(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }
  std::uint64_t digest() const;

 private:
  std::vector<SnapshotPtr> all_;
};

struct Dirent {
  Id inode = 0;
  bool sure = true;      // false: an operation failed that would have made or removed the name
  bool strange = false;  // an abandoned request made or removed it: what is shown of it says nothing yet
};

// What an inode had while a read of it is under way.
struct Reading {
  Snapshots contents;
  bool cut = false;  // it became shorter meanwhile
  std::uint64_t digest() const;
};

struct Inode {
  Id id = 0;
  FileType type = FileType::regular;
  SnapshotPtr now;
  Snapshots choices;                                   // not empty: `now` is one of these
  Snapshots stored;                                    // what the bucket may have of it
  bool rewritten = false;                              // since it was stored, perhaps to what it was then
  bool soon = false;                                   // it is stored at any time from now on
  std::map<std::uint64_t, Snapshots> windows;          // by call: what it was since a call that stores it was asked
  std::map<std::uint64_t, Reading> reads;              // by call, since it was asked
  std::map<std::uint64_t, SnapshotPtr> before_writes;  // by write under way: what may still be seen of what it replaces
  InodeNumber number = 0;                              // 0: not answered yet
  InodeNumber earlier_number = 0;                      // the last one in mounts before; 0: none
  InodeNumber number_before = 0;  // what its name led to when a rename failed that put it there; 0: nothing
  bool stale_for_open = true;     // the kernel may be told to look it up before it opens it
  bool forgotten = false;         // likewise after the next look-up, which may overtake the forget
  bool strange = false;           // what it has is not known: an abandoned request did something to its key
  bool over_link = false;         // its first object replaces that of a link, which had its name
  bool may_be_stale = false;      // after a failure that may have taken its object away
  std::uint64_t removed_by = 0;   // the call that took its name
  bool unreadable = false;        // its bytes may not have been kept then: no room, or it was opened just then
  unsigned opens = 0;
  std::uint64_t opened_by = 0;            // the last call that did
  std::map<std::uint64_t, bool> handles;  // whether they write
  Id parent = 0;                          // 0: it has no name
  std::string name;
  bool marked = true;  // directories: the marker is in the bucket
  std::map<std::string, Dirent> names;

  bool is_file() const { return type == FileType::regular; }
  bool is_directory() const { return type == FileType::directory; }
  bool linked() const { return parent != 0 || id == kRoot; }
  bool clean() const { return stored.is_only(now) && !rewritten; }
  void shown() { stale_for_open = std::exchange(forgotten, false); }
  std::uint64_t digest() const;
};

// A directory that a program reads from the beginning on.
struct Stream {
  using Names = std::set<std::pair<std::string, Id>>;
  Id directory = 0;
  std::uint64_t next_offset = 0;
  bool in_order = true;    // the offsets are those of the answers
  Names throughout, ever;  // since it began; those that may be there are in `ever` alone
  Names listed;
  std::set<Id> changed;  // since the page under way was asked for
  std::uint64_t digest() const;
};
using StreamKey = std::pair<std::uint32_t, InodeNumber>;  // process, directory

// Bytes that were not stored when a mount died: they are kept, unless the bucket has them all the same.
struct Owed {
  Id inode = 0;
  SnapshotPtr content;
  Snapshots bases;
};

class State {
 public:
  explicit State(std::uint32_t root_permissions);

  const Inode* find(Id id) const;
  const Inode& at(Id id) const { return *find(id); }
  const Inode* by_number(InodeNumber number) const;
  const Dirent* dirent(Id directory, std::string_view name) const;
  const Inode* child(Id directory, std::string_view name) const;
  bool lies_below(Id id, Id directory) const;  // or is the same
  std::string path(Id id) const;               // "a/b"; of one without a name: "(a/b)" as it was last
  std::string key(Id id) const;                // directories end with '/'; the root has none
  std::vector<Id> tree(Id directory) const;    // what lies below it, parents first
  const std::vector<std::shared_ptr<const Inode>>& inodes() const { return inodes_; }

  Inode& edit(Id id);
  Inode& add(Inode inode);
  void link(Id directory, const std::string& name, Id id, bool sure = true);
  void make_sure(Id directory, const std::string& name);
  void make_unsure(Id directory, const std::string& name);
  // The name goes; the inode stays for those who have it.
  void detach(Id directory, const std::string& name);
  void change(Id id, const Snapshot& to);
  // Changes it by a write, of which reads see some bytes before others until it was answered.
  void write(Id id, std::uint64_t call, const Snapshot& to);
  // It took effect, but only its first `done` bytes of the `length` from `at` on.
  State with_short_write(std::uint64_t call, std::uint64_t at, std::uint64_t length, std::uint64_t done) const;
  // It took effect, and the disk failed behind its first `done` bytes: each byte of the rest may be the new one or what
  // was there before it, and makes the file no longer than before it, or perhaps does. The states that this one may be
  // then.
  enum class Growth : std::uint8_t { taken_back, may_stay };
  std::vector<State> with_failed_write(std::uint64_t call, std::uint64_t at, std::uint64_t length, std::uint64_t done,
                                       Growth growth) const;
  void begin_read(Id id, std::uint64_t call);
  // These bytes were read, or are in the bucket: whoever reads from now on sees no older ones.
  void has_read(Id id, std::uint64_t offset, std::string_view bytes);
  // The read or write was answered.
  void end_call(std::uint64_t call);
  // The content is this one of its choices.
  void choose(Id id, SnapshotPtr choice);
  // An abandoned request took effect: what lies under the key is not known any more. The states that this one may be
  // then; `unique` is a number that no call has, and so are those behind it.
  std::vector<State> with_strange(const std::string& key, std::uint64_t unique) const;
  // What lies under the key of a strange file is known again: its only name, which has this object. The mount stored
  // it, or shows the same, which it may yet have to store.
  enum class Found : std::uint8_t { stored, shown };
  void settle(Id id, const Snapshot& object, Found found);
  // The bucket got this object: it need not be kept.
  void drop_owed(const std::string& key_of_object, const std::string& bytes);
  void forget(InodeNumber number);
  // Both processes died: what is in memory is gone. `is_stored`: whether the bucket has an object of this key.
  using IsStored = std::function<bool(const std::string& key)>;
  void begin_anew(const IsStored& is_stored);

  std::map<StreamKey, Stream> streams;
  std::vector<Owed> owed;
  std::set<std::string> strange_keys;  // what abandoned requests changed, and nobody has looked at or replaced since

  std::uint64_t digest() const;

 private:
  const Inode* written_by(std::uint64_t call) const;  // null: the write has not taken effect
  void make_strange(Id id);
  void add_strange(Id directory, const std::string& name, FileType type, Id id);
  void drop(Id id);
  void begin_anew(Id id, const IsStored& is_stored);
  void lose(Id directory, const std::string& name);

  std::vector<std::shared_ptr<const Inode>> inodes_;  // by id
};

}  // namespace pail::simulation::model
