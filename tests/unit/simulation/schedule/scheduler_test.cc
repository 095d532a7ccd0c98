// The simulated scheduler: each case runs in a process of its own, as there is one scheduler a process.
#include "schedule/scheduler.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "base/thread.h"
#include "pailfs/base/clock.h"

namespace pail::schedule {
namespace {

using std::chrono::hours;

// A world in which nothing happens: time jumps to whoever wakes first.
class Nothing final : public Outside {
 public:
  Granted consult(SteadyTime now, std::optional<Idle> idle) override {
    if (idle && !idle->wake) give_up("all threads wait for ever\n" + Scheduler::current()->stacks());
    return {idle ? *idle->wake : now, SteadyTime::max(), hours(1000)};
  }
  [[noreturn]] void give_up(const std::string& text) override {
    (void)::write(1, text.data(), text.size());
    ::_exit(3);
  }
};

class GoodDisk final : public Disk {
 public:
  int fails(const DiskOperation&, Random&) override { return 0; }
  std::uint64_t size() const override { return 1 << 30; }
  std::uint64_t free() const override { return 1 << 29; }
};

struct Ended {
  std::string said;
  int status = 0;  // of waitpid()
};

// What `body` returns, with the digest of its schedule behind it.
Ended run(const Settings& settings, const std::function<std::string()>& body) {
  int ends[2];
  if (::pipe(ends) != 0) std::abort();
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], 1);
    static Nothing outside;
    static GoodDisk disk;
    Scheduler::begin(settings, outside, disk);
    const std::string said = body() + " " + std::to_string(Scheduler::current()->digest());
    (void)::write(1, said.data(), said.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  Ended ended;
  char piece[4096];
  for (ssize_t got = 0; (got = ::read(ends[0], piece, sizeof piece)) > 0;)
    ended.said.append(piece, static_cast<std::size_t>(got));
  ::close(ends[0]);
  ::waitpid(child, &ended.status, 0);
  return ended;
}

// In which order three threads came by.
std::string order_of_three() {
  Mutex mutex;
  std::string order;
  {
    std::vector<Thread> threads;
    for (char name : {'a', 'b', 'c'})
      threads.emplace_back("order", [&, name] {
        for (int i = 0; i < 4; ++i) {
          const MutexLock lock(mutex);
          order += name;
        }
      });
  }
  return order;
}

std::string two_locks_in_two_orders() {
  Mutex first, second;
  const auto both = [](Mutex& one, Mutex& other) {
    const MutexLock lock(one);
    const MutexLock inner(other);
  };
  {
    const Thread a("a", [&] { both(first, second); });
    const Thread b("b", [&] { both(second, first); });
  }
  return "done";
}

TEST(SchedulerTest, OneSeedIsOneSchedule) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Settings settings{.seed = seed, .switch_one_in = 2};
    EXPECT_EQ(run(settings, order_of_three).said, run(settings, order_of_three).said) << seed;
  }
}

TEST(SchedulerTest, SeedsGiveManyOrders) {
  for (const bool by_priority : {false, true}) {
    std::map<std::string, int> seen;
    for (std::uint64_t seed = 1; seed <= 60; ++seed)
      ++seen[run({.seed = seed, .switch_one_in = 2, .by_priority = by_priority}, order_of_three).said.substr(0, 12)];
    EXPECT_GE(seen.size(), by_priority ? 5u : 20u);
  }
}

TEST(SchedulerTest, TwoLocksTakenInTwoOrdersAreADeadlockThatIsReportedWithTheStacks) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Ended ended = run({.seed = seed, .switch_one_in = 2}, two_locks_in_two_orders);
    if (ended.said.starts_with("done")) continue;
    ++found;
    EXPECT_TRUE(ended.said.starts_with("all threads wait for ever")) << ended.said;
    EXPECT_NE(ended.said.find("thread 2 a, which waits"), std::string::npos) << ended.said;
    EXPECT_NE(ended.said.find("pail::schedule::Lock::lock"), std::string::npos) << ended.said;
  }
  EXPECT_GE(found, 5);
}

TEST(SchedulerTest, TimeJumpsWhenAllSleep) {
  const Ended ended = run({}, [] {
    const SteadyTime begin = system_clock().steady();
    const WallTime wall = system_clock().wall();
    EXPECT_EQ(std::chrono::floor<hours>(wall.time_since_epoch() - begin.time_since_epoch()), hours(1000));
    EXPECT_TRUE(sleep_for(hours(48)));
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    EXPECT_EQ(now.tv_sec, std::chrono::floor<std::chrono::seconds>(system_clock().steady().time_since_epoch()).count());
    return std::to_string(std::chrono::floor<hours>(system_clock().steady() - begin).count());
  });
  EXPECT_TRUE(ended.said.starts_with("48 ")) << ended.said;
}

TEST(SchedulerTest, AStopEndsASleep) {
  const Ended ended = run({.seed = 3, .switch_one_in = 2}, [] {
    StopSource stop;
    bool slept = true;
    {
      const Thread sleeper("sleeper", [&] { slept = sleep_for(hours(1'000'000), stop.token()); });
      stop.request_stop();
    }
    return std::string(slept ? "slept" : "stopped");
  });
  EXPECT_TRUE(ended.said.starts_with("stopped ")) << ended.said;
}

TEST(SchedulerTest, AProcessDiesAtItsStep) {
  EXPECT_EQ(run({.switch_one_in = 2, .death = 1'000'000}, order_of_three).status, 0);
  const Ended ended = run({.switch_one_in = 2, .death = 12}, order_of_three);
  EXPECT_TRUE(WIFSIGNALED(ended.status) && WTERMSIG(ended.status) == SIGKILL);
}

TEST(SchedulerTest, ThreadsThatRunWithoutEndAreReported) {
  const Ended ended = run({.switch_one_in = 2}, [] {
    Mutex mutex;
    for (;;) const MutexLock lock(mutex);
    return std::string();
  });
  EXPECT_TRUE(ended.said.starts_with("threads run without end\nthread 1 main, which runs")) << ended.said;
}

TEST(SchedulerTest, AProcessHasAlwaysTheSameNumberAndItsCopiesHaveTheirOwn) {
  const auto numbers = [] {
    pid_t of_thread = 0;
    {
      const Thread other("other", [&] { of_thread = ::getpid(); });
    }
    const pid_t copy = ::fork();
    if (copy == 0) ::_exit(::getpid() == ::syscall(SYS_getpid) ? 0 : 1);
    int status = -1;
    ::waitpid(copy, &status, 0);
    return std::to_string(::getpid()) + " " + std::to_string(of_thread) + " " + std::to_string(status);
  };
  const Ended first = run({}, numbers), second = run({}, numbers);
  EXPECT_EQ(first.said, second.said);
  EXPECT_TRUE(first.said.starts_with("7 7 0 ")) << first.said;
}

// A disk on which no file may grow.
class FullDisk final : public Disk {
 public:
  int fails(const DiskOperation& operation, Random&) override {
    return std::string_view(operation.name) == "append" ? ENOSPC : 0;
  }
  std::uint64_t size() const override { return 0; }
  std::uint64_t free() const override { return 0; }
};

// In a process of which it is the first thread.
bool holds_on_a_full_disk(const std::function<bool(int file)>& claim) {
  const pid_t child = ::fork();
  if (child == 0) {
    static Nothing outside;
    static FullDisk disk;
    Scheduler::begin({}, outside, disk);
    ::_exit(claim(::open("/tmp", O_RDWR | O_TMPFILE, 0600)) ? 0 : 1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status == 0;
}

TEST(SchedulerTest, DiskOperationsArePlacesAndMayFail) {
  EXPECT_TRUE(holds_on_a_full_disk([](int file) {
    const std::uint64_t before = Scheduler::current()->steps();
    const bool refused = ::pwrite(file, "x", 1, 0) == -1 && errno == ENOSPC;
    return refused && Scheduler::current()->steps() == before + 1;
  }));
}

TEST(SchedulerTest, AWriteThatFailsMayBeDoneInPartBefore) {
  EXPECT_TRUE(holds_on_a_full_disk([](int file) {
    const std::string bytes(100, 'x');
    ssize_t part = -1;
    while (part < 0) part = ::pwrite(file, bytes.data(), bytes.size(), 0);
    const auto done = static_cast<std::size_t>(part);
    return done < bytes.size() && ::pwrite(file, bytes.data(), bytes.size() - done, part) == -1 && errno == ENOSPC;
  }));
}

}  // namespace
}  // namespace pail::schedule
