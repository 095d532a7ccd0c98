// Waits for the end of a mount, and says on stderr what it waits for.
#pragma once

#include <chrono>
#include <string>

#include "fuse/mount_record.h"

namespace pail::cli {

// How often and where it is said what is pending: on a terminal one line that changes, else a line now and then.
class Progress {
 public:
  // `what` begins the lines: "pailfs: /mnt: storing".
  explicit Progress(std::string what);
  ~Progress();
  void show(const fuse::RecordedEnd& now);

 private:
  const std::string what_;
  const bool terminal_;
  bool shown_ = false;
  SteadyTime next_;
};

enum class Waited {
  ended,      // its processes are gone
  in_use,     // it does not end: the mount is still used elsewhere, such as in another mount namespace
  timed_out,  // it began to end, and `most` has passed
};

// For a mount that is gone from its place. Waits at most `most`.
Waited wait_for_end(fuse::MountRecord& record, std::chrono::milliseconds most, Progress& progress);

}  // namespace pail::cli
