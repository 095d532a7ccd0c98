#include "mount/handover/mounted.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

namespace pail::fuse::test {
namespace {

using std::chrono::steady_clock;

constexpr std::chrono::seconds kPatience(30);

pid_t wait_apart(pid_t pid, int& status, std::chrono::seconds most) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  pollfd ended{process.get(), POLLIN, 0};
  if (poll(&ended, 1, static_cast<int>(most.count() * 1000)) <= 0) return -1;
  return waitpid(pid, &status, 0);
}

}  // namespace

void MountTest::SetUp() {
  if (access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "no /dev/fuse: mount tests cannot run here";
  if (geteuid() != 0) GTEST_SKIP() << "mount tests need root";
  std::string name = (std::filesystem::temp_directory_path() / "pailfs-mount-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  root_ = name;
  mounted_ = root_ / "mounted";
  backing_ = root_ / "backing";
  std::filesystem::create_directory(mounted_);
  std::filesystem::create_directory(backing_);
}

void MountTest::TearDown() {
  if (root_.empty()) return;
  if (supervisor_ > 0) {
    kill(supervisor_, SIGTERM);
    int status = 0;
    if (wait_apart(supervisor_, status, kPatience) != supervisor_) {
      ADD_FAILURE() << "the supervisor did not end";
      const pid_t left = worker();
      kill(supervisor_, SIGKILL);
      if (left > 0) kill(left, SIGKILL);
    }
  }
  umount2(mounted_.c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(root_, ignored);
}

Result<Unit> MountTest::mount(Resumption resumption) {
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) return Error{errno, "pipe"};
  const UniqueFd outcome(pipe[0]);
  UniqueFd ready(pipe[1]);
  supervisor_ = fork();
  if (supervisor_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    SupervisorSettings settings;
    settings.worker_argv = {"mount_test_worker", backing_.string()};
    settings.secrets = Secret("open sesame");
    settings.ready = std::move(ready);
    settings.hang_after = hang_after_;
    settings.start_within = start_within_;
    settings.stop_timeout = stop_timeout_;
    settings.end_grace = std::chrono::seconds(1);
    settings.resumption = resumption;
    _exit(supervise({mounted_, "test,bucket", Audience::mounting_user}, std::move(settings)));
  }
  ready.reset();
  return read_outcome(outcome.get());
}

void MountTest::kill_supervisor() {
  kill(supervisor_, SIGKILL);
  waitpid(supervisor_, nullptr, 0);
  supervisor_ = -1;
}

int MountTest::supervisor_status() {
  int status = -1;
  if (wait_apart(supervisor_, status, kPatience) == supervisor_) supervisor_ = -1;
  return status;
}

pid_t MountTest::worker() const {
  const std::string pid = std::to_string(supervisor_);
  std::istringstream children(read_text("/proc/" + pid + "/task/" + pid + "/children"));
  pid_t child = -1;
  children >> child;
  return child;
}

pid_t MountTest::wait_for_worker_other_than(pid_t old) const {
  for (const auto until = steady_clock::now() + kPatience; steady_clock::now() < until; std::this_thread::yield())
    if (const pid_t now = worker(); now > 0 && now != old) return now;
  return -1;
}

std::chrono::microseconds MountTest::kill_worker_and_measure() {
  const pid_t before = worker();
  const auto begun = steady_clock::now();
  kill(before, SIGKILL);
  wait_for_worker_other_than(before);
  struct statvfs answer {};
  EXPECT_EQ(statvfs(mounted_.c_str(), &answer), 0) << strerror(errno);
  return std::chrono::duration_cast<std::chrono::microseconds>(steady_clock::now() - begun);
}

struct Program::Shared {
  std::atomic<bool> stop;
  std::atomic<int> steps;
  char failure[512];
};

Program::Program(const std::function<std::string()>& step)
    : shared_(static_cast<Shared*>(
          mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))),
      pid_(fork()) {
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::string failure;
  while (!shared_->stop && failure.empty()) failure = step(), ++shared_->steps;
  if (failure.empty() && shared_->steps == 0) failure = "no step was carried out";
  failure.copy(shared_->failure, sizeof shared_->failure - 1);
  _exit(0);
}

Program::~Program() {
  if (pid_ > 0) stop();
  munmap(shared_, sizeof(Shared));
}

void Program::await_step() const {
  const int before = shared_->steps;
  for (const auto until = steady_clock::now() + kPatience; shared_->steps == before && steady_clock::now() < until;)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

std::string Program::stop() {
  shared_->stop = true;
  int status = 0;
  if (wait_apart(pid_, status, kPatience) != pid_) {
    kill(pid_, SIGKILL);
    return "hangs";
  }
  pid_ = -1;
  return shared_->failure;
}

bool wait_for_end(pid_t child, int& status) {
  if (wait_apart(child, status, kPatience) == child) return true;
  kill(child, SIGKILL);
  return false;
}

int run_apart(const std::function<int()>& check, std::chrono::seconds most) {
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    _exit(check());
  }
  int status = 0;
  if (wait_apart(child, status, most) == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -2;
  kill(child, SIGKILL);
  return -1;
}

void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

std::string read_text(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

}  // namespace pail::fuse::test
