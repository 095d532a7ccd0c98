// The records of the local index: what is known of inodes, names and uploads. docs/format.md describes them byte by
// byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"

namespace pail::local {

// Persistent: the number the kernel knows a file by, never used twice in one index.
using InodeNumber = std::uint64_t;
inline constexpr InodeNumber kRootInode = 1;

enum class FileType : std::uint8_t { regular, directory, symlink, fifo, socket, character_device, block_device };

// How much is known of an object's POSIX attributes.
enum class Knowledge : std::uint8_t {
  listed,  // key, size, ETag and modification time from a listing; mode, owner and type are assumed
  exact,   // from the object's headers, or set by us
};

// How a directory exists in the bucket.
enum class DirectoryForm : std::uint8_t {
  implicit,       // only through the keys below it
  slash_marker,   // an object "dir/"
  plain_marker,   // an object "dir" whose mode says directory
  folder_marker,  // an object "dir_$folder$"
};

// Where a regular file's current content is.
enum class Content : std::uint8_t {
  remote,  // in the bucket, version `etag`
  staged,  // in a staging file, not in the bucket yet
};

// Whether a name leads to an inode. "We took it away" and "it looks gone over there" are different facts: what is
// written to a removed file goes nowhere, as POSIX says; what is written to a vanished one is refused with ESTALE.
enum class Binding : std::uint8_t {
  bound,
  removed,   // unlink, rmdir or a rename over it: lives while it is open
  vanished,  // others removed its object or put another one in its place: lives while it is open
};

// A request of ours that wrote an object, by the clock of the store: the object's time lies between.
struct WriteWindow {
  WallTime sent{}, answered{};
  bool operator==(const WriteWindow&) const = default;
};

struct InodeRecord {
  InodeNumber number = 0;
  InodeNumber parent = 0;
  std::string name;  // its one name in `parent`; kept after an unlink for messages
  FileType type = FileType::regular;
  std::uint32_t permissions = 0;  // the lower 12 bits of st_mode
  std::uint32_t uid = 0, gid = 0;
  std::uint64_t device = 0;  // st_rdev of device nodes
  ByteCount size;
  WallTime accessed{}, modified{}, changed{};
  std::string etag;  // of the object that holds it, with quotes; empty: no such object
  Knowledge knowledge = Knowledge::listed;
  DirectoryForm form = DirectoryForm::implicit;
  Content content = Content::remote;
  Binding binding = Binding::bound;
  std::string link_target;             // symlinks
  std::string headers;                 // the object's other headers, encoded by the layer above
  WallTime stored{};                   // when its object or marker was written, by the store's clock; epoch: not known
  std::optional<WriteWindow> written;  // our own write, whose time the store has not told yet
  std::string attempted;               // quoted ETags, joined, of uploads of ours whose outcome is not known
  WallTime checked{};                  // when the store last confirmed it
  WallTime listed{};                   // directories: when the last complete listing began; epoch: never
  std::uint64_t epoch = 0;             // raised when the content changed remotely: handles of an older epoch are stale
  std::uint64_t changed_seq = 0;       // sequence number of our own last change to it

  bool unlinked() const { return binding != Binding::bound; }
};

// The store is asked about an inode in doubt before anything is believed of it.
inline bool is_in_doubt(const InodeRecord& inode) {
  return inode.knowledge == Knowledge::listed && inode.checked == WallTime{};
}
inline void put_in_doubt(InodeRecord& inode) {
  inode.knowledge = Knowledge::listed;
  inode.checked = {};
}

// What a name in a directory leads to.
struct Dirent {
  InodeNumber number = 0;         // 0: known to be absent
  WallTime checked{};             // when that was last confirmed
  std::uint64_t changed_seq = 0;  // sequence number of our own last change to the binding
};

// The time by which confirmations are noted, at one point of one run of the machine.
struct MomentAnchor {
  std::string boot_id;      // of the run; empty: not known
  SteadyTime boot{};        // that point, on the clock of the run
  WallTime moment{};        // then
  WallTime trusted_from{};  // what was noted before is not trusted
  WallTime limit{};         // nothing was noted from here on
};

// A name operation that was begun, so that a request that is asked again gets the answer of its first time.
enum class IntentState : std::uint8_t {
  begun,  // may or may not have reached the bucket
  local,  // the index holds the result, the bucket still needs its last step
  done,   // complete; only the answer may be missing
};
struct Intent {
  IntentState state = IntentState::begun;
  std::uint8_t operation = 0;  // of the layer above
  InodeNumber subject = 0;     // the inode it is about
  std::string detail;          // by state: the inode that is replaced, the job that is left, the failure; or an inode
};

// A multipart upload under way, so that the next process continues it or aborts it.
struct UploadRecord {
  std::string key, upload_id;
  ByteCount part_size, size;
  std::uint64_t headers = 0;  // digest of those that it was begun with, by the layer above
};
struct UploadPartRecord {
  unsigned number = 0;
  std::string etag;
  std::string md5;  // raw bytes
};

}  // namespace pail::local
