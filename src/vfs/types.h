// What a front end (FUSE, a test, later NFS) and the file system say to each other.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "local/records.h"
#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"

namespace pail::vfs {

using local::FileType;
using local::InodeNumber;
using local::kRootInode;

// Who asks, and how to tell the request from others. A front end that never repeats a request leaves `unique` 0.
struct Request {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
  std::uint64_t unique = 0;  // of the request, the same when it is asked again
  bool resent = false;       // asked before, of a process that ended before its answer was taken
  StopToken stop;            // the caller was interrupted
  // At flush(): whether the caller has another descriptor of the inode; empty: that cannot be told.
  std::function<bool(InodeNumber)> has_another_descriptor;
};

struct Attributes {
  InodeNumber number = 0;
  FileType type = FileType::regular;
  std::uint32_t permissions = 0;  // lower 12 bits of st_mode
  std::uint32_t links = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t device = 0;
  ByteCount size;
  WallTime accessed{}, modified{}, changed{};
};

// An inode with the time for which its name and attributes may be trusted.
struct Entry {
  Attributes attributes;
  std::uint64_t generation = 1;
  std::chrono::nanoseconds name_ttl{0}, attributes_ttl{0};
  std::uint64_t epoch = 0;  // of the content that has this size
};

// Attributes to change; empty members stay.
struct AttributeChange {
  std::optional<std::uint64_t> handle;  // through which it is changed, as ftruncate(2) does; none: by name
  std::optional<std::uint32_t> permissions;
  std::optional<uid_t> uid;
  std::optional<gid_t> gid;
  std::optional<ByteCount> size;
  std::optional<WallTime> accessed, modified;
};

struct OpenResult {
  std::uint64_t handle = 0;      // given back with every read, write, flush, fsync and release; survives the process
  bool keep_page_cache = false;  // the content is the one of the last open
};

// Bytes of a read, in order. `owner` keeps them alive.
struct ReadData {
  std::vector<std::span<const std::byte>> pieces;
  std::shared_ptr<const void> owner;
};
using ReadReply = std::function<void(Result<ReadData>)>;  // called once, on any thread

struct DirectoryEntry {
  std::string name;
  InodeNumber number = 0;
  std::optional<FileType> type;   // none: not known without asking the store
  std::uint64_t next_offset = 0;  // where a later call continues after this entry; stable over restarts
  std::optional<Entry> entry;     // with attributes, when they were asked for and are known
};

enum class WithAttributes { no, yes };

struct Statistics {
  ByteCount total, free;
  std::uint64_t inodes_used = 0, inodes_free = 0;
  std::uint32_t name_max = 255;
};

enum class RenameMode { replace, no_replace, exchange };
enum class XattrMode { any, create, replace };

// Files that are written and not in the bucket yet.
struct Pending {
  std::uint64_t files = 0;
  ByteCount bytes;
};

// A file that sync_all() did not bring into the bucket.
struct Unstored {
  std::string key;
  std::string why;
  std::filesystem::path kept;  // where its bytes lie
  bool given_up = false;       // it is not staged any more: nothing tries again
};

// How sync_all() is carried out. The functions may be empty; they are called by the caller's thread.
struct Sync {
  StopToken stop;                               // what is not stored by then stays
  std::function<void(const Pending&)> pending;  // at the beginning, after each file and once a second
  std::function<void(const Unstored&)> stays;
};

// Which inodes have open handles. An implementation that outlives the process keeps open-but-unlinked files readable.
class OpenTable {
 public:
  virtual ~OpenTable() = default;
  virtual void add(InodeNumber number) = 0;
  virtual void remove(InodeNumber number) = 0;
  // May say true of an inode that is closed, never false of one that is open.
  virtual bool maybe_open(InodeNumber number) const = 0;
};

// Counts in the memory of this process.
std::unique_ptr<OpenTable> make_local_open_table();

}  // namespace pail::vfs
