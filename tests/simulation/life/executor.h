// Carries the kernel's requests out on a file system, as src/fuse/operations.cc does: the same translation, the same
// order of counting open handles, several requests at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "base/thread.h"
#include "fuse/open_table.h"
#include "simulation/calls.h"
#include "vfs/filesystem.h"

namespace pail::simulation {

inline constexpr std::size_t kMostThreads = 32;  // further calls wait for one of these

// Thread-safe.
class Executor {
 public:
  using Answered = std::function<void(Answer)>;

  // `files` and `opens` live longer; `opens` lies in memory that outlives the process if the mount shall. `answered` is
  // called once for each call but a Forget, on any thread, without locks.
  Executor(vfs::FileSystem& files, fuse::SharedOpenTable& opens, Answered answered);
  // Waits for all that was asked.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void ask(Call call) PAIL_EXCLUDES(mutex_);
  // Requests the stop of a call. One that was answered is ignored.
  void interrupt(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

 private:
  struct Asked {
    Call call;
    StopToken stop;
  };

  void run() PAIL_EXCLUDES(mutex_);
  void carry_out(const Asked& asked) PAIL_EXCLUDES(mutex_);
  template <class Question>
  void carry_out(const vfs::Request& request, const Question& question) PAIL_EXCLUDES(mutex_);
  void read(const vfs::Request& request, const Read& question) PAIL_EXCLUDES(mutex_);
  void answer(Answer answer) PAIL_EXCLUDES(mutex_);
  void end(std::uint64_t unique) PAIL_EXCLUDES(mutex_);

  vfs::FileSystem& files_;
  fuse::SharedOpenTable& opens_;
  const Answered answered_;
  Mutex mutex_;
  CondVar work_, all_ended_;
  std::deque<Asked> queue_ PAIL_GUARDED_BY(mutex_);
  std::map<std::uint64_t, StopSource> under_way_ PAIL_GUARDED_BY(mutex_);  // by unique number
  std::size_t idle_ PAIL_GUARDED_BY(mutex_) = 0;                           // threads that wait for work
  bool ending_ PAIL_GUARDED_BY(mutex_) = false;
  std::vector<Thread> threads_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::simulation
