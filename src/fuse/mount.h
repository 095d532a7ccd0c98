// A mount in two processes: a supervisor that holds the kernel's connection, and a worker that serves it and may die.
//
// The program calls supervise(), which mounts and starts the program again as its worker; that one finds is_worker()
// true and calls run_worker(). When the worker dies the supervisor starts the next, which goes on where it ended:
// applications see a pause. docs/design/two-processes.md says how.
#pragma once

#include <sys/mount.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "pailfs/base/result.h"
#include "pailfs/base/secret.h"
#include "vfs/filesystem.h"

namespace pail::fuse {

// Who besides the user that mounts may use the mount.
enum class Audience { mounting_user, everyone };

// Whether a worker may go on with the mount of a dead one. `never` mounts anew instead, as on kernels before 6.9.
enum class Resumption { when_offered, never };

struct MountSpec {
  std::filesystem::path mount_point;  // a directory; may be relative to the working directory
  std::string source;                 // what /proc/mounts shows as the device: the bucket
  Audience audience = Audience::mounting_user;
  unsigned long flags = MS_NOSUID | MS_NODEV;  // MS_* of mount(2), e.g. MS_RDONLY, MS_NOEXEC, MS_NOATIME
};

struct SupervisorSettings {
  std::vector<std::string> worker_argv;  // the worker's command line, program name first; nothing secret
  Secret secrets;                        // for worker_secrets() of every worker; may be empty
  UniqueFd ready;                        // gets the outcome as read_outcome() reads it; may be invalid
  int record = -1;                       // borrowed: told how the mount ends, as mount_record.h says; -1: nobody asks
  std::chrono::milliseconds hang_after{std::chrono::seconds(30)};   // a worker that shows no life for so long is killed
  std::chrono::milliseconds start_within{std::chrono::minutes(5)};  // and one that does not serve by then
  std::chrono::milliseconds stop_timeout{std::chrono::minutes(1)};  // for uploads after the end began, all together
  std::chrono::milliseconds end_grace{std::chrono::seconds(10)};    // for a worker to end when that time is up
  Resumption resumption = Resumption::when_offered;
};

// Mounts, keeps a worker alive until the mount ends, and returns the exit code of the program. Call it from a process
// with a single thread. It blocks SIGTERM, SIGINT, SIGHUP and SIGCHLD and never unblocks them. The first SIGTERM,
// SIGINT or SIGHUP finishes pending uploads and unmounts, a second one stops at once. 0: the mount ended in order.
int supervise(const MountSpec& spec, SupervisorSettings settings);

// For the process that waits for a mount in the background: reads the other end of `ready` to its first answer.
// Errors: why the mount failed, errno EIO when nothing better is known.
Result<Unit> read_outcome(int ready);

// Whether this process was started by supervise() as a worker.
bool is_worker();

// The secrets that supervise() was given. Worker only, before run_worker(); any number of times.
Result<Secret> worker_secrets();

// Makes the file system a worker serves. `resume` follows a worker that died. May take long; may fail.
using MakeFileSystem =
    std::function<Result<std::unique_ptr<vfs::FileSystem>>(std::shared_ptr<vfs::OpenTable> opens, vfs::Start start)>;

struct WorkerSettings {
  unsigned max_threads = 128;  // that carry out requests; most of them wait for the store
  unsigned idle_threads = 8;   // of them kept when there is little to do
};

// Serves the mount until it ends, uploads what is pending and returns the exit code of the worker. Call it before any
// thread is started: it blocks signals that all threads must have blocked. `make` may start threads.
int run_worker(const MakeFileSystem& make, const WorkerSettings& settings);

// Detaches a FUSE mount at `path` whose processes are gone ("Transport endpoint is not connected").
// Returns whether there was one. Errors: EPERM it belongs to another user; what umount says.
Result<bool> repair_stale_mount(const std::filesystem::path& path);

// No core files and no reading of this process's memory by others: it holds keys. supervise() and run_worker() do it
// too; a program calls it first thing in main().
void protect_process_memory();

}  // namespace pail::fuse
