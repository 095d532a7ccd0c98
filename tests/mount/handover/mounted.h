// A mount of the test's file system, with its supervisor as a child of the test.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "fuse/mount.h"

namespace pail::fuse::test {

class MountTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Mounts; returns what the waiting process is told.
  Result<Unit> mount(Resumption resumption = Resumption::when_offered);
  void kill_supervisor();
  // Waits for the supervisor's end and returns its wait status.
  int supervisor_status();

  pid_t worker() const;
  // Kills the worker and returns how long the next request that needs one took.
  std::chrono::microseconds kill_worker_and_measure();
  pid_t wait_for_worker_other_than(pid_t old) const;

  std::filesystem::path root_, mounted_, backing_;
  std::chrono::milliseconds hang_after_{std::chrono::seconds(3)};
  std::chrono::milliseconds start_within_{std::chrono::minutes(1)}, stop_timeout_{std::chrono::minutes(1)};
  pid_t supervisor_ = -1;
};

// A program on the mount, in a process of its own: it runs `step` until told to stop or a step says what went wrong.
class Program {
 public:
  explicit Program(const std::function<std::string()>& step);
  ~Program();
  // Waits until one more step has ended.
  void await_step() const;
  // Empty when every step went well.
  std::string stop();

 private:
  struct Shared;
  Shared* shared_;
  pid_t pid_;
};

// Waits for a child's end; one that does not end in time is killed.
bool wait_for_end(pid_t child, int& status);

// Runs `check` in a child, so that a mount that hangs cannot hang the test; returns its exit status, -1 after `most`.
int run_apart(const std::function<int()>& check, std::chrono::seconds most = std::chrono::seconds(30));

void write_text(const std::filesystem::path& path, const std::string& text);
std::string read_text(const std::filesystem::path& path);

}  // namespace pail::fuse::test
