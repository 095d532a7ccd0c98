#include "schedule/primitives.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/mutex.h"
#include "base/random.h"
#include "pailfs/base/clock.h"
#include "schedule/scheduler.h"

namespace pail::schedule {
namespace {

[[noreturn]] void refuse(const char* what) {
  std::fprintf(stderr, "simulation: %s where no scheduler runs\n", what);
  std::abort();
}

Scheduler& scheduler_for(const char* what) {
  Scheduler* scheduler = Scheduler::current();
  if (scheduler == nullptr) refuse(what);
  return *scheduler;
}

}  // namespace

ThreadId this_thread() {
  const Scheduler* scheduler = Scheduler::current();
  return scheduler != nullptr ? scheduler->running() : 0;
}

void Lock::lock() {
  if (Scheduler* scheduler = Scheduler::current()) {
    scheduler->step(Place::lock);
    while (held_) {
      if (owner_ == scheduler->running()) refuse("a lock is taken twice by one thread; it is");
      ++waiters_;
      (void)scheduler->wait_for(this);
      --waiters_;
    }
    owner_ = scheduler->running();
  } else if (held_) {
    refuse("a lock is waited for");
  }
  held_ = true;
}

void Lock::unlock() {
  Scheduler* scheduler = Scheduler::current();
  held_ = false;
  owner_ = 0;
  if (scheduler == nullptr) return;
  if (waiters_ > 0) scheduler->wake_all(this);
  scheduler->step(Place::unlock);  // `this` may be gone when it returns
}

void Condition::wait(Lock& lock) {
  (void)wait_until(lock, SteadyTime::max());
}

bool Condition::wait_until(Lock& lock, SteadyTime until) {
  Scheduler& scheduler = scheduler_for("a condition is waited for");
  lock.release_for_wait(scheduler);
  const bool woken = scheduler.wait_for(this, until == SteadyTime::max() ? std::nullopt : std::optional(until));
  lock.lock();
  return woken;
}

void Lock::release_for_wait(Scheduler& scheduler) {
  held_ = false;
  owner_ = 0;
  if (waiters_ > 0) scheduler.wake_all(this);
}

void Condition::notify_one() {
  Scheduler* scheduler = Scheduler::current();
  if (scheduler == nullptr) return;
  scheduler->wake_one(this);
  scheduler->step(Place::notify);
}

void Condition::notify_all() {
  Scheduler* scheduler = Scheduler::current();
  if (scheduler == nullptr) return;
  scheduler->wake_all(this);
  scheduler->step(Place::notify);
}

struct RunningThread::Handle {
  ThreadId id;
};

RunningThread::RunningThread(std::string name, std::function<void()> run)
    : handle_(std::make_shared<Handle>(
          Handle{scheduler_for("a thread begins").start_thread(std::move(name), std::move(run))})) {}

void RunningThread::join() {
  scheduler_for("a thread is joined").join(handle_->id);
  handle_ = nullptr;
}

ThreadId RunningThread::id() const {
  return handle_ != nullptr ? handle_->id : 0;
}

}  // namespace pail::schedule

namespace pail {
namespace {

// Of the process that is simulated; of others the machine's.
class SimulatedClock final : public Clock {
 public:
  WallTime wall() const override {
    const auto* scheduler = schedule::Scheduler::current();
    return scheduler != nullptr ? scheduler->wall() : WallTime(std::chrono::system_clock::now());
  }
  SteadyTime steady() const override {
    const auto* scheduler = schedule::Scheduler::current();
    return scheduler != nullptr ? scheduler->now() : SteadyTime(std::chrono::steady_clock::now());
  }
  std::string boot_id() const override {
    const auto* scheduler = schedule::Scheduler::current();
    return scheduler != nullptr ? scheduler->boot_id() : "";
  }
  bool wait_until(CondVar& changed, Mutex& mutex, SteadyTime until) const override PAIL_REQUIRES(mutex) {
    return changed.wait_until(mutex, until);
  }
};

}  // namespace

const Clock& system_clock() {
  static const SimulatedClock clock;
  return clock;
}

void fill_random(std::span<std::byte> out) {
  auto* scheduler = schedule::Scheduler::current();
  static simulation::Random outside_of_all(1);
  simulation::Random& random = scheduler != nullptr ? scheduler->secrets() : outside_of_all;
  for (std::byte& byte : out) byte = static_cast<std::byte>(random.next() >> 32);
}

}  // namespace pail
