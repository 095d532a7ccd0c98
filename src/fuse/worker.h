// The process that serves a mount. Everything that can fail or crash is here.
#pragma once

#include <fuse3/fuse_lowlevel.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "base/thread.h"
#include "fuse/connection.h"
#include "fuse/inherited.h"
#include "fuse/mount.h"
#include "fuse/replies.h"
#include "fuse/shared_state.h"
#include "fuse/stop_clock.h"
#include "pailfs/base/stop.h"

namespace pail::fuse {

template <auto Free>
struct FreeWith {
  void operator()(auto* p) const noexcept { Free(p); }
};
using FuseSession = std::unique_ptr<fuse_session, FreeWith<fuse_session_destroy>>;
using FuseLoopConfig = std::unique_ptr<fuse_loop_config, FreeWith<fuse_loop_cfg_destroy>>;

// Shows the supervisor that requests can be carried out: once a second it takes the locks that they take. A wait for
// the store holds none of them and is no hang. A deadlock, or a process that is stopped, is one.
class Heartbeat {
 public:
  // Both must live longer.
  Heartbeat(SharedState& state, Connection& connection);
  ~Heartbeat();
  // From now on the file system's locks are looked at too, through counters(). Null: no longer.
  void watch(vfs::FileSystem* files) PAIL_EXCLUDES(mutex_);

 private:
  void run(const StopToken& stop);

  SharedState& state_;
  Connection& connection_;
  Mutex mutex_;
  vfs::FileSystem* files_ PAIL_GUARDED_BY(mutex_) = nullptr;
  Thread thread_;
};

class Worker {
 public:
  Worker(const Inherited& fds, SharedMemory memory, const WorkerSettings& settings);

  // Returns the exit code of the process.
  int run(const MakeFileSystem& make);

 private:
  Result<Unit> begin(const MakeFileSystem& make);
  Result<Unit> begin_session();
  void serve();
  // The mount is gone: what is pending has its last time from now on.
  void begin_end();
  int end();
  // Waits for the supervisor's SIGTERM: uploads what is pending, or ends at once.
  void obey(const StopToken& stop);
  // Brings what is pending into the bucket, or says what stays where the step is the last one.
  enum class Step { first, last };
  bool sync(const char* when, Step step);
  void tell_stays(const vfs::Unstored& file);
  void raise_read_ahead() const;

  Inherited fds_;
  SharedMemory memory_;
  const WorkerSettings settings_;
  Connection connection_;
  std::shared_ptr<SharedOpenTable> opens_;
  std::optional<Served> served_;
  // The session last made is destroyed after the file system: reads that wait for the store answer through it.
  FuseSession session_;
  std::unique_ptr<vfs::FileSystem> files_;
  StopClock stop_clock_;
  // Whoever still waits when the time is up gets an answer, not the end of the process.
  StopCallback stop_requests_;
  std::atomic<bool> some_stay_{false};
  Heartbeat heartbeat_;
  Thread last_uploads_;
};

}  // namespace pail::fuse
