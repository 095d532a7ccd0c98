// What an answer shows of an inode. Every answer goes through here, so that two answers about one file agree.
#pragma once

#include "cache/index.h"
#include "cache/staging.h"

namespace pail::vfs {

// Thread-safe.
class AttributeView {
 public:
  AttributeView(cache::Index& index, cache::StagingArea& staging) : index_(index), staging_(staging) {}

  // The record with the size and times that a staged file has only in its staging file. Where the file reached the
  // bucket since the record was read, the record as it is now. No index transaction of the caller may be open.
  // Errors: those of opening the staging file: a size that is not known is not shown.
  Result<cache::InodeRecord> shown(cache::InodeRecord record) const;

 private:
  cache::Index& index_;
  cache::StagingArea& staging_;
};

// The modification time of what is staged.
WallTime modification_time(int descriptor);

}  // namespace pail::vfs
