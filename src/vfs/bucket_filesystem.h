// FileSystem over a bucket: checks and translates; the work is done by Directories, Names and Files.
//
// Locks, in this order: Turns (of files by rising number, of directories, of listings), TreeGate, then the
// mutexes of single classes, which are leaves: none is held while another one is taken. A view of the names counts as a
// leaf, too.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <unordered_map>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "local/journal/upkeep.h"
#include "local/names/name_store.h"
#include "local/staging/staging.h"
#include "pailfs/base/stop.h"
#include "runtime/counters.h"
#include "runtime/executor.h"
#include "runtime/memory_budget.h"
#include "runtime/timer.h"
#include "vfs/directories.h"
#include "vfs/files.h"
#include "vfs/filesystem.h"
#include "vfs/inode_uses.h"
#include "vfs/leftovers.h"
#include "vfs/names.h"
#include "vfs/set_aside.h"
#include "vfs/staged_content.h"
#include "vfs/staged_notes.h"
#include "vfs/upload_notes.h"
#include "vfs/uploader.h"

namespace pail::vfs {

class BucketFileSystem final : public FileSystem {
 public:
  struct Local {
    std::unique_ptr<local::JournalState> journal;
    std::unique_ptr<local::JournalUpkeep> upkeep;
    std::unique_ptr<Turns> turns;
    std::unique_ptr<NamesAtWork> names_at_work;
    std::unique_ptr<InodeUses> uses;  // of those turns and names
    std::unique_ptr<local::NameStore> names;
    std::unique_ptr<local::StagingArea> staging;
    std::unique_ptr<runtime::Counters> counters;
    std::unique_ptr<runtime::MemoryBudget> memory;
    std::unique_ptr<cache::BlockCache> blocks;
  };
  BucketFileSystem(Options options, std::shared_ptr<cos::ObjectStore> store, std::shared_ptr<OpenTable> opens,
                   Local local);
  ~BucketFileSystem() override;
  Result<Unit> begin(Start start);

  Result<Entry> lookup(const Request& request, InodeNumber parent, std::string_view name) override;
  void forget(InodeNumber number) override;
  Result<Entry> getattr(const Request& request, InodeNumber number) override;
  Result<Entry> setattr(const Request& request, InodeNumber number, const AttributeChange& change) override;
  Result<std::string> readlink(const Request& request, InodeNumber number) override;
  Result<Entry> mknod(const Request& request, InodeNumber parent, std::string_view name, mode_t mode,
                      std::uint64_t device) override;
  Result<Entry> mkdir(const Request& request, InodeNumber parent, std::string_view name, mode_t mode) override;
  Result<Entry> symlink(const Request& request, InodeNumber parent, std::string_view name,
                        std::string_view target) override;
  Result<Unit> unlink(const Request& request, InodeNumber parent, std::string_view name) override;
  Result<Unit> rmdir(const Request& request, InodeNumber parent, std::string_view name) override;
  Result<Unit> rename(const Request& request, InodeNumber parent, std::string_view name, InodeNumber new_parent,
                      std::string_view new_name, RenameMode mode) override;
  Result<OpenResult> open_file(const Request& request, InodeNumber number, int flags) override;
  Result<std::pair<Entry, OpenResult>> create(const Request& request, InodeNumber parent, std::string_view name,
                                              mode_t mode, int flags) override;
  void read(const Request& request, InodeNumber number, std::uint64_t handle, ByteOffset at, ByteCount size,
            ReadReply reply) override;
  Result<ByteCount> write(const Request& request, InodeNumber number, std::uint64_t handle, ByteOffset at,
                          std::span<const std::byte> data) override;
  Result<Unit> allocate(const Request& request, InodeNumber number, std::uint64_t handle, int mode,
                        Extent extent) override;
  Result<Unit> flush(const Request& request, InodeNumber number, std::uint64_t handle) override;
  Result<Unit> fsync(const Request& request, InodeNumber number, std::uint64_t handle) override;
  void release(const Request& request, InodeNumber number, std::uint64_t handle) override;
  Result<std::vector<DirectoryEntry>> read_directory(const Request& request, InodeNumber number, std::uint64_t offset,
                                                     std::size_t most, WithAttributes with) override;
  Result<Unit> fsync_directory(const Request& request, InodeNumber number) override;
  Result<Statistics> statfs(const Request& request) override;
  Result<Unit> setxattr(const Request& request, InodeNumber number, std::string_view name,
                        std::span<const std::byte> value, XattrMode mode) override;
  Result<std::string> getxattr(const Request& request, InodeNumber number, std::string_view name) override;
  Result<std::vector<std::string>> listxattr(const Request& request, InodeNumber number) override;
  Result<Unit> removexattr(const Request& request, InodeNumber number, std::string_view name) override;
  using FileSystem::sync_all;
  Result<Unit> sync_all(const Sync& how) override;
  void wait_for_left(const StopToken& stop) override;
  std::vector<runtime::Counters::Value> counters() override;

 private:
  Result<Unit> clear_up();  // what an earlier mount left
  void go_on();             // with what the process before this one was doing
  Result<Unit> check_writable() const;
  struct PendingFile {
    std::string key;
    ByteCount size;
  };
  // The staged files that still have a name.
  std::map<InodeNumber, PendingFile> pending_files();
  Unstored unstored(InodeNumber number, const PendingFile& file, const Error& why, const StopToken& stop);
  Result<Entry> shown(Directories::Found found);
  Result<Entry> make(const Request& request, InodeNumber parent, std::string_view name, FileType type, mode_t mode,
                     std::string_view target);
  OpenResult opened(const local::InodeRecord& record, int flags) PAIL_EXCLUDES(mutex_);
  void note_shown(const Entry& entry) PAIL_REQUIRES(mutex_);
  bool was_shown(const local::InodeRecord& record) PAIL_EXCLUDES(mutex_);
  // Applies `edit` to the record and stores the attributes, once more when the object was changed meanwhile.
  Result<Entry> change_attributes(const Request& request, InodeNumber number, const Files::Edit& edit);
  void store_soon(InodeNumber number, const local::ContentVersion& over, std::chrono::milliseconds pause);

  const Options options_;
  const std::shared_ptr<cos::ObjectStore> store_;
  const std::shared_ptr<OpenTable> opens_;
  const Local local_;
  const Tree tree_;
  Turns& turns_;
  TreeGate gate_;
  runtime::Executor helpers_, readers_;
  StopSource background_stop_;
  runtime::Executor background_{2};  // what nobody waits for: storing
  const AttributeView view_;
  StagedNotes staged_notes_;
  SetAside aside_;
  UploadNotes upload_notes_;
  Uploader uploader_;
  StagedContent content_;
  Leftovers leftovers_;
  Directories directories_;
  Files files_;
  Names names_;
  const runtime::Counters::Counter read_, written_;  // bytes

  Mutex mutex_;
  // What the kernel knows of a regular file.
  struct InKernel {
    std::optional<std::uint64_t> shown;   // the epoch whose size it was shown last: by that it reads and appends
    std::optional<std::uint64_t> opened;  // the epoch at the last open: while it stays, the kernel's pages are good
  };
  std::unordered_map<InodeNumber, InKernel> in_kernel_ PAIL_GUARDED_BY(mutex_);
  runtime::Timer timer_;  // its tasks use all the others
};

}  // namespace pail::vfs
