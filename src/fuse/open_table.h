// The open table of a mount, in the memory that outlives its workers.
//
// It errs to one side only: an open handle is always seen; one that was closed may be seen for longer. An open that is
// asked again may count twice. A release that is asked again must not be taken off again by the caller: its first
// time may have done so. Until then what remains is one entry too many, until the mount ends.
#pragma once

#include "base/mutex.h"
#include "fuse/shared_state.h"
#include "vfs/types.h"

namespace pail::fuse {

// Thread-safe within the one worker that lives.
class SharedOpenTable : public vfs::OpenTable {
 public:
  // `state` must live longer.
  explicit SharedOpenTable(SharedState& state) : state_(state) {}

  void add(vfs::InodeNumber number) override;
  void remove(vfs::InodeNumber number) override;
  bool maybe_open(vfs::InodeNumber number) const override;

 private:
  OpenSlot* find(vfs::InodeNumber number) const PAIL_REQUIRES(mutex_);
  OpenSlot* find_free(vfs::InodeNumber number) const PAIL_REQUIRES(mutex_);

  SharedState& state_;
  mutable Mutex mutex_;
};

}  // namespace pail::fuse
