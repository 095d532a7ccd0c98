#include "simulation/kernel/renames.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

namespace pail::simulation::kernel {

struct Renames::Attempt {
  Process process = 0;
  vfs::RenameMode mode = vfs::RenameMode::replace;
  Trust trust = Trust::cached;
  InodeRef old_directory, new_directory;
  std::string old_name, new_name;
  InodeRef source, target;
  std::vector<Hold> holds;
  Then then;
};

void Renames::rename(Process process, const Path& from, const Path& to, vfs::RenameMode mode, const Then& done) {
  if (from.empty() || to.empty()) return done(outcome_of(EBUSY));
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) { find_directories(process, from, to, mode, trust, then); }, done);
}

void Renames::find_directories(Process process, const Path& from, const Path& to, vfs::RenameMode mode, Trust trust,
                               const Then& then) {
  walk_.find(process, parent_of(from), trust, [=, this](int errnum, const InodeRef& old_directory) {
    if (errnum != 0) return then(outcome_of(errnum));
    walk_.find(process, parent_of(to), trust, [=, this](int failure, const InodeRef& new_directory) {
      if (failure != 0) return then(outcome_of(failure));
      if (!old_directory->is_directory() || !new_directory->is_directory()) return then(outcome_of(ENOTDIR));
      lock_directories(std::make_shared<Attempt>(Attempt{.process = process,
                                                         .mode = mode,
                                                         .trust = trust,
                                                         .old_directory = old_directory,
                                                         .new_directory = new_directory,
                                                         .old_name = from.back(),
                                                         .new_name = to.back(),
                                                         .source = nullptr,
                                                         .target = nullptr,
                                                         .holds = {},
                                                         .then = then}));
    });
  });
}

void Renames::lock_in_order(const AttemptRef& rename, std::vector<std::shared_ptr<InodeLock>> locks,
                            const std::function<void()>& then) {
  if (locks.empty()) return then();
  const auto first = locks.front();
  locks.erase(locks.begin());
  first->take(Mode::exclusive, [=, this](const Hold& hold) {
    rename->holds.push_back(hold);
    lock_in_order(rename, locks, then);
  });
}

void Renames::lock_directories(const AttemptRef& rename) {
  const auto then = [=, this] { look_up_names(rename); };
  if (rename->old_directory == rename->new_directory) return lock_in_order(rename, {rename->old_directory->lock}, then);
  between_directories_->take(Mode::exclusive, [=, this](const Hold& hold) {
    rename->holds.push_back(hold);
    InodeRef first = rename->old_directory, second = rename->new_directory;
    const bool by_number = !is_above(first, second) && !is_above(second, first);
    if (is_above(second, first) || (by_number && second->number < first->number)) std::swap(first, second);
    lock_in_order(rename, {first->lock, second->lock}, then);
  });
}

void Renames::look_up_names(const AttemptRef& rename) {
  const auto finish = [rename](int errnum) {
    rename->holds.clear();
    rename->then(outcome_of(errnum));
  };
  if (rename->old_directory->removed || rename->new_directory->removed) return finish(ENOENT);
  const auto target_trust = rename->mode == vfs::RenameMode::exchange ? rename->trust : Trust::revalidate;
  const auto found_target = [=, this](int errnum, const InodeRef& target) {
    if (errnum != 0 && errnum != ENOENT) return finish(errnum);
    rename->target = target;
    if (const int refusal = refused(*rename); refusal != 0 || rename->source == rename->target) return finish(refusal);
    send(rename);
  };
  const auto found_source = [=, this](int errnum, const InodeRef& source) {
    if (errnum != 0) return finish(errnum);
    rename->source = source;
    walk_.look_up(rename->process, rename->new_directory, rename->new_name, target_trust, Walk::Directory::locked,
                  found_target);
  };
  walk_.look_up(rename->process, rename->old_directory, rename->old_name, rename->trust, Walk::Directory::locked,
                found_source);
}

int Renames::refused(const Attempt& rename) {
  const bool exchange = rename.mode == vfs::RenameMode::exchange;
  if (rename.target && rename.mode == vfs::RenameMode::no_replace) return EEXIST;
  if (!rename.target && exchange) return ENOENT;
  if (is_above(rename.source, rename.new_directory)) return EINVAL;
  if (!rename.target) return 0;
  if (is_above(rename.target, rename.old_directory)) return exchange ? EINVAL : ENOTEMPTY;
  if (exchange || rename.source->is_directory() == rename.target->is_directory()) return 0;
  return rename.source->is_directory() ? ENOTDIR : EISDIR;
}

void Renames::send(const AttemptRef& rename) {
  std::vector<InodeRef> locked;
  if (!rename->source->is_directory()) locked.push_back(rename->source);
  if (rename->target) locked.push_back(rename->target);
  std::sort(locked.begin(), locked.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
  std::vector<std::shared_ptr<InodeLock>> locks;
  for (const InodeRef& inode : locked) locks.push_back(inode->lock);
  lock_in_order(rename, locks, [=, this] {
    requests_.ask(rename->process,
                  Rename{rename->old_directory->number, rename->old_name, rename->new_directory->number,
                         rename->new_name, rename->mode},
                  [=, this](const Answer& answer) {
                    answered(*rename, answer.errnum);
                    rename->holds.clear();
                    rename->then(outcome_of(answer.errnum));
                  });
  });
}

void Renames::answered(const Attempt& rename, int errnum) {
  dentries_.expire_attributes(*rename.old_directory);
  dentries_.expire_attributes(*rename.new_directory);
  dentries_.expire_attributes(*rename.source);
  if (rename.target) dentries_.expire_attributes(*rename.target);
  if (errnum != 0) {
    dentries_.expire_name(rename.old_directory, rename.old_name);
    return dentries_.expire_name(rename.new_directory, rename.new_name);
  }
  const SteadyTime expires = dentries_.expiry_of(*rename.old_directory, rename.old_name);
  if (rename.mode == vfs::RenameMode::exchange) {
    const SteadyTime target_expires = dentries_.expiry_of(*rename.new_directory, rename.new_name);
    dentries_.put(rename.old_directory, rename.old_name, {rename.target, target_expires});
  } else {
    dentries_.unlink(rename.old_directory, rename.old_name);
    if (rename.target) rename.target->removed = true;
  }
  dentries_.put(rename.new_directory, rename.new_name, {rename.source, expires});
}

}  // namespace pail::simulation::kernel
