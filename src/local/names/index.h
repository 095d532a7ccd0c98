// The local index of one bucket view: inodes, names, intents and uploads, in one LMDB environment. Only the name store,
// its owner, knows it.
//
// Everything that was answered to a caller and is not in the bucket is in here or in a staging file, so that a process
// that is killed loses nothing: the next one opens the same directory and continues.
//
// Thread-safe. Readers never wait; writers take turns. A transaction belongs to one thread, must end before the next
// one of that thread begins, and must not be held across a request, a disk sync or a reply.
// A kill -9 at any point leaves the last committed state. After a power cut the index may be damaged: open() then
// finds out, sets it aside and starts empty (names and attributes come back from the bucket; staging files are kept).
#pragma once

#include <cerrno>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/journal/journal_state.h"
#include "local/records.h"
#include "pailfs/base/result.h"

namespace pail::local {

class ReadTransaction {
 public:
  virtual ~ReadTransaction() = default;

  virtual std::optional<InodeRecord> inode(InodeNumber number) = 0;
  virtual std::optional<Dirent> dirent(InodeNumber parent, std::string_view name) = 0;
  // Calls `visit` for the children of `parent` in order of inode number, beginning after `after`, until it returns
  // false.
  virtual void children(InodeNumber parent, InodeNumber after, const std::function<bool(InodeNumber)>& visit) = 0;
  // Calls `visit` for the bindings of `parent`, absent ones included, in byte order of their names, beginning after
  // `after` ("": with the first), until it returns false. Names are at most 255 bytes long.
  virtual void names(InodeNumber parent, std::string_view after,
                     const std::function<bool(std::string_view name, const Dirent&)>& visit) = 0;
  virtual std::optional<Intent> intent(std::uint64_t unique) = 0;
  virtual std::vector<std::pair<std::uint64_t, Intent>> intents() = 0;
  virtual std::vector<InodeNumber> orphans() = 0;  // unlinked inodes that may still be open
  virtual std::vector<InodeNumber> staged() = 0;   // inodes whose content is staged
  virtual std::optional<UploadRecord> upload(InodeNumber number) = 0;
  virtual std::vector<InodeNumber> uploads() = 0;
  virtual std::vector<UploadPartRecord> upload_parts(InodeNumber number) = 0;
  virtual std::optional<MomentAnchor> moment_anchor() = 0;  // none: of older versions, or of none at all
};

// Errors surface at commit: EIO, ENOSPC. A transaction that is destroyed without commit() changes nothing.
class WriteTransaction : public ReadTransaction {
 public:
  // Numbers rise for ever; the first is kRootInode + 1.
  virtual InodeNumber next_inode_number() = 0;
  virtual std::uint64_t next_sequence() = 0;

  // A new inode, or one that was read in this transaction; keeps the sets behind orphans() and staged() in step with
  // it.
  virtual void put(const InodeRecord& record) = 0;
  // Removes the record and its sets; names are unbound separately.
  virtual void erase(InodeNumber number) = 0;
  // Binds `name` in `parent`; a former binding of the name is replaced. The inode record is put() separately. Number 0:
  // the name is known to be absent, which older versions noted here.
  virtual void bind(InodeNumber parent, std::string_view name, const Dirent& dirent) = 0;
  // Nothing is known of the name any more.
  virtual void forget(InodeNumber parent, std::string_view name) = 0;

  // Keeps the newest 4096 that are done and all that are not.
  virtual void put_intent(std::uint64_t unique, const Intent& intent) = 0;
  virtual void erase_intent(std::uint64_t unique) = 0;  // of one that is not done
  virtual void clear_intents() = 0;

  virtual void put_upload(InodeNumber number, const UploadRecord& record) = 0;
  virtual void put_upload_part(InodeNumber number, const UploadPartRecord& part) = 0;
  virtual void erase_upload(InodeNumber number) = 0;  // with its parts

  virtual void put_moment_anchor(const MomentAnchor& anchor) = 0;

  virtual Result<Unit> commit() = 0;
};

class Index {
 public:
  // Opens or creates the index in `directory` (0700, created where missing), with the root inode in it.
  // `identity` names the bucket view it is of. `clock` and `journal` outlive it: inode numbers are reserved there
  // before they are handed out. One that was in use when the machine stopped begins empty, unless the journal knows of
  // none. Errors: EBUSY another process has it open; EINVAL it is of another bucket view or of a newer format; ENOSPC,
  // EIO.
  static Result<std::unique_ptr<Index>> open(const std::filesystem::path& directory, std::string_view identity,
                                             const Clock& clock, JournalState& journal);
  virtual ~Index() = default;

  virtual std::unique_ptr<ReadTransaction> read() = 0;
  virtual std::unique_ptr<WriteTransaction> write() = 0;
  // Called before an event, without a lock: now and then it syncs the journal. That it failed shows at the commit that
  // finds no number left.
  virtual void keep_numbers_ahead() = 0;
  // All commits so far reach the disk. Errors: EIO, ENOSPC.
  virtual Result<Unit> sync() = 0;
  // Differs between two indexes that may hand out the same inode numbers: the generation of all its inodes.
  virtual std::uint64_t generation() const = 0;
  virtual const std::filesystem::path& directory() const = 0;
  // The machine stopped (power cut, panic) while the index was last open: what was not synced may be missing from it,
  // and from staging files.
  virtual bool machine_stopped() const { return false; }
  // Notes the damage and ends the process: what it would answer may be wrong. The next one sets the index aside.
  [[noreturn]] virtual void end_damaged(std::string_view what) = 0;
};

}  // namespace pail::local
