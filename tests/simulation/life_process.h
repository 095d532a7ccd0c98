// The process that serves the mount for one life, and the pipes to it, seen from its parent.
//
// One thread, in a process that has no other: it forks. A process that has not been waited for is killed at the end.
#pragma once

#include <sys/types.h>

#include <optional>

#include "base/unique_fd.h"
#include "fuse/shared_state.h"
#include "simulation/life/life.h"
#include "simulation/messages.h"

namespace pail::simulation {

class LifeProcess {
 public:
  LifeProcess() = default;
  ~LifeProcess();
  LifeProcess(const LifeProcess&) = delete;
  LifeProcess& operator=(const LifeProcess&) = delete;

  // After the one before was waited for. `state` is shared with the process. Throws Wrong: no pipe, no process.
  void begin(const LifeSettings& settings, fuse::SharedState& state);
  // Its next message; none: it has died. Throws Wrong when none comes for two real minutes.
  std::optional<FromLife> receive();
  // Nothing happens where it has died.
  void send(const Go& go);
  // Until it has ended. Its status as that of waitpid(2).
  int wait();

 private:
  pid_t process_ = 0;  // 0: none
  UniqueFd to_, from_;
};

}  // namespace pail::simulation
