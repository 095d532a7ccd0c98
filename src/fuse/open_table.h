// The open table of a mount, in the memory that outlives its workers.
//
// It errs to one side only: an open handle is always seen; one that was closed may be seen until the mount ends, when a
// worker died between the two stores that count it.
#pragma once

#include "base/mutex.h"
#include "fuse/shared_state.h"
#include "vfs/types.h"

namespace pail::fuse {

struct CountedRequest {
  std::uint64_t unique = 0;
  bool resent = false;
};

// Thread-safe within the one worker that lives.
class SharedOpenTable : public vfs::OpenTable {
 public:
  // `state` must live longer.
  explicit SharedOpenTable(SharedState& state) : state_(state) {}

  void add(vfs::InodeNumber number) override;
  void remove(vfs::InodeNumber number) override;
  bool maybe_open(vfs::InodeNumber number) const override;

  // The same for one request, counted once however often it is asked.
  void add_for(const CountedRequest& request, vfs::InodeNumber number);
  void remove_for(const CountedRequest& request, vfs::InodeNumber number);
  // The open failed, or nobody took its answer.
  void take_back(const CountedRequest& request, vfs::InodeNumber number);

 private:
  void add_locked(vfs::InodeNumber number) PAIL_REQUIRES(mutex_);
  void remove_locked(vfs::InodeNumber number) PAIL_REQUIRES(mutex_);
  std::atomic<std::uint64_t>* find_counted(std::uint64_t unique) const PAIL_REQUIRES(mutex_);
  void note_counted(std::uint64_t unique) PAIL_REQUIRES(mutex_);
  OpenSlot* find(vfs::InodeNumber number) const PAIL_REQUIRES(mutex_);
  OpenSlot* find_free(vfs::InodeNumber number) const PAIL_REQUIRES(mutex_);

  SharedState& state_;
  mutable Mutex mutex_;
};

}  // namespace pail::fuse
