// The file system: inodes and names over one bucket (or a prefix of it), driven by a front end.
//
// Thread-safe. Calls may wait for the store, except read(), which answers later; every wait ends when `request.stop` is
// requested (EINTR) or the store's deadline passes. An operation that is asked again (`request.resent`) is carried out
// once and answered as the first time. Errors are errno values as POSIX names them for the call; what comes from the
// store is mapped by cos (EACCES, EPERM, EREMOTEIO, ENOSPC, ESTALE, ETIMEDOUT, EIO ...).
//
// Durability: when flush() or fsync() returns without error, the file's content and attributes are in the bucket; see
// flush() for the exception.
// A handle stands for the content that was opened. When others replaced or removed it, or won against what was written
// here, everything that reads or writes through the handle is ESTALE from then on.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/counters.h"
#include "vfs/types.h"

namespace pail::cos {
class ObjectStore;
}

namespace pail::vfs {

// Free space of the state directory's disk that is left to its other users: a write that needs some of it is ENOSPC.
inline constexpr ByteCount kFreeFloor{256ull << 20};

struct Options {
  explicit Options(const Clock& machine) : clock(&machine) {}  // it outlives the file system
  std::string bucket;  // its name, for texts and for what is kept: the store knows which it serves
  std::string prefix;  // "" or ends with '/': the part of the bucket that is shown
  std::chrono::nanoseconds metadata_ttl{std::chrono::seconds(30)};
  ByteCount memory{256ull << 20};                          // for blocks read ahead and parts being sent
  std::filesystem::path state_directory, cache_directory;  // of this bucket view alone; may be the same
  ByteCount cache_size{10ull << 30};
  bool read_only = false;
  // Owner and mode of what has none stored, and overrides.
  uid_t uid = 0;
  gid_t gid = 0;
  std::optional<uid_t> force_uid;
  std::optional<gid_t> force_gid;
  std::optional<std::uint32_t> umask;  // taken from the shown permissions of everything
  std::uint32_t file_permissions = 0644, directory_permissions = 0755;  // of objects that store none
  ByteCount part_size{16ull << 20};
  unsigned parallel = 16;  // requests of one job at a time
  std::string endpoint;    // URL of the store, for the descriptions of kept files
  const Clock* clock;
};

// Whether a mount begins, or a new process goes on with one that applications use.
enum class Start { fresh, resume };

class FileSystem {
 public:
  // `store` and `opens` are shared with the caller. Errors: EBUSY (Fault::busy) a local directory is in use; what the
  // store says.
  static Result<std::unique_ptr<FileSystem>> open(Options options, std::shared_ptr<cos::ObjectStore> store,
                                                  std::shared_ptr<OpenTable> opens, Start start);
  virtual ~FileSystem() = default;

  virtual Result<Entry> lookup(const Request& request, InodeNumber parent, std::string_view name) = 0;
  virtual void forget(InodeNumber number) = 0;
  virtual Result<Entry> getattr(const Request& request, InodeNumber number) = 0;
  virtual Result<Entry> setattr(const Request& request, InodeNumber number, const AttributeChange& change) = 0;
  virtual Result<std::string> readlink(const Request& request, InodeNumber number) = 0;

  virtual Result<Entry> mknod(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                              std::uint64_t device) = 0;
  virtual Result<Entry> mkdir(const Request& request, InodeNumber parent, std::string_view name, mode_t mode) = 0;
  virtual Result<Entry> symlink(const Request& request, InodeNumber parent, std::string_view name,
                                std::string_view target) = 0;
  virtual Result<Unit> unlink(const Request& request, InodeNumber parent, std::string_view name) = 0;
  virtual Result<Unit> rmdir(const Request& request, InodeNumber parent, std::string_view name) = 0;
  virtual Result<Unit> rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                              std::string_view new_name, RenameMode mode) = 0;

  // `flags` as open(2). The kernel has checked permissions.
  virtual Result<OpenResult> open_file(const Request& request, InodeNumber number, int flags) = 0;
  virtual Result<std::pair<Entry, OpenResult>> create(const Request& request, InodeNumber parent, std::string_view name,
                                                      mode_t mode, int flags) = 0;
  virtual void read(const Request& request, InodeNumber number, std::uint64_t handle, ByteOffset at, ByteCount size,
                    ReadReply reply) = 0;
  // Returns how many bytes of `data` were written, from its first on: fewer than all where the local disk took no more.
  // An error: none of them; with EIO, of a disk that failed, perhaps some.
  virtual Result<ByteCount> write(const Request& request, InodeNumber number, std::uint64_t handle, ByteOffset at,
                                  std::span<const std::byte> data) = 0;
  virtual Result<Unit> allocate(const Request& request, InodeNumber number, std::uint64_t handle, int mode,
                                Extent extent) = 0;
  // A file that was made or emptied and has no bytes yet is not stored while the caller has another descriptor of it
  // (a shell's redirection closes one before it writes to the other), but within 100 ms.
  virtual Result<Unit> flush(const Request& request, InodeNumber number, std::uint64_t handle) = 0;
  virtual Result<Unit> fsync(const Request& request, InodeNumber number, std::uint64_t handle) = 0;
  virtual void release(const Request& request, InodeNumber number, std::uint64_t handle) = 0;

  // Entries from `offset` (0: the first) on, at most `most`; empty at the end.
  virtual Result<std::vector<DirectoryEntry>> read_directory(const Request& request, InodeNumber number,
                                                             std::uint64_t offset, std::size_t most,
                                                             WithAttributes with) = 0;
  virtual Result<Unit> fsync_directory(const Request& request, InodeNumber number) = 0;
  virtual Result<Statistics> statfs(const Request& request) = 0;

  virtual Result<Unit> setxattr(const Request& request, InodeNumber number, std::string_view name,
                                std::span<const std::byte> value, XattrMode mode) = 0;
  virtual Result<std::string> getxattr(const Request& request, InodeNumber number, std::string_view name) = 0;
  virtual Result<std::vector<std::string>> listxattr(const Request& request, InodeNumber number) = 0;
  virtual Result<Unit> removexattr(const Request& request, InodeNumber number, std::string_view name) = 0;

  // Everything written so far is in the bucket when it returns without error. Errors: that of the first file that
  // stays.
  virtual Result<Unit> sync_all(const Sync& how) = 0;
  Result<Unit> sync_all() { return sync_all(Sync{}); }
  // Waits until what earlier mounts left in the bucket is cleared up, as far as the store lets it, or until `stop`.
  virtual void wait_for_left(const StopToken& stop) = 0;
  // What this mount has done since its process began, and what it holds: by name, in a fixed order.
  // Passes all locks of the file system, none of which is held across a wait: a caller that gets an answer knows that
  // nothing is stuck.
  virtual std::vector<runtime::Counters::Value> counters() = 0;
};

}  // namespace pail::vfs
