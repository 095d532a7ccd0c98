#include "simulation/life_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include "simulation/wrong.h"

namespace pail::simulation {
namespace {

constexpr int kRealPatienceMs = 120'000;  // for a process that must be hanging

}  // namespace

LifeProcess::~LifeProcess() {
  if (process_ == 0) return;
  ::kill(process_, SIGKILL);
  (void)wait();
}

void LifeProcess::begin(const LifeSettings& settings, fuse::SharedState& state) {
  int down[2], up[2];
  if (::pipe2(down, O_CLOEXEC) != 0 || ::pipe2(up, O_CLOEXEC) != 0) throw Wrong{"no pipe"};
  const pid_t process = ::fork();
  if (process < 0) throw Wrong{"no process"};
  if (process == 0) {
    ::close(down[1]);
    ::close(up[0]);
    live(settings, down[0], up[1], state);
  }
  ::close(down[0]);
  ::close(up[1]);
  process_ = process;
  to_ = UniqueFd(down[1]);
  from_ = UniqueFd(up[0]);
}

std::optional<FromLife> LifeProcess::receive() {
  pollfd ready{from_.get(), POLLIN, 0};
  if (::poll(&ready, 1, kRealPatienceMs) == 0) {
    ::kill(process_, SIGABRT);
    throw Wrong{"the process hangs in something that is not simulated"};
  }
  auto message = receive_from_life(from_.get());
  if (!message) return std::nullopt;
  return *std::move(message);
}

void LifeProcess::send(const Go& go) {
  (void)simulation::send(to_.get(), go);
}

int LifeProcess::wait() {
  int status = 0;
  ::waitpid(std::exchange(process_, 0), &status, 0);
  return status;
}

}  // namespace pail::simulation
