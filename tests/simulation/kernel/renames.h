// rename(2): what Linux locks for one, in which order, what it refuses by itself, and what it knows of the names then.
//
// Single-threaded. One rename between two directories at a time.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "simulation/kernel/dentries.h"
#include "simulation/kernel/inode_lock.h"
#include "simulation/kernel/requests.h"
#include "simulation/kernel/system_call.h"
#include "simulation/kernel/walk.h"

namespace pail::simulation::kernel {

class Renames {
 public:
  // All of them live longer.
  Renames(Requests& requests, Dentries& dentries, Walk& walk)
      : requests_(requests), dentries_(dentries), walk_(walk), between_directories_(requests.make_lock()) {}

  void rename(Process process, const Path& from, const Path& to, vfs::RenameMode mode, const Then& then);
  // Nobody waits any more. Only after Requests::end().
  void abandon_lock() { between_directories_->abandon(); }

 private:
  struct Attempt;
  using AttemptRef = std::shared_ptr<Attempt>;

  void find_directories(Process process, const Path& from, const Path& to, vfs::RenameMode mode, Trust trust,
                        const Then& then);
  void lock_in_order(const AttemptRef& rename, std::vector<std::shared_ptr<InodeLock>> locks,
                     const std::function<void()>& then);
  void lock_directories(const AttemptRef& rename);
  void look_up_names(const AttemptRef& rename);
  static int refused(const Attempt& rename);
  void send(const AttemptRef& rename);
  void answered(const Attempt& rename, int errnum);

  Requests& requests_;
  Dentries& dentries_;
  Walk& walk_;
  const std::shared_ptr<InodeLock> between_directories_;
};

}  // namespace pail::simulation::kernel
