// What an answer shows of an inode. Every answer goes through here, so that two answers about one file agree.
#pragma once

#include "local/names/name_store.h"
#include "local/staging/staging.h"

namespace pail::vfs {

// Thread-safe.
class AttributeView {
 public:
  AttributeView(const local::NameStore& names, local::StagingArea& staging) : names_(names), staging_(staging) {}

  // The record with the size and times that a staged file has only in its staging file. Where the file reached the
  // bucket since the record was read, the record as it is now. No view of the caller may be open.
  // Errors: those of opening the staging file: a size that is not known is not shown.
  Result<local::InodeRecord> shown(local::InodeRecord record) const;

 private:
  const local::NameStore& names_;
  local::StagingArea& staging_;
};

}  // namespace pail::vfs
