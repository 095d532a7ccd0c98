#include "schedule/scheduler.h"

#include <cxxabi.h>
#include <execinfo.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <thread>

namespace pail::schedule {
namespace {

Scheduler* the_scheduler = nullptr;
thread_local ThreadId scheduled_as = 0;  // 0: not at all, or not any more
bool is_simulated = false;               // this process, of whatever thread

constexpr pid_t kProcess = 7;  // as in a container, each worker that begins there has the same
constexpr std::uint64_t kPriorityChangesOneIn = 60;
constexpr std::uint64_t kMostStepsAtOnce = 20'000'000;  // without looking outside: they lead nowhere

// libc's own syscall() is not replaced in this program.
void futex(std::atomic<int>& word, int operation, int value) {
  ::syscall(SYS_futex, reinterpret_cast<int*>(&word), operation | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

std::string readable(const char* symbol) {
  const std::string text = symbol;
  const auto begin = text.find('('), plus = text.find('+', begin);
  if (begin == std::string::npos || plus == std::string::npos) return text;
  int failed = 0;
  const std::string name = text.substr(begin + 1, plus - begin - 1);
  char* demangled = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &failed);
  std::string shown = failed == 0 ? demangled : text.substr(0, text.find(" ["));  // without its address
  std::free(demangled);
  return shown;
}

std::string stack_of_this_thread() {
  void* frames[64];
  const int count = ::backtrace(frames, 64);
  char** symbols = ::backtrace_symbols(frames, count);
  std::string text;
  for (int i = 0; symbols != nullptr && i < count; ++i) text += "    " + readable(symbols[i]) + "\n";
  std::free(symbols);
  return text;
}

}  // namespace

struct Scheduler::Thread {
  ThreadId id;
  std::string name;
  std::thread thread;  // none: the one that began
  std::atomic<int> baton{0};
  bool runnable = false, done = false, timed_out = false;
  const void* waits_for = nullptr;
  std::optional<SteadyTime> wake_at;
  std::uint64_t priority = 0;
};

Scheduler::Scheduler(Settings settings, Outside& outside, Disk& disk)
    : settings_(std::move(settings)),
      outside_(outside),
      disk_(disk),
      choices_(settings_.seed),
      secrets_(choices_.fork()) {}

void Scheduler::begin(Settings settings, Outside& outside, Disk& disk) {
  the_scheduler = new Scheduler(std::move(settings), outside, disk);
  Scheduler& self = *the_scheduler;
  self.threads_.push_back(std::make_unique<Thread>());
  self.threads_.back()->id = 1;
  self.threads_.back()->name = "main";
  self.threads_.back()->priority = self.choices_.next();
  self.running_ = scheduled_as = 1;
  // A copy of this process, made to look at something that may crash, has one thread and no world.
  ::pthread_atfork(nullptr, nullptr, [] {
    scheduled_as = 0;
    is_simulated = false;
  });
  is_simulated = true;
  self.consult(std::nullopt);
}

Scheduler* Scheduler::current() {
  return scheduled_as != 0 ? the_scheduler : nullptr;
}

pid_t Scheduler::process() {
  return is_simulated ? kProcess : static_cast<pid_t>(::syscall(SYS_getpid));
}

WallTime Scheduler::wall() const {
  return WallTime(now_.time_since_epoch() + wall_offset_);
}

// ---- time ----

void Scheduler::pass_time() {
  ++steps_;
  if (settings_.death && steps_ >= *settings_.death) ::kill(static_cast<pid_t>(::syscall(SYS_getpid)), SIGKILL);
  now_ += std::chrono::nanoseconds(choices_.below(2 * static_cast<std::uint64_t>(settings_.step.count()) + 1));
  if (++steps_since_consulted_ > kMostStepsAtOnce) outside_.give_up("threads run without end\n" + stacks());
  if (now_ >= until_) consult(std::nullopt);
  wake_sleepers();
}

void Scheduler::consult(std::optional<Idle> idle) {
  const Granted granted = outside_.consult(now_, idle);
  steps_since_consulted_ = 0;
  now_ = std::max(now_, granted.now);
  until_ = granted.until;
  wall_offset_ = granted.wall_offset;
}

void Scheduler::wake_sleepers() {
  for (const auto& thread : threads_)
    if (thread->wake_at && *thread->wake_at <= now_) make_runnable(*thread, true);
}

// ---- the baton ----

void Scheduler::step(Place place) {
  digest_ = (digest_ ^ (static_cast<std::uint64_t>(place) + running_ * 16)) * 0x100000001b3u;
  pass_time();
  hand_on(true);
}

void Scheduler::make_runnable(Thread& thread, bool timed_out) {
  thread.wake_at.reset();
  thread.waits_for = nullptr;
  thread.timed_out = timed_out;
  thread.runnable = true;
  runnable_.push_back(&thread);
}

Scheduler::Thread* Scheduler::choose(bool may_stay) {
  if (runnable_.empty()) return nullptr;
  if (settings_.by_priority) {
    if (choices_.one_in(kPriorityChangesOneIn)) self().priority = choices_.next();
    const auto first = std::ranges::max_element(runnable_, {}, &Thread::priority);
    return may_stay && self().priority >= (*first)->priority ? nullptr : *first;
  }
  if (may_stay && !choices_.one_in(settings_.switch_one_in)) return nullptr;
  return runnable_[choices_.below(runnable_.size())];
}

// Who may not stay waits, or is done, and somebody else must run.
void Scheduler::hand_on(bool may_stay) {
  Thread& before = self();
  Thread* next = choose(may_stay);
  while (next == nullptr && !may_stay) {
    std::optional<SteadyTime> wake;
    for (const auto& thread : threads_)
      if (thread->wake_at && (!wake || *thread->wake_at < *wake)) wake = thread->wake_at;
    consult(Idle{wake});
    wake_sleepers();
    next = choose(false);
  }
  if (next == nullptr) return;
  std::erase(runnable_, next);
  next->runnable = false;
  if (next == &before) return;
  if (may_stay) {
    before.runnable = true;
    runnable_.push_back(&before);
  }
  running_ = next->id;
  give_baton(*next);
  if (!before.done) await_baton(before);
}

void Scheduler::give_baton(Thread& next) {
  next.baton.store(1, std::memory_order_release);
  futex(next.baton, FUTEX_WAKE, 1);
}

void Scheduler::await_baton(Thread& thread) {
  for (;;) {
    while (thread.baton.load(std::memory_order_acquire) == 0) futex(thread.baton, FUTEX_WAIT, 0);
    thread.baton.store(0, std::memory_order_relaxed);
    if (asks_for_stacks_ == nullptr) return;
    stacks_ += stack_of_this_thread();
    give_baton(*asks_for_stacks_);
  }
}

// ---- waiting ----

bool Scheduler::wait_for(const void* what, std::optional<SteadyTime> until) {
  Thread& thread = self();
  digest_ = (digest_ ^ (static_cast<std::uint64_t>(Place::wait) + running_ * 16)) * 0x100000001b3u;
  thread.waits_for = what;  // before time passes: what comes from outside then may be what it waits for
  thread.wake_at = until;
  thread.timed_out = false;
  pass_time();
  hand_on(false);
  return !thread.timed_out;
}

void Scheduler::wake_all(const void* what) {
  for (const auto& thread : threads_)
    if (thread->waits_for == what) make_runnable(*thread, false);
}

void Scheduler::wake_one(const void* what) {
  std::vector<Thread*> waiting;
  for (const auto& thread : threads_)
    if (thread->waits_for == what) waiting.push_back(thread.get());
  if (!waiting.empty()) make_runnable(*waiting[choices_.below(waiting.size())], false);
}

// ---- threads ----

ThreadId Scheduler::start_thread(std::string name, std::function<void()> run) {
  threads_.push_back(std::make_unique<Thread>());
  Thread& thread = *threads_.back();
  thread.id = static_cast<ThreadId>(threads_.size());
  thread.name = std::move(name);
  thread.priority = choices_.next();
  thread.runnable = true;
  runnable_.push_back(&thread);
  thread.thread = std::thread([this, &thread, run = std::move(run)]() mutable { run_thread(thread, std::move(run)); });
  step(Place::thread);
  return thread.id;
}

void Scheduler::run_thread(Thread& thread, std::function<void()> run) {
  ::pthread_setname_np(::pthread_self(), thread.name.substr(0, 15).c_str());
  scheduled_as = thread.id;
  await_baton(thread);
  run();
  run = nullptr;  // what it held goes while this thread is one of ours
  thread.done = true;
  wake_all(&thread);
  hand_on(false);
  scheduled_as = 0;
}

void Scheduler::join(ThreadId id) {
  Thread& thread = *threads_[id - 1];
  step(Place::thread);
  while (!thread.done) (void)wait_for(&thread);
  thread.thread.join();
}

std::string Scheduler::stacks() {
  Thread& asking = self();
  std::string text;
  for (const auto& thread : threads_) {
    if (thread->done) continue;
    text += "thread " + std::to_string(thread->id) + " " + thread->name;
    text += thread->waits_for != nullptr ? ", which waits"
            : thread.get() == &asking    ? ", which runs"
                                         : ", which could run";
    text += "\n";
    if (thread.get() == &asking) {
      text += stack_of_this_thread();
      continue;
    }
    stacks_.clear();
    asks_for_stacks_ = &asking;
    give_baton(*thread);
    while (asking.baton.load(std::memory_order_acquire) == 0) futex(asking.baton, FUTEX_WAIT, 0);
    asking.baton.store(0, std::memory_order_relaxed);
    asks_for_stacks_ = nullptr;
    text += stacks_;
  }
  return text;
}

}  // namespace pail::schedule
