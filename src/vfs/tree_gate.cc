#include "vfs/tree_gate.h"

#include <algorithm>

namespace pail::vfs {

using cache::InodeNumber;

TreeGate::Chain TreeGate::chain_of(std::initializer_list<InodeNumber> numbers) {
  Chain chain;
  const auto view = index_.read();
  for (const InodeNumber number : numbers)
    for (auto record = view->inode(number); record; record = view->inode(record->parent)) {
      chain.push_back(record->number);
      if (record->number == cache::kRootInode) break;
    }
  return chain;
}

Result<TreeGate::Pass> TreeGate::enter(std::initializer_list<InodeNumber> numbers, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.notify_all();
  });
  for (;;) {
    const Chain chain = chain_of(numbers);
    std::list<Chain>::iterator place;
    if (!try_enter(chain, stop, place)) {
      if (stop.stop_requested()) return Error{EINTR, "interrupted while a directory above was being renamed"};
      continue;
    }
    Pass pass([this, place] {
      MutexLock leaving(mutex_);
      inside_.erase(place);
      changed_.notify_all();
    });
    if (chain_of(numbers) == chain) return pass;  // else a rename ended between the look and the entry
  }
}

// False after a wait for a gate that was closed.
bool TreeGate::try_enter(const Chain& chain, const std::stop_token& stop, std::list<Chain>::iterator& place) {
  MutexLock lock(mutex_);
  const bool shut =
      std::ranges::any_of(chain, [&](InodeNumber above) PAIL_NO_ANALYSIS { return closed_.contains(above); });
  if (!shut) {
    place = inside_.insert(inside_.end(), chain);
    return true;
  }
  if (!stop.stop_requested()) changed_.wait(mutex_);
  return false;
}

Result<TreeGate::Pass> TreeGate::close(InodeNumber directory, const std::stop_token& stop) {
  const std::stop_callback wake(stop, [this] {
    MutexLock lock(mutex_);
    changed_.notify_all();
  });
  MutexLock lock(mutex_);
  while (closed_.contains(directory)) {
    if (stop.stop_requested()) return Error{EINTR, "interrupted while the directory was being renamed"};
    changed_.wait(mutex_);
  }
  closed_.insert(directory);
  auto busy = [&]() PAIL_NO_ANALYSIS {
    return std::ranges::any_of(inside_,
                               [&](const Chain& chain) { return std::ranges::find(chain, directory) != chain.end(); });
  };
  while (busy() && !stop.stop_requested()) changed_.wait(mutex_);
  if (busy()) {
    closed_.erase(directory);
    changed_.notify_all();
    return Error{EINTR, "interrupted while waiting for writes below the directory"};
  }
  return Pass([this, directory] {
    MutexLock opening(mutex_);
    closed_.erase(directory);
    changed_.notify_all();
  });
}

}  // namespace pail::vfs
