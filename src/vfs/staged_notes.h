// What the journal says of staged files: under which key, with which attributes and over which version their bytes
// belong into the bucket. The names know that too, but not after a power cut.
//
// The names come first: after each event about a staged inode its entry is brought in line with them. So a kill between
// the two is mended at the next start, and a power cut there loses what was not answered yet.
#pragma once

#include <optional>

#include "base/mutex.h"
#include "local/journal/journal_state.h"
#include "local/names/name_store.h"
#include "vfs/tree.h"
#include "vfs/types.h"

namespace pail::vfs {

// Thread-safe. Its lock is held while the names are read and a record is appended, so that the last entry is of the
// last event; a view and the locks of the journal come behind it.
class StagedNotes {
 public:
  using How = local::StagedFileEnded::How;

  StagedNotes(local::JournalState& journal, const local::NameStore& names, const Tree& tree, std::string bucket)
      : journal_(journal), names_(names), tree_(tree), bucket_(std::move(bucket)) {}

  // Whether files may begin to be written. Errors: EIO the journal has failed.
  Result<Unit> check_usable() const;
  // The names have changed. A record that finds no room is missing after a power cut, and else not; the log says so.
  // `gone`: what became of bytes that are staged no more.
  void note(InodeNumber number, How gone = How::dropped) PAIL_EXCLUDES(mutex_);
  // The same of every staged file below a directory.
  void note_below(InodeNumber directory) PAIL_EXCLUDES(mutex_);

  // What was noted. An empty key: the file was removed, its bytes are for those who had it open.
  std::optional<local::StagedFileBegun> entry(InodeNumber number) const;
  std::vector<InodeNumber> noted() const;
  // From here on the journal knows all that the names know of staged files.
  Result<Unit> complete();

 private:
  std::optional<local::StagedFileBegun> as_named(InodeNumber number,
                                                 const std::optional<local::StagedFileBegun>& noted) const;

  local::JournalState& journal_;
  const local::NameStore& names_;
  const Tree& tree_;
  const std::string bucket_;
  Mutex mutex_;
};

}  // namespace pail::vfs
