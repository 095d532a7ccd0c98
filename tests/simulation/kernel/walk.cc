#include "simulation/kernel/walk.h"

#include <cerrno>
#include <memory>
#include <utility>

namespace pail::simulation::kernel {

void Walk::look_up(Process process, InodeRef directory, std::string name, Trust trust, Directory directory_is,
                   Found then) {
  if (!directory->is_directory()) return then(ENOTDIR, nullptr);
  const InodeRef known = dentries_.child(*directory, name);
  if (!known) return look_up_new(process, directory, name, directory_is, std::move(then));
  if (trust == Trust::cached && dentries_.trusts_name(*directory, name)) return then(0, known);
  revalidate(process, directory, name, directory_is, std::move(then));
}

void Walk::revalidate(Process process, InodeRef directory, std::string name, Directory directory_is, Found then) {
  const InodeRef known = dentries_.child(*directory, name);
  const std::uint64_t asked_at = dentries_.version();
  requests_.ask(process, Lookup{directory->number, name}, [=, this](const Answer& answer) {
    const auto* entry = std::get_if<ShownEntry>(&answer.value);
    const bool is_there = dentries_.child(*directory, name) == known;
    if (answer.errnum == 0 && entry->number == known->number) {
      if (is_there) dentries_.link(directory, name, *entry, asked_at);
      return then(0, known);
    }
    if (answer.errnum == 0) requests_.forget(entry->number);
    if (answer.errnum == EINTR || answer.errnum == ENOMEM) return then(answer.errnum, nullptr);
    if (is_there) dentries_.unlink(directory, name);
    look_up_new(process, directory, name, directory_is, then);
  });
}

void Walk::look_up_new(Process process, InodeRef directory, std::string name, Directory directory_is, Found then) {
  if (directory->removed) return then(ENOENT, nullptr);
  if (directory_is == Directory::locked) return ask_for_name(process, directory, name, nullptr, std::move(then));
  directory->lock->take(Mode::shared, [=, this](const Hold& shared) {
    if (directory->removed) return then(ENOENT, nullptr);
    auto& name_lock = directory->looked_up[name];
    if (!name_lock) name_lock = requests_.make_lock();
    name_lock->take(Mode::exclusive, [=, this](const Hold& alone) {
      if (dentries_.trusts_name(*directory, name)) return then(0, dentries_.child(*directory, name));
      ask_for_name(process, directory, name, std::make_shared<std::pair<Hold, Hold>>(shared, alone), then);
    });
  });
}

void Walk::ask_for_name(Process process, InodeRef directory, const std::string& name, const Hold& held, Found then) {
  const std::uint64_t asked_at = dentries_.version();
  requests_.ask(process, Lookup{directory->number, name}, [=, this](const Answer& answer) {
    const Hold until_known = held;
    if (answer.errnum != 0) return then(answer.errnum, nullptr);
    then(0, dentries_.link(directory, name, std::get<ShownEntry>(answer.value), asked_at));
  });
}

void Walk::find_rest(Process process, Path path, std::size_t done, InodeRef from, Trust trust, Found then) {
  if (done == path.size()) return then(0, from);
  look_up(process, from, path[done], trust, Directory::unlocked, [=, this](int errnum, const InodeRef& inode) {
    if (errnum != 0) return then(errnum, nullptr);
    find_rest(process, path, done + 1, inode, trust, then);
  });
}

void Walk::find(Process process, const Path& path, Trust trust, Found then) {
  find_rest(process, path, 0, dentries_.root(), trust, std::move(then));
}

void Walk::lock_parent(Process process, const Path& path, Trust trust, const Then& failure, InDirectory then) {
  if (path.empty()) return failure(outcome_of(EBUSY));
  find(process, parent_of(path), trust, [=, this](int errnum, const InodeRef& directory) {
    if (errnum != 0) return failure(outcome_of(errnum));
    if (!directory->is_directory()) return failure(outcome_of(ENOTDIR));
    directory->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
      if (directory->removed) return failure(outcome_of(ENOENT));
      look_up(process, directory, path.back(), trust, Directory::locked, [=](int failure_of_name, InodeRef inode) {
        if (failure_of_name != 0 && failure_of_name != ENOENT) return failure(outcome_of(failure_of_name));
        then(directory, path.back(), hold, std::move(inode));
      });
    });
  });
}

void repeat_when_stale(const std::function<void(Trust trust, const Then& then)>& call, const Then& then) {
  call(Trust::cached, [call, then](const Outcome& outcome) {
    if (outcome.errnum != ESTALE) return then(outcome);
    call(Trust::revalidate, then);
  });
}

}  // namespace pail::simulation::kernel
