#include "vfs/tree_gate.h"

#include <algorithm>

#include "base/wake_on_stop.h"
#include "pailfs/cos/fault.h"

namespace pail::vfs {

using local::InodeNumber;

bool TreeGate::Places::meets(const Places& other) const {
  auto in = [](const auto& all, const auto& some) {
    return std::ranges::any_of(some, [&](const auto& one) { return std::ranges::find(all, one) != all.end(); });
  };
  return in(inodes, other.inodes) || in(names, other.names);
}

bool TreeGate::Ticket::conflicts(const Ticket& other) const {
  return closed.meets(other.closed) || closed.meets(other.entered) || entered.meets(other.closed);
}

// The inode, those above it, and the names that lead to them.
void TreeGate::add_chain(const local::View& view, InodeNumber number, Places& chain) const {
  for (auto record = view.inode(number); record; record = view.inode(record->parent)) {
    chain.inodes.push_back(record->number);
    if (record->number == local::kRootInode) break;
    chain.names.push_back({record->parent, std::move(record->name)});
  }
}

TreeGate::Places TreeGate::chain_of(std::initializer_list<InodeNumber> numbers, const std::vector<Name>& names) const {
  Places chain;
  const local::View view = names_.view();
  for (const InodeNumber number : numbers) add_chain(view, number, chain);
  for (const Name& name : names) add_chain(view, name.parent, chain);
  return chain;
}

Result<TreeGate::Pass> TreeGate::enter(std::initializer_list<InodeNumber> numbers, const StopToken& stop) {
  return admit([&] { return Ticket{chain_of(numbers, {}), {}}; }, stop);
}

Result<TreeGate::Pass> TreeGate::enter_name(const Name& name, const StopToken& stop) {
  auto wanted = [&] {
    Ticket ticket{chain_of({}, {name}), {}};
    ticket.entered.names.push_back(name);
    return ticket;
  };
  return admit(wanted, stop);
}

Result<TreeGate::Closure> TreeGate::close(std::vector<Name> names, std::vector<InodeNumber> inodes,
                                          const StopToken& stop) {
  auto wanted = [&] { return Ticket{chain_of({}, names), {inodes, names}}; };
  PAIL_TRY(Pass pass, admit(wanted, stop));
  const Places above = chain_of({}, names);
  if (above.meets({inodes, {}})) return Error{EINVAL, "a directory cannot be moved into itself"};
  return Closure(std::move(pass));
}

// A ticket says which directories are above; whoever went before may have moved them.
Result<TreeGate::Pass> TreeGate::admit(const std::function<Ticket()>& wanted, const StopToken& stop) {
  for (;;) {
    const Ticket ticket = wanted();
    PAIL_TRY(Pass pass, wait(ticket, stop));
    if (wanted().entered == ticket.entered) return pass;
  }
}

bool TreeGate::may_go(Tickets::const_iterator ticket) const {
  return std::none_of(tickets_.begin(), ticket, [&](const Ticket& earlier) { return ticket->conflicts(earlier); });
}

Result<TreeGate::Pass> TreeGate::wait(Ticket ticket, const StopToken& stop) {
  const WakeOnStop wake(stop, mutex_, changed_);
  MutexLock lock(mutex_);
  const auto place = tickets_.insert(tickets_.end(), std::move(ticket));
  while (!may_go(place)) {
    if (stop.stop_requested()) {
      tickets_.erase(place);
      changed_.notify_all();
      return Error{EINTR, "interrupted while a directory above was being renamed, or written to", Fault::stopped};
    }
    changed_.wait(mutex_);
  }
  at_work_.begin(place->closed.names);
  return Pass([this, place] { leave(place); });
}

void TreeGate::leave(Tickets::iterator ticket) {
  MutexLock lock(mutex_);
  at_work_.end(ticket->closed.names);
  tickets_.erase(ticket);
  changed_.notify_all();
}

}  // namespace pail::vfs
