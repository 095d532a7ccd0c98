// A lock of the simulated kernel: shared by many or held by one, granted in the order of asking.
//
// Single-threaded: nobody waits, but goes on by a function that is called with the hold.
#pragma once

#include <deque>
#include <functional>
#include <memory>

namespace pail::simulation {

// What is to be run soon, by whoever drives the kernel.
using ReadyQueue = std::deque<std::function<void()>>;

class InodeLock : public std::enable_shared_from_this<InodeLock> {
 public:
  enum class Mode { shared, exclusive };
  // Held as long as a copy of it lives.
  using Hold = std::shared_ptr<const void>;
  using Then = std::function<void(Hold)>;

  // A shared_ptr owns each lock. Those that had to wait are put into `ready`, which lives longer than all holds.
  explicit InodeLock(ReadyQueue& ready) : ready_(ready) {}

  // Calls `then` at once, or lets it wait for its turn.
  void take(Mode mode, Then then);
  // Nobody waits any more.
  void abandon();

 private:
  struct Waiter {
    Mode mode;
    Then then;
  };

  bool is_free_for(Mode mode) const { return !exclusive_ && (mode == Mode::shared || shared_ == 0); }
  Hold hold(Mode mode);
  void release(Mode mode);

  ReadyQueue& ready_;
  bool exclusive_ = false;
  unsigned shared_ = 0;
  std::deque<Waiter> waiters_;
};

}  // namespace pail::simulation
