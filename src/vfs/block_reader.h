// Reads objects through blocks: from memory, from the disk cache, or by ranged GETs that fetch ahead of the reader.
//
// Blocks are found by their content, whichever version holds it by now; requests name the version. Every one carries
// If-Match, so that the bytes of one version never mix with those of another: ESTALE instead.
// A read waits for its bytes, not for whole blocks, and never for memory: blocks that a reader waits for are fetched
// whatever the budget says, since others may hold theirs for as long as their readers please. Whole blocks that nobody
// else holds are let go first, in order of use; read-ahead goes as far as what that leaves free.
// Thread-safe; the mutex is never held across a request, a disk read or a reply.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "cache/block_cache.h"
#include "cos/object_store.h"
#include "pailfs/base/stop.h"
#include "runtime/counters.h"
#include "runtime/executor.h"
#include "runtime/memory_budget.h"
#include "vfs/read_ahead.h"
#include "vfs/types.h"

namespace pail::vfs {

class BlockReader {
 public:
  // The blocks in flight and kept are taken from `memory`; what comes from the store counts as "fetched_bytes".
  // The first three must outlive it.
  BlockReader(cos::ObjectStore& store, cache::BlockCache& cache, runtime::MemoryBudget& memory,
              runtime::Counters& counters);
  // Cancels what is under way and waits for it to end; unanswered reads get ECANCELED.
  ~BlockReader();

  // Answers with the bytes of `want`, cut at the object's end. `stream` tells files apart for read-ahead.
  // Errors: ESTALE the object is no longer this version; EINTR `stop`; what the store says.
  void read(const cache::ObjectContent& content, InodeNumber stream, Extent want, StopToken stop, ReadReply reply);
  // The same, waiting.
  Result<ReadData> read_now(const cache::ObjectContent& content, InodeNumber stream, Extent want, StopToken stop);

  // Takes and releases its lock: returns for as long as nobody is stuck with it.
  void pass_lock() PAIL_EXCLUDES(mutex_) { MutexLock lock(mutex_); }
  // The streams of this file are no longer of interest.
  void forget(InodeNumber stream) PAIL_EXCLUDES(mutex_);

 private:
  struct Buffer;
  struct Pending;
  class Fetch;
  using BufferPtr = std::shared_ptr<Buffer>;
  using PendingPtr = std::shared_ptr<Pending>;
  using Blocks = std::map<std::uint64_t, BufferPtr>;
  struct Piece;

  bool take_local(const cache::ObjectContent& content, std::vector<Piece>& pieces) PAIL_EXCLUDES(mutex_);
  void fetch_ahead(const cache::ObjectContent& content, InodeNumber stream, Extent want) PAIL_EXCLUDES(mutex_);
  BufferPtr find(const cache::ContentId& id, std::uint64_t number) PAIL_REQUIRES(mutex_);
  BufferPtr add(const cache::ObjectContent& content, std::uint64_t number, runtime::MemoryBudget::Lease lease)
      PAIL_REQUIRES(mutex_);
  std::optional<runtime::MemoryBudget::Lease> make_room(ByteCount wanted) PAIL_REQUIRES(mutex_);
  bool let_go_of_one() PAIL_REQUIRES(mutex_);
  void launch(const cache::ObjectContent& content, std::vector<BufferPtr> missing, Lane lane) PAIL_EXCLUDES(mutex_);
  void progress(Buffer& buffer, std::size_t filled) PAIL_EXCLUDES(mutex_);
  void complete(const cache::ObjectContent& content, const BufferPtr& buffer) PAIL_EXCLUDES(mutex_);
  void fail(const cache::ObjectContent& content, const std::vector<BufferPtr>& buffers, const Error& why)
      PAIL_EXCLUDES(mutex_);
  void interrupt(const PendingPtr& pending) PAIL_EXCLUDES(mutex_);
  void ended() PAIL_EXCLUDES(mutex_);

  cos::ObjectStore& store_;
  cache::BlockCache& cache_;
  runtime::MemoryBudget& memory_;
  const runtime::Counters::Counter fetched_;
  StopSource stop_;

  Mutex mutex_;
  CondVar idle_;
  std::unordered_map<cache::ContentId, Blocks> contents_ PAIL_GUARDED_BY(mutex_);
  std::unordered_map<InodeNumber, ReadAhead> streams_ PAIL_GUARDED_BY(mutex_);
  std::uint64_t clock_ PAIL_GUARDED_BY(mutex_) = 0;
  unsigned under_way_ PAIL_GUARDED_BY(mutex_) = 0;  // fetches, and reads that ask again
  runtime::Executor again_{1};                      // asks again, which may read the disk; last, it uses the others
};

}  // namespace pail::vfs
