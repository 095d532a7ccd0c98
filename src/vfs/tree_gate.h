// Keeps writes to objects below a directory apart from its rename.
//
// While the objects of a directory are copied to their new keys, a write below it would go to a key that is about to
// be deleted. Whoever writes objects enters the gate with the inode it is about; a rename closes it for a directory.
// Order: turns are taken before the gate is entered, and nobody enters it twice at a time; who closes it takes no turns
// while it is closed.
#pragma once

#include <functional>
#include <initializer_list>
#include <list>
#include <set>
#include <stop_token>
#include <vector>

#include "base/mutex.h"
#include "cache/index.h"
#include "pailfs/base/result.h"

namespace pail::vfs {

// Thread-safe.
class TreeGate {
 public:
  explicit TreeGate(cache::Index& index) : index_(index) {}

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

  // Waits until none of `numbers` and of the directories above them is being renamed. Errors: EINTR.
  Result<Pass> enter(std::initializer_list<cache::InodeNumber> numbers, const std::stop_token& stop)
      PAIL_EXCLUDES(mutex_);
  // Takes and releases its lock: returns for as long as nobody is stuck with it.
  void pass_lock() PAIL_EXCLUDES(mutex_) { MutexLock lock(mutex_); }
  // Waits until nobody writes below `directory`, and keeps everybody out. Errors: EINTR.
  Result<Pass> close(cache::InodeNumber directory, const std::stop_token& stop) PAIL_EXCLUDES(mutex_);

 private:
  using Chain = std::vector<cache::InodeNumber>;
  bool try_enter(const Chain& chain, const std::stop_token& stop, std::list<Chain>::iterator& place)
      PAIL_EXCLUDES(mutex_);
  Chain chain_of(std::initializer_list<cache::InodeNumber> numbers);

  cache::Index& index_;
  Mutex mutex_;
  CondVar changed_;
  std::list<Chain> inside_ PAIL_GUARDED_BY(mutex_);
  std::set<cache::InodeNumber> closed_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::vfs
