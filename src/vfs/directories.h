// The directory view: what the bucket's keys look like as directories, kept in the index and asked of the store when
// it is older than the metadata time.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/mutex.h"
#include "cos/refusal.h"
#include "pailfs/base/stop.h"
#include "runtime/executor.h"
#include "vfs/attribute_view.h"
#include "vfs/listed_page.h"
#include "vfs/tree.h"
#include "vfs/turns.h"

namespace pail::vfs {

// Thread-safe. Calls wait for the store; EINTR when `stop` is requested.
class Directories {
 public:
  Directories(local::NameStore& names, const Tree& tree, const AttributeView& view, cos::ObjectStore& store,
              runtime::Executor& helpers);

  struct Found {
    local::InodeRecord record;
    WallTime confirmed;
  };
  // The inode a name leads to, with its attributes exact. Errors: ENOENT, ENOTDIR.
  Result<Found> resolve(InodeNumber parent, std::string_view name, const StopToken& stop);
  // The inode as it is now: confirmed by the store when what is known is old. Errors: ENOENT the store has it no
  // more; ESTALE the index has it no more.
  // A caller that has the inode's turn says so with it: what the store says then cannot be our own work under way.
  Result<Found> current(InodeNumber number, const StopToken& stop, const Turns::Turn* turn = nullptr);
  // Asks the store, which has refused a request about `known`, a file in the bucket: whether the inode has another
  // content or none by now. Errors: ENOENT (Fault::no_key) the store has it no more.
  Result<cos::Found> look_after_refusal(const local::InodeRecord& known, const StopToken& stop,
                                        const Turns::Turn* turn = nullptr);

  // Entries after `offset` as FileSystem::read_directory() gives them.
  Result<std::vector<DirectoryEntry>> read(InodeNumber directory, std::uint64_t offset, std::size_t most,
                                           WithAttributes with, const StopToken& stop);
  // Takes and releases its lock: returns for as long as nobody is stuck with it.
  void pass_lock() PAIL_EXCLUDES(mutex_) {
    listing_turns_.pass_lock();
    MutexLock lock(mutex_);
  }
  // Whether nothing is in the directory, asked of the store now.
  Result<bool> empty(InodeNumber directory, const StopToken& stop);

 private:
  struct Glimpse {
    local::InodeRecord self;
    std::vector<Found> children;
  };
  // A listing under way, one page after the other as readers ask for them; used in the directory's turn.
  struct Listing {
    const WallTime began;
    local::AskedListing asked;
    std::string prefix;
    std::string continuation;
    UndecidedFiles undecided;
  };
  struct UnderWay {
    std::shared_ptr<Listing> listing;
    WallTime used;  // when its last page was fetched
  };
  enum class Progress { page, complete, moved };  // moved: the directory was, it begins anew

  void page_fetched(InodeNumber directory) PAIL_EXCLUDES(mutex_);
  Result<Progress> list_page(InodeNumber directory, const StopToken& stop);
  Result<Unit> list_all(InodeNumber directory, const StopToken& stop);
  Result<Glimpse> glimpse(InodeNumber directory, InodeNumber after, std::size_t most);
  DirectoryEntry entry_of(Found child, WithAttributes with) const;
  bool may_be_shown(const Glimpse& seen, std::uint64_t offset, bool listed_now) const;
  void keep_confirmed(Glimpse& seen, std::uint64_t offset) PAIL_EXCLUDES(mutex_);
  bool is_abandoned(const UnderWay& listing) const;
  bool is_listed_by_a_reader(InodeNumber directory) PAIL_EXCLUDES(mutex_);
  Result<bool> list_on(InodeNumber directory, const StopToken& stop);
  Result<std::optional<Found>> find(InodeNumber parent, std::string_view name, const StopToken& stop);
  Result<std::optional<Found>> known(InodeNumber parent, std::string_view name, WallTime since);
  Result<Unit> list_if_small(InodeNumber parent, std::string_view name, WallTime asked, const StopToken& stop);
  Result<local::Taken> probe(InodeNumber parent, std::string_view name, const StopToken& stop);
  Result<local::Taken> probe_once(InodeNumber parent, std::string_view name, const StopToken& stop);
  // An inode after the store was asked for its attributes.
  struct Seen {
    local::InodeRecord record;
    std::optional<Error> denied;  // they are not to be seen: the record is what was known before
  };
  Result<Seen> exact(const local::InodeRecord& known, const StopToken& stop, const Turns::Turn* turn = nullptr);
  Result<local::Taken> tell(const local::AskedInode& asked, const Result<cos::ObjectInfo>& info);
  Result<std::optional<Seen>> accept(const local::AskedInode& asked, const Result<cos::ObjectInfo>& info);
  WallTime confirmed_by(const Seen& seen, WallTime asked) const;
  WallTime latest(WallTime a, WallTime b) const;
  void head_siblings(const local::InodeRecord& record);
  void head_ahead(InodeNumber number);
  Result<std::shared_ptr<Listing>> listing_of(InodeNumber directory);
  Result<std::string> object_key(const local::AskedInode& asked) const;

  local::NameStore& names_;
  const Tree& tree_;
  const AttributeView& view_;
  Turns listing_turns_;  // of directories: one page of a directory's listing at a time
  cos::ObjectStore& store_;
  runtime::Executor& helpers_;

  Mutex mutex_;
  std::unordered_map<InodeNumber, UnderWay> listings_ PAIL_GUARDED_BY(mutex_);
  std::unordered_set<InodeNumber> large_ PAIL_GUARDED_BY(mutex_);  // more than a page: names are asked for one by one
  // Where a walker through a directory last needed a HEAD, and behind what others were sent ahead of it.
  struct Walk {
    InodeNumber last = 0, ahead = 0;
  };
  std::unordered_map<InodeNumber, Walk> walks_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::vfs
