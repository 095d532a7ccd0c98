// Turns: at most one operation at a time on one inode, for operations that wait for the store in between.
//
// Not a lock: nobody waits for it without being able to give up, and no mutex is held while a turn lasts. Whoever waits
// is served in order. Who needs turns of several inodes takes them by rising number.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>

#include "base/mutex.h"
#include "local/records.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"

namespace pail::vfs {

// Thread-safe.
class Turns {
 public:
  // Ends the turn when it goes. Movable.
  class Turn {
   public:
    Turn() = default;
    Turn(Turns* turns, local::InodeNumber number) : turns_(turns), number_(number) {}
    Turn(Turn&& other) noexcept : turns_(std::exchange(other.turns_, nullptr)), number_(other.number_) {}
    Turn& operator=(Turn&& other) noexcept {
      end();
      turns_ = std::exchange(other.turns_, nullptr);
      number_ = other.number_;
      return *this;
    }
    ~Turn() { end(); }

    local::InodeNumber number() const { return number_; }

   private:
    void end() {
      if (turns_ != nullptr) turns_->end(number_);
      turns_ = nullptr;
    }
    Turns* turns_ = nullptr;
    local::InodeNumber number_ = 0;
  };

  // Takes and releases its lock: returns for as long as nobody is stuck with it.
  void pass_lock() PAIL_EXCLUDES(mutex_) { MutexLock lock(mutex_); }
  // Waits for the turn. Errors: EINTR `stop` was requested.
  Result<Turn> take(local::InodeNumber number, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  // To see what is there when nobody changes it.
  Result<Turn> take_to_look(local::InodeNumber number, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  // Whether somebody has or awaits the turn of an inode, and not just to look.
  bool taken(local::InodeNumber number) const PAIL_EXCLUDES(mutex_);

 private:
  using Ticket = std::uint64_t;
  enum class Purpose : std::uint8_t { change, look };
  // The first ticket of an inode has the turn, the others wait in order.
  using Queues = std::map<local::InodeNumber, std::map<Ticket, Purpose>>;

  Result<Turn> take(local::InodeNumber number, Purpose purpose, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  void end(local::InodeNumber number) PAIL_EXCLUDES(mutex_);
  void leave(Queues::iterator queue, Ticket ticket) PAIL_REQUIRES(mutex_);

  mutable Mutex mutex_;
  CondVar changed_;
  Ticket last_ PAIL_GUARDED_BY(mutex_) = 0;
  Queues queues_ PAIL_GUARDED_BY(mutex_);
};

// Turns that are kept for requests by their number. Thread-safe.
class KeptTurns {
 public:
  void keep(std::uint64_t request, Turns::Turn turn) PAIL_EXCLUDES(mutex_);
  // The one that was kept for the request, if it is of this inode.
  std::optional<Turns::Turn> claim(std::uint64_t request, local::InodeNumber number) PAIL_EXCLUDES(mutex_);
  void drop(std::uint64_t request) PAIL_EXCLUDES(mutex_);
  void drop_all() PAIL_EXCLUDES(mutex_);

 private:
  Mutex mutex_;
  std::map<std::uint64_t, Turns::Turn> turns_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::vfs
