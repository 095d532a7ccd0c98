// What earlier mounts and workers left of staged files is put out of the way when a file system starts.
//
// In this order: sweep() first, at each start; at that of a fresh mount set_aside_unstored(); and at each start
// bring_notes_in_line() last, when what else the start does about staged files is done. A worker that goes on with the
// mount of another leaves out the second: what is staged is still being written, or will be stored.
#pragma once

#include <filesystem>
#include <utility>

#include "local/names/name_store.h"
#include "local/staging/staging.h"
#include "vfs/set_aside.h"
#include "vfs/staged_content.h"
#include "vfs/staged_notes.h"

namespace pail::vfs {

// For the thread that starts the file system, before anybody else can ask for anything: no turns are taken. What else
// runs by then must leave staged files alone.
class Leftovers {
 public:
  // `state_directory` is for the log: where to make room. All others must outlive it.
  Leftovers(local::NameStore& names, local::StagingArea& staging, StagedNotes& notes, SetAside& aside,
            StagedContent& content, std::filesystem::path state_directory)
      : names_(names),
        staging_(staging),
        notes_(notes),
        aside_(aside),
        content_(content),
        state_directory_(std::move(state_directory)) {}

  // Removes staging files whose content has reached the bucket, and sets those aside whose names are lost. What cannot
  // be put aside stays for the next start, and the log says so.
  void sweep();
  // Puts aside, for people to find, what an earlier mount did not store.
  // Errors: what has no room beside must not stay either, since it would be uploaded.
  Result<Unit> set_aside_unstored();
  // What names and journal say of staged files is the same from here on. Errors: EIO, ENOSPC of the journal.
  Result<Unit> bring_notes_in_line();

 private:
  void sweep_nameless(InodeNumber number);
  Result<Unit> keep(const local::InodeRecord& record);

  local::NameStore& names_;
  local::StagingArea& staging_;
  StagedNotes& notes_;
  SetAside& aside_;
  StagedContent& content_;
  const std::filesystem::path state_directory_;
};

}  // namespace pail::vfs
