// One history: programs work on a mount, the store and the disk have their troubles, the mount's processes die and
// begin anew; a model says what each answer may be, and what must be in the bucket.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fuse/shared_state.h"
#include "simulation/judge.h"
#include "simulation/kernel/programs.h"
#include "simulation/life/life.h"
#include "simulation/life_process.h"
#include "simulation/messages.h"
#include "simulation/others/clients.h"
#include "simulation/others/told.h"
#include "simulation/plan.h"
#include "simulation/trace.h"
#include "simulation/world/world.h"

namespace pail::simulation {

struct Counted {
  std::uint64_t histories = 0, operations = 0, calls = 0, requests = 0, deaths = 0;
  std::chrono::nanoseconds time{0};  // virtual
  // How often each trouble, kind of death and check came, by its name, also what never did.
  std::map<std::string, std::uint64_t> happened;

  Counted& operator+=(const Counted& more);
};

// One thread, in a process that has no other: it forks.
class History {
 public:
  // The unique numbers of the driver's own calls; those of programs are below.
  static constexpr std::uint64_t kFirstOfTheDriver = std::uint64_t{1} << 40;

  // `directory` is empty, and this history's alone.
  History(const Plan& plan, Trace& trace, std::filesystem::path directory);
  History(const History&) = delete;
  History& operator=(const History&) = delete;

  // None: nothing was wrong. Else what was, for people.
  std::optional<std::string> run();
  const Counted& counted() const { return counted_; }

 private:
  // What is known of the process that serves the mount.
  struct Life {
    SteadyTime began{};
    bool may_die = false, disk_failed = false, disk_failed_at_its_end = false;
    std::uint64_t disk_fails_until = 0;  // a step; 0: it does not, any more
    std::optional<Ended> ended;
  };

  // ---- phases ----
  void work();
  void work_until(std::uint64_t operations);
  void remount();
  void finish();
  void settle_and_check();
  std::set<std::string> left_to_the_next();  // ids of uploads
  void check_uploads(std::set<std::string> left);
  void audit();

  // ---- lives ----
  void begin_life(vfs::Start start, bool may_die);
  LifeSettings draw_life(vfs::Start start, bool may_die);
  DiskTrouble draw_disk_trouble();
  void lose_cache();
  Around unmount();  // and what went wrong in that
  void end_mount();
  void wait_for_its_end();  // throws Wrong where it may not have ended so
  void go_on_after_death();
  void end_disk_trouble();
  vfs::Start next_start() const;

  // ---- between parent and child ----
  void pump();  // takes one message, and answers it where it asks for one
  void take(const Answered& answered);
  void take(const StoreRequest& request);
  void take(const StoreCancel& cancel);
  void take(const LogLine& line);
  void take(const DiskFailed& failed);
  void take(const Waiting& waiting);
  void take(const Ended& ended);
  std::vector<Event> events_due();
  bool others_act() const { return programs_run_ && !finishing_; }
  void disturb();
  void kill_a_caller();
  SteadyTime next_event() const;
  void ask(const Call& call);
  void ask(const std::vector<Call>& calls);
  Answer ask_and_wait(Question question);
  void pass(std::chrono::nanoseconds time);

  // ---- checks ----
  void note(std::string_view happened) { ++counted_.happened[std::string(happened)]; }
  void count();
  Around around_since(SteadyTime asked) const;
  void judge(const Verdict& verdict);

  const Plan plan_;
  Trace& trace_;
  const std::filesystem::path directory_;
  Random choices_;
  SteadyTime now_;
  std::chrono::nanoseconds wall_offset_;
  World world_;
  Programs programs_;
  others::Clients others_;
  std::unique_ptr<Judge> judge_;
  std::optional<fuse::SharedMemory> state_;  // what outlives a process of the mount
  LifeProcess process_;
  Life life_;
  std::vector<std::filesystem::path> not_removed_;  // by the disk, since the mount began
  std::vector<Event> to_send_;
  std::map<std::uint64_t, SteadyTime> asked_at_;
  std::set<std::uint64_t> interrupted_;
  std::map<std::uint64_t, Answer> for_driver_;     // what ask_and_wait() waits for
  std::uint64_t next_unique_ = kFirstOfTheDriver;  // of the driver's own calls
  SteadyTime alarm_ = SteadyTime::max();           // when pass() ends
  SteadyTime last_failed_cut_ = SteadyTime::min();
  SteadyTime last_disk_trouble_ = SteadyTime::min();  // max(): it has failed, and may again
  bool programs_run_ = false, finishing_ = false, unmounting_ = false;
  Counted counted_;
};

}  // namespace pail::simulation
