// From paths and names to inodes: those that may be trusted as they are known, the others by asking the mount.
//
// Single-threaded. Each function returns at once and goes on by the function that it was given, which is called once,
// now or after answers.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "simulation/kernel/dentries.h"
#include "simulation/kernel/inode_lock.h"
#include "simulation/kernel/requests.h"
#include "simulation/kernel/system_call.h"

namespace pail::simulation::kernel {

using Hold = InodeLock::Hold;
using Mode = InodeLock::Mode;

enum class Trust { cached, revalidate };

class Walk {
 public:
  using Found = std::function<void(int errnum, InodeRef inode)>;  // with an error: null
  using InDirectory =
      std::function<void(const InodeRef& directory, const std::string& name, const Hold& hold, const InodeRef& found)>;
  enum class Directory { unlocked, locked };  // by the one who looks up

  // Both live longer.
  Walk(Requests& requests, Dentries& dentries) : requests_(requests), dentries_(dentries) {}

  void look_up(Process process, InodeRef directory, std::string name, Trust trust, Directory directory_is, Found then);
  void find(Process process, const Path& path, Trust trust, Found then);
  // The directory of the path's last name, held alone, and what has that name in it, if anything has.
  void lock_parent(Process process, const Path& path, Trust trust, const Then& failure, InDirectory then);

 private:
  void revalidate(Process process, InodeRef directory, std::string name, Directory directory_is, Found then);
  void look_up_new(Process process, InodeRef directory, std::string name, Directory directory_is, Found then);
  void ask_for_name(Process process, InodeRef directory, const std::string& name, const Hold& held, Found then);
  void find_rest(Process process, Path path, std::size_t done, InodeRef from, Trust trust, Found then);

  Requests& requests_;
  Dentries& dentries_;
};

// Carries out a system call, and again where it ends with ESTALE.
void repeat_when_stale(const std::function<void(Trust trust, const Then& then)>& call, const Then& then);

}  // namespace pail::simulation::kernel
