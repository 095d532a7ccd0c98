// What outlives a worker: it lies in a memfd that the supervisor and every worker map. A new memfd is all zeros, and
// that is the initial state of everything here.
//
// The supervisor writes between two workers; one worker at a time writes while it lives. Members that both touch at
// once are atomics. A worker may die between any two stores, so each table says which order keeps it true.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/unique_fd.h"
#include "pailfs/base/result.h"

namespace pail::fuse {

// What the death of a worker says about the requests it had in hand.
enum class Death : std::uint8_t {
  innocent,    // killed from outside: no request did it
  suspicious,  // crashed, hung or gave up: one of the requests may have done it
};

// How far the mount is. It only goes up.
enum class Stage : std::uint32_t {
  starting,  // no worker has served yet
  refused,   // a worker has told the waiting process why it cannot
  serving,
};

// What the supervisor wants of the worker, besides serving.
enum class Order : std::uint32_t { serve, end_now };

struct AttemptSlot {
  std::atomic<std::uint64_t> unique;         // of the request; 0: free
  std::atomic<std::uint64_t> dispatched_in;  // the last worker that carried it out; 0: counted, not begun again
  std::atomic<std::uint32_t> deaths;         // suspicious deaths it was in hand at
};

struct OpenSlot {
  std::atomic<std::uint64_t> inode;
  std::atomic<std::uint64_t> count;  // of open handles; 0: the slot may be taken
};

inline constexpr std::size_t kMaxInitSize = 4096;  // bytes; Linux 6.18 sends 104
inline constexpr std::size_t kDeathsKept = 256;    // causes of the last deaths, by worker
inline constexpr std::size_t kAttemptSlots = 4096;
inline constexpr std::size_t kOpenSlots = 64 * 1024;
inline constexpr std::size_t kCountedKept = 4096;  // opens and releases; more than can wait for an answer at once

struct SharedState {
  // Written by the supervisor before the first worker.
  std::uint64_t size;         // of this structure: a worker of another build must not misread it
  std::uint32_t init_size;    // bytes used of `init`
  std::uint32_t resumable;    // 1: the kernel can send unanswered requests again
  char init[kMaxInitSize];    // the FUSE_INIT request of the kernel
  char device[32];            // "major:minor" of the mount
  std::int64_t stop_timeout;  // milliseconds for uploads after the end began, all together

  std::atomic<std::uint64_t> worker;  // number of the running worker; the first is 1
  std::atomic<Death> deaths[kDeathsKept];
  std::atomic<Order> order;
  // Until when what is pending may be brought into the bucket: milliseconds of the steady clock, 0 as long as the mount
  // goes on. Set once, by whoever first sees the end begin.
  std::atomic<std::int64_t> end_by;

  // Written by the worker.
  std::atomic<Stage> stage;
  std::atomic<std::uint64_t> serving;  // number of the worker that came up last
  std::atomic<std::uint64_t> beats;    // goes up while the worker is alive
  std::atomic<std::uint64_t> replies;  // that the kernel took
  std::atomic<std::uint32_t> synced;   // 1: everything written when the end was asked for is in the bucket
  AttemptSlot attempts[kAttemptSlots];
  OpenSlot open[kOpenSlots];
  std::atomic<std::uint64_t> unlisted_opens;         // handles of inodes that found no slot
  std::atomic<std::uint64_t> counted[kCountedKept];  // requests whose open or release is in the counts; a ring
  std::atomic<std::uint64_t> next_counted;
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<Death>::is_always_lock_free);

// A mapping of the shared state. It lives as long as this object.
class SharedMemory {
 public:
  static Result<SharedMemory> create();
  // Errors: EPROTO it was made by another build.
  static Result<SharedMemory> map(UniqueFd memory);

  SharedMemory(SharedMemory&& other) noexcept;
  SharedMemory& operator=(SharedMemory&& other) noexcept;
  ~SharedMemory();

  SharedState& operator*() const { return *state_; }
  SharedState* operator->() const { return state_; }
  int fd() const { return memory_.get(); }

 private:
  SharedMemory(UniqueFd memory, SharedState* state) : memory_(std::move(memory)), state_(state) {}

  UniqueFd memory_;
  SharedState* state_ = nullptr;
};

// A memfd with these bytes that nobody can change any more.
Result<UniqueFd> sealed_memory(std::string_view bytes);

}  // namespace pail::fuse
