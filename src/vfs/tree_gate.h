// Keeps writes to objects apart from changes of the names that lead to them.
//
// While the objects of a directory are copied to their new keys, a write below it would go to a key that is about to
// be deleted, and a change of a name above it would make the new keys wrong. Who writes objects enters the gate with
// the inodes it is about; who renames or removes closes it for the names and inodes that it changes.
// First come, first served: nobody goes ahead of an earlier one that it conflicts with, whether that is at work or
// waits. All that is needed is asked for at once, so nobody waits for the gate while others wait for it to leave.
// Order: turns are taken before the gate, and nobody is in it twice at a time.
#pragma once

#include <functional>
#include <initializer_list>
#include <list>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "local/names/name_store.h"
#include "pailfs/base/result.h"
#include "pailfs/base/stop.h"
#include "vfs/names_at_work.h"

namespace pail::vfs {

// Thread-safe.
class TreeGate {
 public:
  // `at_work` has the names for which the gate is closed.
  TreeGate(const local::NameStore& names, NamesAtWork& at_work) : names_(names), at_work_(at_work) {}

  using Name = local::Place;

  // Ends what it stands for when it goes. Movable.
  class Pass {
   public:
    Pass() = default;
    explicit Pass(std::function<void()> end) : end_(std::move(end)) {}
    Pass(Pass&& other) noexcept : end_(std::exchange(other.end_, nullptr)) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() { leave(); }
    void leave() {
      if (end_) std::exchange(end_, nullptr)();
    }

   private:
    std::function<void()> end_;
  };

  // The pass of one who closed the gate: what takes it by reference is only called while the gate is closed.
  class Closure {
   public:
    explicit Closure(Pass pass) : pass_(std::move(pass)) {}
    void open() { pass_.leave(); }

   private:
    Pass pass_;
  };

  // Waits until none of `numbers`, of the names in `names` and of the directories above them is being renamed or
  // removed. Errors: EINTR.
  Result<Pass> enter(std::initializer_list<local::InodeNumber> numbers, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  Result<Pass> enter_name(const Name& name, const StopToken& stop) PAIL_EXCLUDES(mutex_);

  // Waits until nobody is at work on `names`, on `inodes` or below them, and keeps everybody out; the directories above
  // the names are entered, so they keep their place. What was read before is to be read again.
  // Errors: EINTR; EINVAL one of the names lies below one of the inodes, which would go into itself.
  Result<Closure> close(std::vector<Name> names, std::vector<local::InodeNumber> inodes, const StopToken& stop)
      PAIL_EXCLUDES(mutex_);

  // Takes and releases its lock: returns for as long as nobody is stuck with it.
  void pass_lock() PAIL_EXCLUDES(mutex_) { MutexLock lock(mutex_); }

 private:
  // Inodes and names that one at the gate touches.
  struct Places {
    std::vector<local::InodeNumber> inodes;
    std::vector<Name> names;
    bool operator==(const Places&) const = default;
    bool meets(const Places& other) const;
  };
  struct Ticket {
    Places entered;  // shared with others that only enter
    Places closed;   // alone
    bool conflicts(const Ticket& other) const;
  };
  using Tickets = std::list<Ticket>;

  void add_chain(const local::View& view, local::InodeNumber number, Places& chain) const;
  Places chain_of(std::initializer_list<local::InodeNumber> numbers, const std::vector<Name>& names) const;
  Result<Pass> admit(const std::function<Ticket()>& wanted, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  bool may_go(Tickets::const_iterator ticket) const PAIL_REQUIRES(mutex_);
  Result<Pass> wait(Ticket ticket, const StopToken& stop) PAIL_EXCLUDES(mutex_);
  void leave(Tickets::iterator ticket) PAIL_EXCLUDES(mutex_);

  const local::NameStore& names_;
  NamesAtWork& at_work_;
  Mutex mutex_;
  CondVar changed_;
  Tickets tickets_ PAIL_GUARDED_BY(mutex_);  // at work and waiting, in the order in which they came
};

}  // namespace pail::vfs
