// Real threads of which one runs at a time. Who holds the baton hands it on at every lock, wait and disk operation, to
// whom a seeded choice names; time is virtual and jumps to the next event when all wait.
//
// One scheduler a process. Everything here is called by the thread that holds the baton, so that nothing of it needs a
// lock.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pailfs/base/clock.h"
#include "schedule/primitives.h"
#include "simulation/seeded_random.h"

namespace pail::schedule {

using simulation::Random;

// Where a thread hands the baton on.
enum class Place { lock, unlock, wait, notify, thread, disk, message };

// How far a process may run before it looks outside again, and what the machine's clocks say.
struct Granted {
  SteadyTime now, until;
  std::chrono::nanoseconds wall_offset{0};  // from steady() to wall()
};

// All threads wait, until then at most; none: for what comes from outside.
struct Idle {
  std::optional<SteadyTime> wake;
};

// The world beyond the process.
class Outside {
 public:
  virtual ~Outside() = default;
  // The process has come to `now` and goes no further without this. What happens meanwhile is put into mailboxes before
  // it returns.
  virtual Granted consult(SteadyTime now, std::optional<Idle> idle) = 0;
  // Nothing but a mistake: the text says which, with the stack of every thread. Does not return.
  [[noreturn]] virtual void give_up(const std::string& text) = 0;
};

struct Settings {
  std::uint64_t seed = 1;
  unsigned switch_one_in = 8;  // of all places; where nobody must wait
  bool by_priority = false;    // the thread of the highest priority runs until it waits; they change now and then
  std::chrono::nanoseconds step{2'000};  // what a step takes on average
  std::optional<std::uint64_t> death;    // the step at which the process is killed
  std::string boot_id = "boot";
};

// A call of libc that uses the disk.
struct DiskOperation {
  const char* name;  // of static duration
  int file = -1;     // a descriptor; -1 or AT_FDCWD: the path is enough
  const char* path = nullptr;

  std::string where() const;  // the path of the file
};

// What a disk operation meets.
class Disk {
 public:
  virtual ~Disk() = default;
  // 0: it is carried out. Else the errno with which it fails.
  virtual int fails(const DiskOperation& operation, Random& random) = 0;
  virtual std::uint64_t size() const = 0;  // bytes
  virtual std::uint64_t free() const = 0;
};

class Scheduler {
 public:
  // Begins to schedule the thread that calls this. `outside` and `disk` live for ever.
  static void begin(Settings settings, Outside& outside, Disk& disk);
  // Of this process; null: nobody schedules, or the calling thread is none of its.
  static Scheduler* current();
  // What getpid() says: always the same in a simulated process, also of a thread that is none of the scheduler's any
  // more.
  static pid_t process();

  // A place: time passes, and another thread may run before it returns.
  void step(Place place);
  // Until wake(`what`), or `until`. False when that came first. May end early for no reason.
  bool wait_for(const void* what, std::optional<SteadyTime> until = std::nullopt);
  void wake_all(const void* what);
  void wake_one(const void* what);

  ThreadId start_thread(std::string name, std::function<void()> run);
  void join(ThreadId id);
  ThreadId running() const { return running_; }

  SteadyTime now() const { return now_; }
  WallTime wall() const;
  const std::string& boot_id() const { return settings_.boot_id; }
  Random& random() { return choices_; }
  Random& secrets() { return secrets_; }
  Disk& disk() const { return disk_; }
  // The next step looks outside first: something was sent.
  void look_outside() { until_ = now_; }
  std::uint64_t steps() const { return steps_; }
  std::uint64_t digest() const { return digest_; }  // of all choices so far
  // Of every thread: its name, what it waits for, and its stack.
  std::string stacks();

 private:
  struct Thread;

  Scheduler(Settings settings, Outside& outside, Disk& disk);
  void pass_time();
  void consult(std::optional<Idle> idle);
  void wake_sleepers();
  void hand_on(bool may_stay);
  Thread* choose(bool may_stay);
  Thread& self() { return *threads_[running_ - 1]; }
  void give_baton(Thread& next);
  void await_baton(Thread& thread);
  void run_thread(Thread& thread, std::function<void()> run);
  void make_runnable(Thread& thread, bool timed_out);

  const Settings settings_;
  Outside& outside_;
  Disk& disk_;
  Random choices_, secrets_;
  SteadyTime now_, until_;
  std::chrono::nanoseconds wall_offset_{0};
  std::uint64_t steps_ = 0, digest_ = 0, steps_since_consulted_ = 0;
  std::deque<std::unique_ptr<Thread>> threads_;  // by id, from 1
  std::vector<Thread*> runnable_;                // without the one that runs
  ThreadId running_ = 0;
  Thread* asks_for_stacks_ = nullptr;
  std::string stacks_;
};

// Values that come from outside or from other threads. Putting is no place to hand the baton on.
template <class T>
class Mailbox {
 public:
  void put(T value) {
    values_.push_back(std::move(value));
    if (Scheduler* scheduler = Scheduler::current()) scheduler->wake_all(this);
  }
  T take() {
    while (values_.empty()) (void)Scheduler::current()->wait_for(this);
    return pop();
  }
  // None: `until` came first.
  std::optional<T> take_until(std::optional<SteadyTime> until) {
    while (values_.empty())
      if (!Scheduler::current()->wait_for(this, until)) break;
    return values_.empty() ? std::nullopt : std::optional(pop());
  }

 private:
  T pop() {
    T first = std::move(values_.front());
    values_.pop_front();
    return first;
  }
  std::deque<T> values_;
};

}  // namespace pail::schedule
