// Random programs: processes that make system calls for ever, over few names so that they meet.
//
// What a process does depends on the seed, its number and the outcomes of its own calls alone; so the same answers at
// the same times give the same calls. Pure and single-threaded; who drives it tells the time:
//
//   send(programs.begin(now));                            // at next_start(), too
//   send(programs.answered(answer, now));                 // for each answer
//   programs.finish();                                    // until idle()
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "simulation/kernel/kernel.h"
#include "simulation/seeded_random.h"

namespace pail::simulation {

// Bytes that say of which write they are and where: no two writes and no two places have the same.
std::string written_bytes(std::uint64_t seed, std::uint64_t write, std::uint64_t size);

class Programs {
 public:
  struct Settings {
    unsigned processes = 3;
    bool own_directories = false;  // each in one of its own; else all together
    unsigned names = 3;            // of files in a directory; of directories half of it, at least one
    unsigned depth = 3;            // names of a path, besides the own directory
    Kernel::Names trust = Kernel::Names::trusted;
    std::chrono::nanoseconds longest_thought = std::chrono::milliseconds(20);
    // Now and then one sleeps for once to three times the metadata time of the mount, or for longer than the pauses
    // after which a mount tries again to abort uploads.
    std::chrono::nanoseconds metadata_ttl = std::chrono::seconds(30), longest_sleep = std::chrono::hours(4);
    unsigned large_per_mille = 0;  // of writes that have 2 to 6 MiB
    std::size_t most_open = 6;     // descriptors that a process keeps open for later
  };

  Programs(std::uint64_t seed, const Settings& settings);
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  // What is asked now, by processes that have thought long enough. Unique numbers are even and rise over all mounts.
  std::vector<Call> begin(SteadyTime now);
  // What is asked next. An answer that nothing waits for is ignored.
  std::vector<Call> answered(const Answer& answer, SteadyTime now);
  // When begin() has something to do next; none: when an answer came.
  std::optional<SteadyTime> next_start() const;

  // A new life of the same mount went on: it is to be asked what resumed() returns, in this order.
  std::vector<Call> resumed() const { return kernel_->unanswered(); }
  // A fresh mount: descriptors, names and pending calls are gone, and each process begins anew.
  void remounted();
  // Processes close what they have open, and stop, until begin_again().
  void finish() { finishing_ = true; }
  // All had stopped, and a fresh mount begins.
  void begin_again();
  // All have stopped and nothing waits for an answer. Only after finish().
  bool idle() const;
  std::uint64_t operations() const { return operations_; }  // system calls that returned

 private:
  struct Program;
  using Step = std::function<void(Program& program)>;  // makes one system call
  using Activity = void (Programs::*)(Program& program);
  struct Weighted {
    unsigned weight;
    Activity activity;
  };
  static const std::vector<Weighted> kActivities;

  enum class State { ready, busy, stopped };
  struct Program {
    Program(Process number, std::uint64_t seed) : process(number), random(seed) {}

    Process process;
    Random random;
    State state = State::ready;
    SteadyTime wake{};
    std::deque<Step> steps;  // of the activity that goes on
    int current = -1;        // the descriptor of the activity
    std::vector<int> kept;   // descriptors of earlier ones
    std::uint64_t writes = 0;
  };

  std::vector<Call> run(SteadyTime now);
  bool is_due(const Program& program) const { return program.state == State::ready && program.wake <= now_; }
  void start(Program& program);
  void start_anew(Program& program);
  void next_to_finish(Program& program);
  void plan(Program& program);
  void returned(Program& program);
  Kernel::Then done(Program& program);
  Kernel::Then opened(Program& program);

  // ---- choices
  Path home(const Program& program) const;
  Path directory(Program& program) const;
  Path file(Program& program) const;
  Path subdirectory(Program& program) const;
  Path anything(Program& program) const;
  std::uint64_t size(Program& program) const;
  std::string bytes(Program& program);

  // ---- steps on `program.current`
  void add_open(Program& program, Path path, int flags);
  void add_write(Program& program, std::uint64_t at);
  void add_writes(Program& program);
  void add_read(Program& program, std::uint64_t at, std::uint64_t size);
  void add_sync(Program& program);
  void add_page(Program& program);
  void add_close(Program& program);
  void add_end(Program& program);
  void add_make_directory(Program& program, const Path& path);
  void add_rename(Program& program, const Path& from, const Path& to);
  static bool take_kept(Program& program);  // as the current one; false: there is none

  // ---- activities
  void write_file(Program& program);
  void append(Program& program);
  void patch(Program& program);
  void read_file(Program& program);
  void redirect(Program& program);
  void unlink_while_open(Program& program);
  void go_on_with_kept(Program& program);
  void close_kept(Program& program);
  void list(Program& program);
  void go_on_listing(Program& program);
  void stat(Program& program);
  void change_attributes(Program& program);
  void truncate(Program& program);
  void make_directory(Program& program);
  void remove_directory(Program& program);
  void unlink(Program& program);
  void rename(Program& program);
  void rename_directory(Program& program);
  void link(Program& program);
  void forget_something(Program& program);
  void sleep(Program& program);

  const std::uint64_t seed_;
  const Settings settings_;
  SteadyTime now_{};
  bool finishing_ = false;
  std::uint64_t operations_ = 0;
  std::deque<Program> programs_;
  std::unique_ptr<Kernel> kernel_;
};

}  // namespace pail::simulation
