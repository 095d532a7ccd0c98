// The worker's end of the kernel's connection: it reads requests for libfuse and writes its answers, and on the way
// keeps what libfuse does not: the number of a request, whether it came again, its interrupts and its attempts.
//
// Thread-safe.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "fuse/attempts.h"
#include "fuse/in_flight.h"
#include "fuse/protocol.h"
#include "fuse/shared_state.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {

// The request that a thread carries out.
struct CurrentRequest {
  std::uint64_t unique = 0;  // without the mark of a resent one
  bool resent = false;
  StopToken stop;
};
const CurrentRequest& current_request();

class Connection {
 public:
  using Process = std::function<void(std::vector<char>& request)>;

  // `device` is borrowed, `state` must live longer. `ended`: the mount is gone; called once, by a thread that reads.
  Connection(int device, SharedState& state, std::function<void()> ended);
  ~Connection();

  // Carries out suspects with `process`, one at a time on a thread of its own, until stop_suspects().
  void start_suspects(Process process);
  void stop_suspects() PAIL_EXCLUDES(mutex_);

  // As read(2) and writev(2) of the device, for libfuse's threads. An interrupt or a guilty request is dealt with here.
  ssize_t read(void* buffer, std::size_t size);
  ssize_t write(const iovec* pieces, int count);

  // Asks the kernel for what dead workers left unanswered. Before the first read(). Errors: EINVAL the kernel cannot.
  Result<Unit> ask_again();
  // From now on nothing that is read is carried out. Waits at most `most` for what is in flight.
  void close_for_requests(std::chrono::milliseconds most);
  // Gives up what is in flight and what comes: their callers get EINTR.
  void stop_requests() { in_flight_.stop_all(); }
  void probe() { in_flight_.probe(); }

 private:
  enum class Verdict { carry_out, dealt_with };

  void note_end();
  Verdict admit(std::span<const char> request);
  Verdict admit_resent(std::span<const char> request, std::uint64_t unique);
  void enter(const fuse_in_header& header);
  void answer(std::uint64_t unique_with_mark, int error);
  void carry_out_suspects();

  const int device_;
  SharedState& state_;
  const std::function<void()> ended_;
  std::atomic<bool> has_ended_{false};
  Attempts attempts_;
  InFlight in_flight_;
  std::atomic<bool> closed_{false};

  Mutex mutex_;
  CondVar changed_;
  std::deque<std::vector<char>> suspects_ PAIL_GUARDED_BY(mutex_);
  bool stopping_ PAIL_GUARDED_BY(mutex_) = false;
  Process process_;
  Thread suspects_thread_;
};

}  // namespace pail::fuse
