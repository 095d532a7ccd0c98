// The requests of a kernel to its mount: those that are to be sent, and those that wait for an answer.
//
// Single-threaded. Whoever waits does so as a function, which owns what must live until the answer: locks that are
// held, inodes, open files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "simulation/calls.h"
#include "simulation/kernel/inode_lock.h"
#include "simulation/kernel/system_call.h"

namespace pail::simulation::kernel {

class Requests {
 public:
  using Answered = std::function<void(const Answer&)>;

  // Unique numbers are even and begin above `unique`.
  explicit Requests(std::uint64_t unique) : unique_(unique) {}

  // `then` is called with the answer; empty: nobody waits for it.
  void ask(Process process, Question question, Answered then);
  // Has no answer.
  void forget(InodeNumber number);
  // Those who had to wait for it go on in take(). Nobody holds it any more when this goes.
  std::shared_ptr<InodeLock> make_lock() { return std::make_shared<InodeLock>(ready_); }

  void answered(const Answer& answer);
  // Requests since the last time, in their order.
  std::vector<Call> take();
  // Those that wait for an answer, marked as asked again, in the order in which they were asked.
  std::vector<Call> unanswered() const;
  bool idle() const;  // nothing is asked, and nothing is to be
  std::uint64_t last_unique() const { return unique_; }

  // From here on nothing is asked: what is let go of now would else be released and forgotten.
  void end() { ended_ = true; }
  bool ended() const { return ended_; }
  // Lets go of all that waits. Only after end(), when the locks were abandoned.
  void drop();

 private:
  struct Pending {
    Call call;
    Answered then;
  };

  std::uint64_t unique_;
  bool ended_ = false;
  ReadyQueue ready_;
  std::vector<Call> calls_;
  std::map<std::uint64_t, Pending> pending_;
};

}  // namespace pail::simulation::kernel
