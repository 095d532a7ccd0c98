// The process that holds the mount while workers come and go. It has one thread and does little, so that it lives.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "fuse/kernel_mount.h"
#include "fuse/mount.h"
#include "fuse/shared_state.h"

namespace pail::fuse {

class Supervisor {
 public:
  Supervisor(MountSpec spec, SupervisorSettings settings);

  // Mounts and supervises until the mount ends; returns the exit code.
  int run();

 private:
  // What the user wants.
  enum class Wish { keep_mounted, finish, stop_now };
  // How far the unmounting is that was asked for by a signal.
  enum class Leaving { no, unmounting, detached, gone };

  int run_to_the_end();
  Result<Unit> prepare();
  Result<Unit> mount_anew();
  Result<Unit> read_init();
  Result<Unit> start_worker();
  [[noreturn]] void become_worker(const char* descriptors);

  // Waits for the worker's death; returns its wait status.
  int watch_worker();
  std::optional<int> reap();
  void handle_signal(int signal);
  void check_life(std::chrono::milliseconds passed);
  void check_start(std::chrono::milliseconds passed);
  void check_heartbeat(std::chrono::milliseconds passed);
  void check_end();
  void advance_leaving();
  void unmount_ended(int status);

  // Decides after a death: an exit code, or nothing to go on with the next worker.
  std::optional<int> after_death(int status);
  std::optional<int> after_connection(int status);
  std::optional<int> before_service(int status);
  void record_death(int status);
  Result<Unit> prepare_next();
  bool pause_before_restart();

  bool connection_ended() const;
  void remove_mount();
  int fail(const Error& error);

  MountSpec spec_;
  SupervisorSettings settings_;
  std::filesystem::path path_;
  UniqueFd secrets_;
  UniqueFd connection_;
  std::optional<MountIdentity> mount_;
  std::optional<SharedMemory> shared_;
  std::string original_oom_score_;
  sigset_t signals_{};

  pid_t worker_ = -1;
  pid_t unmounter_ = -1;
  Wish wish_ = Wish::keep_mounted;
  Leaving leaving_ = Leaving::no;
  bool hung_ = false;  // the running worker was killed for showing no life
  bool late_ = false;  // or for not coming up
  int overdue_ = 0;    // workers killed for not ending
  std::uint64_t last_beat_ = 0, replies_at_start_ = 0;
  std::chrono::milliseconds silent_for_{0}, starting_for_{0};
  int deaths_in_a_row_ = 0;  // without an answer in between
};

}  // namespace pail::fuse
