// The uploads in the bucket that nobody goes on with: they are aborted beside everything else.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>

#include "base/mutex.h"
#include "cos/object_store.h"
#include "local/journal/records.h"
#include "pailfs/base/stop.h"
#include "runtime/timer.h"
#include "vfs/upload_notes.h"

namespace pail::vfs {

// Thread-safe, with two threads of its own. Each stays promised in the notes until it is aborted: what is not done when
// this ends is left to the next mount.
class UploadAborts {
 public:
  // Where the store does not answer, the first pause until it is asked again; each is twice the one before.
  static constexpr std::chrono::milliseconds kFirstPause = std::chrono::minutes(1);
  static constexpr std::chrono::milliseconds kLongestPause = std::chrono::minutes(30);

  // All outlive it.
  UploadAborts(UploadNotes& notes, cos::ObjectStore& store, const Clock& clock)
      : notes_(notes), store_(store), timer_(clock), late_notes_(clock) {}
  // Waits for no answer of the store, but until those that came late are noted on the disk.
  ~UploadAborts();

  // Begins an upload, and notes that it has begun. Whoever calls may leave before the answer: then it is one of these.
  // `number`: as of UploadNotes::begun(). Errors: those of the store; Fault::stopped.
  Result<cos::UploadId> begin_upload(InodeNumber number, const std::string& key, cos::ObjectHeaders headers,
                                     cos::Preconditions conditions, cos::CallContext context) PAIL_EXCLUDES(mutex_);
  // Returns at once. What the store refuses to abort is left to the next mount, and the log says so.
  void add(local::UploadBegun upload) PAIL_EXCLUDES(mutex_);
  // Nothing is sent before this.
  void begin() PAIL_EXCLUDES(mutex_);
  // Waits until nothing is being aborted, or until `stop`. What is to be tried again later is not waited for.
  void wait(const StopToken& stop) PAIL_EXCLUDES(mutex_);

 private:
  // Of the timer's thread: idle, it has no task here; resting, it has one for later.
  enum class State { not_begun, idle, working, resting };
  // Shared by who waits for it and by its answer.
  struct Beginning {
    // Nothing: who waits has left.
    std::optional<Result<cos::UploadId>> await(const StopToken& stop) PAIL_EXCLUDES(mutex);

    Mutex mutex;
    CondVar changed;
    std::optional<Result<cos::UploadId>> answer PAIL_GUARDED_BY(mutex);
    bool left PAIL_GUARDED_BY(mutex) = false;
  };

  void answered(Beginning& beginning, const std::string& key, Result<cos::UploadId> answer) PAIL_EXCLUDES(mutex_);
  void begun() PAIL_EXCLUDES(mutex_);
  void work() PAIL_EXCLUDES(mutex_);
  std::optional<local::UploadBegun> next() PAIL_EXCLUDES(mutex_);
  void done(const std::string& id) PAIL_EXCLUDES(mutex_);
  void rest() PAIL_EXCLUDES(mutex_);

  UploadNotes& notes_;
  cos::ObjectStore& store_;
  StopSource stop_;
  Mutex mutex_;
  CondVar changed_;
  std::map<std::string, local::UploadBegun> left_ PAIL_GUARDED_BY(mutex_);  // by upload id
  State state_ PAIL_GUARDED_BY(mutex_) = State::not_begun;
  std::chrono::milliseconds pause_ PAIL_GUARDED_BY(mutex_) = kFirstPause;
  std::size_t beginning_ PAIL_GUARDED_BY(mutex_) = 0;  // requests that are not answered, or not noted
  runtime::Timer timer_;                               // its task uses all the above
  runtime::Timer late_notes_;                          // no note waits for an abort; its tasks use all the others
};

}  // namespace pail::vfs
