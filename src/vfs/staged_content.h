// What an inode has here and not in the bucket, beside what the names say of it: the file with its bytes, its entry in
// the journal, and its ways out, which are the same for whoever writes files and for whoever clears up behind an
// earlier mount.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "local/names/name_store.h"
#include "local/staging/staging.h"
#include "vfs/set_aside.h"
#include "vfs/staged_notes.h"
#include "vfs/uploader.h"

namespace pail::vfs {

// Thread-safe. Who changes the content of an inode has its turn; at a start nobody else knows of the inode.
// What cannot be cleared up is left to the next start, and the log says so.
class StagedContent {
 public:
  using File = std::shared_ptr<local::StagedFile>;

  // All must outlive it.
  StagedContent(local::NameStore& names, local::StagingArea& staging, StagedNotes& notes, SetAside& aside,
                Uploader& uploader)
      : names_(names), staging_(staging), notes_(notes), aside_(aside), uploader_(uploader) {}

  // Whether files may begin to be written. Errors: EIO the journal has failed.
  Result<Unit> check_usable() const { return notes_.check_usable(); }
  // A new file over the first `kept` bytes of the inode's object, all of them missing. Replaces one that is there.
  // Errors: as local::StagingArea::create().
  Result<File> create(InodeNumber number, ByteCount kept) { return staging_.create(number, kept); }
  // Errors: ESTALE there is none; as local::StagingArea::open().
  Result<File> file(InodeNumber number);
  // The last try to upload it was answered so.
  void note_failure(InodeNumber number, const std::string& error) { staging_.note_failure(number, error); }
  // The names of a staged inode, or of what lies below a directory, have changed.
  void note(InodeNumber number) { notes_.note(number); }
  void note_below(InodeNumber directory) { notes_.note_below(directory); }

  // ---- its ways out ----
  // The bucket has it. The file stays until remove_file().
  void note_stored(InodeNumber number) { notes_.note(number, StagedNotes::How::stored); }
  void remove_file(InodeNumber number);
  // Puts it aside for people to find, and leaves its base; answers where it lies. `error`: what the last try to upload
  // it was answered. Errors: as SetAside::put(), and nothing has changed.
  Result<std::filesystem::path> keep(const local::InodeRecord& record, local::KeptReason reason, std::string error);
  // Its bytes are gone or put aside. What its name leads to is the bucket's business again, and handles that were
  // opened on the lost content are stale for ever.
  void leave_base(InodeNumber number);
  // Drops file and upload. What the names say of the inode is the caller's.
  void discard(InodeNumber number);
  // The content will not be stored any more: neither is its recorded upload gone on with.
  void let_go_upload(InodeNumber number) { uploader_.let_go(number); }

 private:
  local::NameStore& names_;
  local::StagingArea& staging_;
  StagedNotes& notes_;
  SetAside& aside_;
  Uploader& uploader_;
};

}  // namespace pail::vfs
