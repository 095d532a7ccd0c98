// The inodes and names of one bucket view. The name store alone changes them: it is told what happened, and knows what
// follows from it.
//
// Each function that tells it something is one commit, with the outcome of the request in it. An answer of the object
// store is given back with the question: when our side changed meanwhile what was asked about, ours stays.
// A content is never replaced under somebody who has the inode open: the name gets a new inode, and the old one has
// vanished. Removing a directory removes all that is known below it.
//
// Thread-safe. Readers never wait; events take turns. No event waits for a request, a disk sync or a caller.
// A kill -9 leaves the last commit. A damaged index is set aside when it is opened, and ends the process when it is
// met later. Errors of events, besides those named: EIO, ENOSPC, and then nothing has changed.
#pragma once

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "local/names/asked.h"
#include "local/names/facts.h"
#include "local/names/uses.h"
#include "local/names/view.h"
#include "pailfs/base/clock.h"

namespace pail::local {

class JournalState;
class Moments;
class NameChange;
class RecentChanges;

// What is shown of objects that store no attributes.
struct DefaultAttributes {
  std::uint32_t file_permissions = 0644, directory_permissions = 0755;
  std::uint32_t uid = 0, gid = 0;
};

class NameStore {
 public:
  struct Settings {
    std::string identity;  // names the bucket view
    DefaultAttributes defaults;
    JournalState& journal;  // inode numbers are reserved there; outlives the store
    const Clock& clock;     // likewise
  };
  // Opens or creates the store in `directory` (0700), with the root directory in it. `uses` outlives it.
  // Errors: EBUSY another process has it open; EINVAL it is of another bucket view or of a newer format; ENOSPC, EIO.
  static Result<std::unique_ptr<NameStore>> open(const std::filesystem::path& directory, Settings settings,
                                                 const InodeUses& uses);
  ~NameStore();
  NameStore(const NameStore&) = delete;
  NameStore& operator=(const NameStore&) = delete;

  // ---- reading ----

  View view() const;
  // Errors: ESTALE it no longer exists.
  Result<InodeRecord> inode(InodeNumber number) const;
  // The time by which confirmations are noted: what passes by it in one run of the machine, over all processes, is what
  // has passed, suspensions included. After the machine was off it is the calendar's, where that can be believed.
  WallTime moment() const;
  // What was confirmed before is not to be trusted: nobody knows how long ago that was.
  WallTime trusted_from() const;
  // Differs between two stores that may hand out the same inode numbers.
  std::uint64_t generation() const;
  // All events so far reach the disk. Errors: EIO, ENOSPC.
  Result<Unit> sync();

  // ---- requests ----

  // All checks of a request have passed, and from now on the bucket may change.
  Result<Unit> begun(RequestNumber request, const Begun& begun);
  // Nothing is left to do: what was wanted was there, by an earlier attempt.
  Result<Unit> found_done(RequestNumber request, InodeNumber subject);
  // One that had begun has failed: that is its answer when it is asked again.
  Result<Unit> failed(RequestNumber request, const Error& why);
  // A mount begins, and nobody asks for anything again. What is to be deleted stays known, and is what it returns.
  // Where some request had begun, names may have changed in the bucket alone: as all_doubted().
  Result<std::vector<DeletesLeft>> mount_begun();
  // Under which request the deletes of a renamed directory are noted: also where nobody asks again.
  static RequestNumber request_of_deletes(RequestNumber request, std::uint64_t job);
  // By the kernel, of a later process of the same mount.
  static bool may_be_asked_again(RequestNumber request);

  // ---- our names ----

  // A new inode number, never used before; a new job number likewise.
  Result<InodeNumber> next_number();
  Result<std::uint64_t> next_job();
  // The attributes that a new inode gets in a directory: its group, where the set-group-ID bit says so.
  // Errors: ENOENT the directory was removed.
  Result<NewInode> inherited(InodeNumber directory, NewInode wanted) const;
  // A new regular file with no bytes yet, staged under its number.
  // Errors: ENOENT the directory was removed; EEXIST the name is being written.
  Result<InodeRecord> created(RequestNumber request, const Place& place, InodeNumber number,
                              const NewInode& attributes);
  // An inode that is in the bucket already. Errors: as above.
  Result<InodeRecord> made(RequestNumber request, const Place& place, const NewInode& attributes,
                           const MadeObject& object);
  // The name is gone and its object, too. kept: a file below the directory has bytes that are not stored, and their
  // upload makes the directory again.
  Result<Taken> removed(RequestNumber request, const Place& place, InodeNumber number);
  // A file has its new name and its object the new key. Where an answer took the file meanwhile, the new name is looked
  // up anew. Errors: ENOENT the new directory was removed; EEXIST the new name is being written.
  Result<Unit> renamed(RequestNumber request, const Rename& rename, const MovedObject& object);
  // The same of a directory; `job` says which old objects are to be deleted. kept: as of removed(), in what it would
  // replace. Errors: as above; those of `contents`.
  Result<Taken> directory_renamed(RequestNumber request, const Rename& rename, std::uint64_t job, std::string detail,
                                  const CopiedContents& contents);
  // The old objects of a renamed directory are deleted, as far as that can be done.
  Result<Unit> deletes_ended(RequestNumber request, const Place& old_name, InodeNumber directory, OldObjects left,
                             const std::optional<Error>& failure);
  // A file was copied and its old object could not be deleted: it keeps its name, and the copy is looked up anew.
  Result<Unit> rename_left_both(RequestNumber request, const Rename& rename, const Error& why);
  // Nobody has the inode any more: one without a name leaves the store.
  Result<Unit> let_go(InodeNumber number);

  // ---- our contents ----

  // The bytes of an inode are in a staging file from now on, that of this content. stale: it has another one.
  Result<Taken> staged(InodeNumber number, const ContentVersion& base);
  // An upload is about to be made that has this ETag; none that may have happened.
  Result<Unit> attempted(InodeNumber number, const std::string& etag);
  Result<Unit> not_attempted(InodeNumber number, const std::string& etag);
  // The staged bytes are in the bucket. Errors: ESTALE there is no such inode.
  Result<Unit> stored(InodeNumber number, const StoredContent& content);
  // The staged bytes are given up, and the object of before is the content again.
  Result<Unit> unstaged(InodeNumber number);
  // The staged bytes are elsewhere; they will not be stored. Handles of them are stale for ever, and an inode that is
  // open leaves its name to what others stored under it.
  Result<Unit> content_lost(InodeNumber number);
  // Attributes are about to be written to the object of an inode. The store is asked about that by the next process,
  // unless attributes_changed() or an answer of the store says here what became of it.
  Result<Unit> attributes_sent(InodeNumber number);
  // A copy of the object of an inode was sent that takes its headers along; `copy`: the inode as it was. Where a look
  // shows its attributes and its size under another ETag, it is that copy: the content of the inode stays what it is.
  Result<Unit> copy_sent(const InodeRecord& copy);
  // `object`: where the bucket holds the attributes by now; none of a staged or removed file. stale: the inode was
  // changed since it was read.
  Result<Taken> attributes_changed(const InodeVersion& decided_on, const AttributePatch& patch,
                                   const std::optional<AttributeObject>& object);
  Result<Unit> upload_begun(InodeNumber number, const UploadRecord& upload);
  Result<Unit> upload_part_sent(InodeNumber number, const UploadPartRecord& part);
  Result<Unit> upload_ended(InodeNumber number);

  // ---- doubts: a request failed that may have been carried out, and the store is to be asked ----

  Result<Unit> doubted(InodeNumber number);
  Result<Unit> doubted(const Place& place);
  // Names may have changed in the bucket alone: nothing that was confirmed up to now is trusted, by later processes
  // neither.
  Result<Unit> all_doubted();
  // Copies may have come and gone below this name.
  Result<Unit> tree_doubted(const Place& place);

  // ---- questions to the object store, and its answers ----

  // Errors: ESTALE it no longer exists.
  Result<AskedInode> ask(InodeNumber number, Asker asker) const;
  Result<AskedName> ask(const Place& place) const;
  Result<AskedListing> ask_all(InodeNumber directory) const;
  // The next page is about to be asked for; ask_all() says so of the first. False: the listing is worth nothing by now.
  bool ask_page(AskedListing& asked) const;

  // Of two answers the one counts that was asked for later, in whatever order they come.
  // What an answer would be worth by now: taken, unless our side changed the inode or something newer is known.
  // Errors of this and of what follows: ESTALE the inode no longer exists.
  Result<Taken> worth(const AskedInode& asked) const;
  // The headers of the object of an inode.
  Result<Taken> learned(const AskedInode& asked, const ObjectFacts& object);
  // The store itself said that it has no such object.
  Result<Taken> gone(const AskedInode& asked);
  // The target of a symbolic link, from the object's bytes.
  Result<Taken> link_learned(const AskedInode& asked, const std::string& target);
  Result<Taken> answered(const AskedName& asked, const NameAnswer& answer);
  // stale: the page may show names that are gone since, ask for it again. moved: the listing is worth nothing,
  // begin anew. Errors: ESTALE the directory is gone.
  Result<Taken> listed(AskedListing& asked, const ListedPage& page);
  // After the last page: names that no page showed are gone, and the directory counts as listed.
  Result<Taken> listing_complete(AskedListing& asked);

 private:
  friend class NameChange;
  NameStore(std::unique_ptr<Index> index, Settings settings, const InodeUses& uses);
  Result<Unit> begin();
  Asking asking() const;
  bool still_lies(ReadTransaction& records, const Spot& spot) const;
  bool still_counts(ReadTransaction& records, const AskedListing& asked) const;
  Taken worth(ReadTransaction& records, const AskedInode& asked, const InodeRecord& inode) const;
  bool is_of_work(const AskedInode& asked) const;
  static void show_answer(NameChange& change, const AskedName& asked, std::optional<InodeRecord> inode,
                          const NameAnswer& answer, std::uint64_t our_last);
  Result<Taken> forget_unseen(const AskedListing& asked, std::string& after, bool& more);

  const std::unique_ptr<Index> index_;
  const Settings settings_;
  const InodeUses& uses_;
  const std::unique_ptr<Moments> moments_;  // begun before any other thread sees the store
  const std::unique_ptr<AbsentNames> absent_;
  const std::unique_ptr<RecentChanges> moves_;     // directories
  const std::unique_ptr<RecentChanges> voided_;    // names of which older answers say nothing
  const std::unique_ptr<RecentChanges> doubtful_;  // directories in which one is doubted
  Mutex changing_;                                 // held by the one event that is being carried out
  std::atomic<std::uint64_t> last_sequence_{0};    // of all events so far; raised after the commit
};

}  // namespace pail::local
