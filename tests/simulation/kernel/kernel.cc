#include "simulation/kernel/kernel.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace pail::simulation {
namespace {

constexpr std::uint64_t kMaxWrite = 1 << 20;  // bytes of one request

Outcome failed(int errnum) {
  Outcome outcome;
  outcome.errnum = errnum;
  return outcome;
}

bool writes(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY;
}

// Nothing to bring home at close(); a file that was just made is stored even so.
bool needs_no_flush(int flags) {
  return (flags & (O_ACCMODE | O_CREAT)) == O_RDONLY;
}

}  // namespace

Path parent_of(const Path& path) {
  return Path(path.begin(), path.empty() ? path.end() : std::prev(path.end()));
}

struct Kernel::Inode {
  struct Name {
    InodeRef inode;
    SteadyTime expires{};
  };

  InodeNumber number = 0;
  vfs::FileType type = vfs::FileType::regular;
  ShownEntry attributes;
  SteadyTime attributes_expire{};
  std::uint64_t version = 0;      // of the attributes
  bool size_is_changing = false;  // attributes that are answered meanwhile say nothing
  bool removed = false;
  std::map<std::string, Name> children;                         // of a directory
  std::map<std::string, std::shared_ptr<InodeLock>> looked_up;  // locks of names that are not known
  std::weak_ptr<Inode> parent;                                  // of a directory
  std::shared_ptr<InodeLock> lock;

  bool is_directory() const { return type == vfs::FileType::directory; }
};

struct Kernel::OpenFile {
  Process process = 0;  // that opened it
  InodeRef inode;
  std::uint64_t handle = 0;
  int flags = 0;
  bool is_stream = false;    // of a directory
  std::uint64_t offset = 0;  // of a stream
};

struct Kernel::RenameOf {
  Process process = 0;
  vfs::RenameMode mode = vfs::RenameMode::replace;
  Trust trust = Trust::cached;
  InodeRef old_directory, new_directory;
  std::string old_name, new_name;
  InodeRef source, target;
  std::vector<Hold> holds;
  Then then;
};

Kernel::Kernel(Names names, std::uint64_t unique)
    : names_(names), unique_(unique), renames_between_(std::make_shared<InodeLock>(ready_)) {
  root_ = make_inode({.number = vfs::kRootInode, .type = vfs::FileType::directory});
}

Kernel::~Kernel() {
  ended_ = true;
  renames_between_->abandon();
  for (const auto& [number, weak] : inodes_)
    if (const InodeRef inode = weak.lock()) {
      inode->lock->abandon();
      for (const auto& [name, lock] : inode->looked_up) lock->abandon();
    }
  pending_.clear();
  while (!ready_.empty()) {
    const ReadyQueue dropped = std::exchange(ready_, {});  // what it held may free others
  }
  descriptors_.clear();
  root_.reset();
}

// ---- the mount ------------------------------------------------------------------------------------------------------

void Kernel::answered(const Answer& answer) {
  auto found = pending_.extract(answer.unique);
  if (!found.empty() && found.mapped().then) found.mapped().then(answer);
}

std::vector<Call> Kernel::take_calls() {
  while (!ready_.empty()) {
    const auto next = std::move(ready_.front());
    ready_.pop_front();
    next();
  }
  return std::exchange(calls_, {});
}

bool Kernel::idle() const {
  return pending_.empty() && calls_.empty() && ready_.empty();
}

std::vector<Call> Kernel::unanswered() const {
  std::vector<Call> calls;
  for (const auto& [unique, pending] : pending_) {
    calls.push_back(pending.call);
    calls.back().resent = true;
  }
  return calls;
}

void Kernel::shrink(std::uint64_t choice) {
  std::vector<std::pair<InodeRef, std::string>> unused;
  for (const auto& [number, weak] : inodes_)
    if (const InodeRef directory = weak.lock())
      for (const auto& [name, child] : directory->children)
        if (child.inode.use_count() == 1 && child.inode->children.empty()) unused.emplace_back(directory, name);
  if (unused.empty()) return;
  const auto& [directory, name] = unused[choice % unused.size()];
  directory->children.erase(name);
}

void Kernel::ask(Process process, Question question, Answered then) {
  unique_ += 2;
  const Call call{unique_, false, process, std::move(question)};
  calls_.push_back(call);
  pending_.emplace(unique_, Pending{call, std::move(then)});
}

// ---- inodes and names -----------------------------------------------------------------------------------------------

Kernel::InodeRef Kernel::make_inode(const ShownEntry& entry) {
  auto* inode = new Inode;
  inode->number = entry.number;
  inode->type = entry.type;
  inode->lock = std::make_shared<InodeLock>(ready_);
  const InodeRef made(inode, [this](Inode* unused) {
    const std::unique_ptr<Inode> owned(unused);
    if (ended_) return;
    inodes_.erase(owned->number);
    forget(owned->number);
  });
  inodes_[entry.number] = made;
  return made;
}

void Kernel::forget(InodeNumber number) {
  unique_ += 2;
  calls_.push_back({unique_, false, 0, Forget{number}});
}

Kernel::InodeRef Kernel::learn(const ShownEntry& entry, std::uint64_t asked_at) {
  const auto known = inodes_.find(entry.number);
  const InodeRef inode = known == inodes_.end() ? make_inode(entry) : known->second.lock();
  if (inode->version > asked_at || inode->size_is_changing) return inode;
  inode->version = ++version_;
  inode->attributes = entry;
  inode->attributes_expire = now_ + entry.attributes_ttl;
  return inode;
}

Kernel::InodeRef Kernel::link(const InodeRef& directory, const std::string& name, const ShownEntry& entry,
                              std::uint64_t asked_at) {
  InodeRef inode = learn(entry, asked_at);
  const SteadyTime expires = names_ == Names::trusted ? now_ + entry.name_ttl : now_;
  directory->children.insert_or_assign(name, Inode::Name{inode, expires});
  if (inode->is_directory()) inode->parent = directory;
  return inode;
}

void Kernel::unlink_name(const InodeRef& directory, const std::string& name) {
  const auto removed = directory->children.extract(name);
}

void Kernel::expire_name(const InodeRef& directory, const std::string& name) {
  const auto child = directory->children.find(name);
  if (child != directory->children.end()) child->second.expires = now_;
}

// Who asks for a name anew holds no lock, and may have found it gone meanwhile.
SteadyTime Kernel::expiry_of(const Inode& directory, const std::string& name) const {
  const auto child = directory.children.find(name);
  return child == directory.children.end() ? now_ : child->second.expires;
}

void Kernel::changed(Inode& inode) {
  inode.attributes_expire = now_;
}

bool Kernel::is_above(const InodeRef& ancestor, InodeRef inode) {
  while (inode && inode != ancestor) inode = inode->parent.lock();
  return inode != nullptr;
}

void Kernel::look_up(Process process, InodeRef directory, std::string name, Trust trust, Directory directory_is,
                     Found then) {
  if (!directory->is_directory()) return then(ENOTDIR, nullptr);
  const auto child = directory->children.find(name);
  if (child == directory->children.end()) return look_up_new(process, directory, name, directory_is, std::move(then));
  if (trust == Trust::cached && now_ < child->second.expires) return then(0, child->second.inode);
  revalidate(process, directory, name, directory_is, std::move(then));
}

void Kernel::revalidate(Process process, InodeRef directory, std::string name, Directory directory_is, Found then) {
  const InodeRef known = directory->children.at(name).inode;
  const std::uint64_t asked_at = version_;
  ask(process, Lookup{directory->number, name}, [=, this](const Answer& answer) {
    const auto* entry = std::get_if<ShownEntry>(&answer.value);
    const auto child = directory->children.find(name);
    const bool is_there = child != directory->children.end() && child->second.inode == known;
    if (answer.errnum == 0 && entry->number == known->number) {
      if (is_there) link(directory, name, *entry, asked_at);
      return then(0, known);
    }
    if (answer.errnum == 0) forget(entry->number);
    if (answer.errnum == EINTR || answer.errnum == ENOMEM) return then(answer.errnum, nullptr);
    if (is_there) unlink_name(directory, name);
    look_up_new(process, directory, name, directory_is, then);
  });
}

void Kernel::look_up_new(Process process, InodeRef directory, std::string name, Directory directory_is, Found then) {
  if (directory->removed) return then(ENOENT, nullptr);
  if (directory_is == Directory::locked) return ask_for_name(process, directory, name, nullptr, std::move(then));
  directory->lock->take(Mode::shared, [=, this](const Hold& shared) {
    if (directory->removed) return then(ENOENT, nullptr);
    auto& name_lock = directory->looked_up[name];
    if (!name_lock) name_lock = std::make_shared<InodeLock>(ready_);
    name_lock->take(Mode::exclusive, [=, this](const Hold& alone) {
      const auto child = directory->children.find(name);
      if (child != directory->children.end() && now_ < child->second.expires) return then(0, child->second.inode);
      ask_for_name(process, directory, name, std::make_shared<std::pair<Hold, Hold>>(shared, alone), then);
    });
  });
}

void Kernel::ask_for_name(Process process, InodeRef directory, const std::string& name, const Hold& held, Found then) {
  const std::uint64_t asked_at = version_;
  ask(process, Lookup{directory->number, name}, [=, this](const Answer& answer) {
    const Hold until_known = held;
    if (answer.errnum != 0) return then(answer.errnum, nullptr);
    then(0, link(directory, name, std::get<ShownEntry>(answer.value), asked_at));
  });
}

void Kernel::walk(Process process, Path path, std::size_t done, InodeRef from, Trust trust, Found then) {
  if (done == path.size()) return then(0, from);
  look_up(process, from, path[done], trust, Directory::unlocked, [=, this](int errnum, const InodeRef& inode) {
    if (errnum != 0) return then(errnum, nullptr);
    walk(process, path, done + 1, inode, trust, then);
  });
}

void Kernel::find(Process process, const Path& path, Trust trust, Found then) {
  walk(process, path, 0, root_, trust, std::move(then));
}

void Kernel::lock_parent(Process process, const Path& path, Trust trust, const Then& failure, InDirectory then) {
  if (path.empty()) return failure(failed(EBUSY));
  find(process, parent_of(path), trust, [=, this](int errnum, const InodeRef& directory) {
    if (errnum != 0) return failure(failed(errnum));
    if (!directory->is_directory()) return failure(failed(ENOTDIR));
    directory->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
      if (directory->removed) return failure(failed(ENOENT));
      look_up(process, directory, path.back(), trust, Directory::locked, [=](int failure_of_name, InodeRef inode) {
        if (failure_of_name != 0 && failure_of_name != ENOENT) return failure(failed(failure_of_name));
        then(directory, path.back(), hold, std::move(inode));
      });
    });
  });
}

void Kernel::repeat_when_stale(const std::function<void(Trust trust, const Then& then)>& call, const Then& then) {
  call(Trust::cached, [call, then](const Outcome& outcome) {
    if (outcome.errnum != ESTALE) return then(outcome);
    call(Trust::revalidate, then);
  });
}

// ---- open files -----------------------------------------------------------------------------------------------------

Kernel::FileRef Kernel::make_file(Process process, const InodeRef& inode, std::uint64_t handle, int flags) {
  return FileRef(new OpenFile{process, inode, handle, flags, inode->is_directory(), 0}, [this](OpenFile* closed) {
    const std::unique_ptr<OpenFile> owned(closed);
    if (!ended_ && !owned->is_stream) ask(owned->process, Release{owned->inode->number, owned->handle}, nullptr);
  });
}

Outcome Kernel::install(Process process, FileRef file) {
  auto& descriptors = descriptors_[process];
  Outcome outcome;
  for (outcome.descriptor = 0; descriptors.contains(outcome.descriptor);) ++outcome.descriptor;
  descriptors.emplace(outcome.descriptor, std::move(file));
  return outcome;
}

Kernel::FileRef Kernel::file_of(Process process, int descriptor) const {
  const auto descriptors = descriptors_.find(process);
  if (descriptors == descriptors_.end()) return nullptr;
  const auto found = descriptors->second.find(descriptor);
  return found == descriptors->second.end() ? nullptr : found->second;
}

bool Kernel::has_another(Process process, const OpenFile& file) const {
  const auto descriptors = descriptors_.find(process);
  return descriptors != descriptors_.end() &&
         std::any_of(descriptors->second.begin(), descriptors->second.end(),
                     [&](const auto& other) { return other.second->inode == file.inode; });
}

// ---- system calls by path -------------------------------------------------------------------------------------------

void Kernel::open(Process process, const Path& path, int flags, std::uint32_t permissions, Then done) {
  const auto open_existing = [=, this](Trust trust, const Then& then) {
    find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
      if (errnum != 0) return then(failed(errnum));
      open_found(process, inode, flags, then);
    });
  };
  const auto open_or_create = [=, this](Trust trust, const Then& then) {
    const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                        const InodeRef& found) {
      if (found && (flags & O_EXCL) != 0) return then(failed(EEXIST));
      if (found) return open_found(process, found, flags, then);
      create(process, Create{directory->number, name, permissions, flags}, directory, hold, then);
    };
    lock_parent(process, path, trust, then, in_directory);
  };
  if ((flags & O_CREAT) != 0)
    repeat_when_stale(open_or_create, done);
  else
    repeat_when_stale(open_existing, done);
}

void Kernel::open_found(Process process, const InodeRef& inode, int flags, const Then& then) {
  if (inode->is_directory()) return then(failed(EISDIR));
  if (inode->type == vfs::FileType::symlink) return then(failed(ELOOP));
  const int asked = flags & ~(O_CREAT | O_EXCL);
  ask(process, Open{inode->number, asked}, [=, this](const Answer& answer) {
    if (answer.errnum != 0) return then(failed(answer.errnum));
    if ((asked & O_TRUNC) != 0) {
      inode->version = ++version_;
      inode->attributes.size = 0;
      changed(*inode);
    }
    then(install(process, make_file(process, inode, std::get<OpenedFile>(answer.value).handle, asked)));
  });
}

void Kernel::create(Process process, const Create& question, const InodeRef& directory, const Hold& hold,
                    const Then& then) {
  ask(process, question, [=, this](const Answer& answer) {
    const Hold until_known = hold;
    if (answer.errnum != 0) return then(failed(answer.errnum));
    const auto& opened = std::get<OpenedFile>(answer.value);
    const InodeRef inode = link(directory, question.name, opened.entry.value(), version_);
    changed(*directory);
    then(install(process, make_file(process, inode, opened.handle, question.flags)));
  });
}

void Kernel::open_directory(Process process, const Path& path, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0 && !inode->is_directory()) errnum = ENOTDIR;
          if (errnum != 0) return then(failed(errnum));
          then(install(process, make_file(process, inode, 0, O_RDONLY)));
        });
      },
      done);
}

void Kernel::stat(Process process, const Path& path, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum != 0) return then(failed(errnum));
          attributes_of(process, inode, then);
        });
      },
      done);
}

void Kernel::change_mode(Process process, const Path& path, std::uint32_t permissions, Then then) {
  const auto check = [](const Inode& inode) { return inode.type == vfs::FileType::symlink ? EOPNOTSUPP : 0; };
  set_attributes_by_path(process, path, {.permissions = permissions}, check, std::move(then));
}

void Kernel::set_modified(Process process, const Path& path, WallTime time, Then then) {
  set_attributes_by_path(
      process, path, {.modified = time}, [](const Inode&) { return 0; }, std::move(then));
}

void Kernel::truncate(Process process, const Path& path, std::uint64_t size, Then then) {
  const auto check = [](const Inode& inode) {
    if (inode.is_directory()) return EISDIR;
    return inode.type == vfs::FileType::regular ? 0 : EINVAL;
  };
  set_attributes_by_path(process, path, {.size = size}, check, std::move(then));
}

void Kernel::make_directory(Process process, const Path& path, std::uint32_t permissions, Then then) {
  const auto question = [=](InodeNumber parent) { return MakeDirectory{parent, path.back(), permissions}; };
  make(process, path, question, std::move(then));
}

void Kernel::make_symlink(Process process, const Path& path, const std::string& target, Then then) {
  const auto question = [=](InodeNumber parent) { return MakeSymlink{parent, path.back(), target}; };
  make(process, path, question, std::move(then));
}

void Kernel::read_link(Process process, const Path& path, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0 && inode->type != vfs::FileType::symlink) errnum = EINVAL;
          if (errnum != 0) return then(failed(errnum));
          ask(process, ReadLink{inode->number}, [inode, then](const Answer& answer) {
            Outcome outcome = failed(answer.errnum);
            if (answer.errnum == 0) outcome.bytes = std::get<Bytes>(answer.value).bytes;
            then(outcome);
          });
        });
      },
      done);
}

void Kernel::unlink(Process process, const Path& path, Then then) {
  remove(process, path, Kind::file, then);
}

void Kernel::remove_directory(Process process, const Path& path, Then then) {
  remove(process, path, Kind::directory, then);
}

void Kernel::stat_filesystem(Process process, Then then) {
  ask(process, StatFs{}, [then](const Answer& answer) { then(failed(answer.errnum)); });
}

void Kernel::make(Process process, const Path& path, const std::function<Question(InodeNumber parent)>& question,
                  Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                            const InodeRef& found) {
          if (found) return then(failed(EEXIST));
          ask(process, question(directory->number), [=, this](const Answer& answer) {
            const Hold until_known = hold;
            changed(*directory);
            if (answer.errnum == 0) link(directory, name, std::get<ShownEntry>(answer.value), version_);
            then(failed(answer.errnum));
          });
        };
        lock_parent(process, path, trust, then, in_directory);
      },
      done);
}

void Kernel::remove(Process process, const Path& path, Kind kind, const Then& done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                            const InodeRef& victim) {
          if (!victim) return then(failed(ENOENT));
          if (victim->is_directory() != (kind == Kind::directory))
            return then(failed(kind == Kind::directory ? ENOTDIR : EISDIR));
          victim->lock->take(Mode::exclusive, [=, this](const Hold& victim_hold) {
            const Hold holds = std::make_shared<std::pair<Hold, Hold>>(hold, victim_hold);
            remove_locked(process, directory, name, victim, holds, then);
          });
        };
        lock_parent(process, path, trust, then, in_directory);
      },
      done);
}

void Kernel::remove_locked(Process process, const InodeRef& directory, const std::string& name, const InodeRef& victim,
                           const Hold& holds, const Then& then) {
  Question question = Unlink{directory->number, name};
  if (victim->is_directory()) question = RemoveDirectory{directory->number, name};
  ask(process, std::move(question), [=, this](const Answer& answer) {
    const Hold until_known = holds;
    changed(*directory);
    changed(*victim);
    if (answer.errnum == 0) {
      victim->removed = true;
      unlink_name(directory, name);
    } else {
      expire_name(directory, name);
    }
    then(failed(answer.errnum));
  });
}

// ---- rename ---------------------------------------------------------------------------------------------------------

void Kernel::rename(Process process, const Path& from, const Path& to, vfs::RenameMode mode, Then done) {
  if (from.empty() || to.empty()) return done(failed(EBUSY));
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        find(process, parent_of(from), trust, [=, this](int errnum, const InodeRef& old_directory) {
          if (errnum != 0) return then(failed(errnum));
          find(process, parent_of(to), trust, [=, this](int failure, const InodeRef& new_directory) {
            if (failure != 0) return then(failed(failure));
            if (!old_directory->is_directory() || !new_directory->is_directory()) return then(failed(ENOTDIR));
            const auto rename = std::make_shared<RenameOf>(RenameOf{process,
                                                                    mode,
                                                                    trust,
                                                                    old_directory,
                                                                    new_directory,
                                                                    from.back(),
                                                                    to.back(),
                                                                    nullptr,
                                                                    nullptr,
                                                                    {},
                                                                    then});
            lock_directories(rename);
          });
        });
      },
      done);
}

void Kernel::lock_in_order(const std::shared_ptr<RenameOf>& rename, std::vector<std::shared_ptr<InodeLock>> locks,
                           const std::function<void()>& then) {
  if (locks.empty()) return then();
  const auto first = locks.front();
  locks.erase(locks.begin());
  first->take(Mode::exclusive, [=, this](const Hold& hold) {
    rename->holds.push_back(hold);
    lock_in_order(rename, locks, then);
  });
}

void Kernel::lock_directories(const std::shared_ptr<RenameOf>& rename) {
  const auto then = [=, this] { look_up_names(rename); };
  if (rename->old_directory == rename->new_directory) return lock_in_order(rename, {rename->old_directory->lock}, then);
  renames_between_->take(Mode::exclusive, [=, this](const Hold& hold) {
    rename->holds.push_back(hold);
    InodeRef first = rename->old_directory, second = rename->new_directory;
    const bool by_number = !is_above(first, second) && !is_above(second, first);
    if (is_above(second, first) || (by_number && second->number < first->number)) std::swap(first, second);
    lock_in_order(rename, {first->lock, second->lock}, then);
  });
}

void Kernel::look_up_names(const std::shared_ptr<RenameOf>& rename) {
  const auto finish = [rename](int errnum) {
    rename->holds.clear();
    rename->then(failed(errnum));
  };
  if (rename->old_directory->removed || rename->new_directory->removed) return finish(ENOENT);
  const auto target_trust = rename->mode == vfs::RenameMode::exchange ? rename->trust : Trust::revalidate;
  const auto found_target = [=, this](int errnum, const InodeRef& target) {
    if (errnum != 0 && errnum != ENOENT) return finish(errnum);
    rename->target = target;
    if (const int refusal = refused(*rename); refusal != 0 || rename->source == rename->target) return finish(refusal);
    send_rename(rename);
  };
  const auto found_source = [=, this](int errnum, const InodeRef& source) {
    if (errnum != 0) return finish(errnum);
    rename->source = source;
    look_up(rename->process, rename->new_directory, rename->new_name, target_trust, Directory::locked, found_target);
  };
  look_up(rename->process, rename->old_directory, rename->old_name, rename->trust, Directory::locked, found_source);
}

int Kernel::refused(const RenameOf& rename) {
  const bool exchange = rename.mode == vfs::RenameMode::exchange;
  if (rename.target && rename.mode == vfs::RenameMode::no_replace) return EEXIST;
  if (!rename.target && exchange) return ENOENT;
  if (is_above(rename.source, rename.new_directory)) return EINVAL;
  if (!rename.target) return 0;
  if (is_above(rename.target, rename.old_directory)) return exchange ? EINVAL : ENOTEMPTY;
  if (exchange || rename.source->is_directory() == rename.target->is_directory()) return 0;
  return rename.source->is_directory() ? ENOTDIR : EISDIR;
}

void Kernel::send_rename(const std::shared_ptr<RenameOf>& rename) {
  std::vector<InodeRef> locked;
  if (!rename->source->is_directory()) locked.push_back(rename->source);
  if (rename->target) locked.push_back(rename->target);
  std::sort(locked.begin(), locked.end(), [](const auto& a, const auto& b) { return a->number < b->number; });
  std::vector<std::shared_ptr<InodeLock>> locks;
  for (const InodeRef& inode : locked) locks.push_back(inode->lock);
  lock_in_order(rename, locks, [=, this] {
    ask(rename->process,
        Rename{rename->old_directory->number, rename->old_name, rename->new_directory->number, rename->new_name,
               rename->mode},
        [=, this](const Answer& answer) {
          renamed(*rename, answer.errnum);
          rename->holds.clear();
          rename->then(failed(answer.errnum));
        });
  });
}

void Kernel::renamed(const RenameOf& rename, int errnum) {
  changed(*rename.old_directory);
  changed(*rename.new_directory);
  changed(*rename.source);
  if (rename.target) changed(*rename.target);
  if (errnum != 0) {
    expire_name(rename.old_directory, rename.old_name);
    return expire_name(rename.new_directory, rename.new_name);
  }
  const SteadyTime expires = expiry_of(*rename.old_directory, rename.old_name);
  if (rename.mode == vfs::RenameMode::exchange) {
    const SteadyTime target_expires = expiry_of(*rename.new_directory, rename.new_name);
    rename.old_directory->children.insert_or_assign(rename.old_name, Inode::Name{rename.target, target_expires});
    if (rename.target->is_directory()) rename.target->parent = rename.old_directory;
  } else {
    unlink_name(rename.old_directory, rename.old_name);
    if (rename.target) rename.target->removed = true;
  }
  rename.new_directory->children.insert_or_assign(rename.new_name, Inode::Name{rename.source, expires});
  if (rename.source->is_directory()) rename.source->parent = rename.new_directory;
}

// ---- attributes -----------------------------------------------------------------------------------------------------

void Kernel::attributes_of(Process process, const InodeRef& inode, const Then& then) {
  Outcome known;
  known.attributes = inode->attributes;
  if (now_ < inode->attributes_expire) return then(known);
  const std::uint64_t asked_at = version_;
  ask(process, GetAttributes{inode->number}, [=, this](const Answer& answer) {
    Outcome outcome = failed(answer.errnum);
    if (answer.errnum == 0) {
      outcome.attributes = std::get<ShownEntry>(answer.value);
      learn(outcome.attributes, asked_at);
    }
    then(outcome);
  });
}

void Kernel::set_attributes_by_path(Process process, const Path& path, SetAttributes change,
                                    const std::function<int(const Inode& inode)>& check, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0) errnum = check(*inode);
          if (errnum != 0) return then(failed(errnum));
          set_attributes(process, inode, change, then);
        });
      },
      done);
}

void Kernel::set_attributes(Process process, const InodeRef& inode, SetAttributes change, const Then& then) {
  change.number = inode->number;
  inode->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
    inode->size_is_changing = change.size.has_value();
    ask(process, change, [=, this](const Answer& answer) {
      const Hold until_known = hold;
      inode->size_is_changing = false;
      if (answer.errnum == 0) learn(std::get<ShownEntry>(answer.value), version_);
      then(failed(answer.errnum));
    });
  });
}

// ---- system calls by descriptor -------------------------------------------------------------------------------------

int Kernel::duplicate(Process process, int descriptor) {
  FileRef file = file_of(process, descriptor);
  return file ? install(process, std::move(file)).descriptor : -1;
}

void Kernel::close(Process process, int descriptor, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file) return then(failed(EBADF));
  descriptors_[process].erase(descriptor);
  if (file->is_stream || needs_no_flush(file->flags)) return then(Outcome{});
  const bool another = has_another(process, *file);
  file->inode->lock->take(Mode::exclusive, [=, this](const Hold&) {  // those who write come first
    ask(process, Flush{file->inode->number, file->handle, another},
        [file, then](const Answer& answer) { then(failed(answer.errnum)); });
  });
}

void Kernel::read(Process process, int descriptor, std::uint64_t at, std::uint64_t size, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file || (file->flags & O_ACCMODE) == O_WRONLY) return then(failed(EBADF));
  if (file->is_stream) return then(failed(EISDIR));
  ask(process, Read{file->inode->number, file->handle, at, size}, [file, then](const Answer& answer) {
    Outcome outcome = failed(answer.errnum);
    if (answer.errnum == 0) outcome.bytes = std::get<Bytes>(answer.value).bytes;
    then(outcome);
  });
}

void Kernel::write(Process process, int descriptor, std::uint64_t at, std::string bytes, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file || !writes(file->flags)) return then(failed(EBADF));
  const auto shared = std::make_shared<const std::string>(std::move(bytes));
  file->inode->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
    const bool appends = (file->flags & O_APPEND) != 0;
    write_rest(process, file, hold, {appends ? file->inode->attributes.size : at, 0, shared}, then);
  });
}

void Kernel::write_rest(Process process, const FileRef& file, const Hold& hold, const Writing& writing,
                        const Then& then) {
  Outcome outcome;
  outcome.written = writing.done;
  if (writing.done == writing.bytes->size()) return then(outcome);
  const std::string piece = writing.bytes->substr(writing.done, kMaxWrite);
  const std::uint64_t at = writing.begin + writing.done;
  file->inode->size_is_changing = true;
  ask(process, Write{file->inode->number, file->handle, at, piece}, [=, this](const Answer& answer) {
    Inode& inode = *file->inode;
    inode.size_is_changing = false;
    inode.version = ++version_;
    changed(inode);
    Outcome until_here = failed(answer.errnum);
    until_here.written = writing.done;
    if (answer.errnum != 0) return then(until_here);
    const std::uint64_t written = std::get<Written>(answer.value).size;
    inode.attributes.size = std::max(inode.attributes.size, at + written);
    until_here.written += written;
    if (written < piece.size()) return then(until_here);
    write_rest(process, file, hold, {writing.begin, until_here.written, writing.bytes}, then);
  });
}

void Kernel::truncate_open(Process process, int descriptor, std::uint64_t size, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file) return then(failed(EBADF));
  if (file->is_stream || !writes(file->flags)) return then(failed(EINVAL));
  SetAttributes change;
  change.handle = file->handle;
  change.size = size;
  set_attributes(process, file->inode, change, [file, then](const Outcome& outcome) { then(outcome); });
}

void Kernel::stat_open(Process process, int descriptor, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file) return then(failed(EBADF));
  attributes_of(process, file->inode, [file, then](const Outcome& outcome) { then(outcome); });
}

void Kernel::sync(Process process, int descriptor, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file || file->is_stream) return then(failed(EBADF));
  file->inode->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
    ask(process, Sync{file->inode->number, file->handle},
        [file, hold, then](const Answer& answer) { then(failed(answer.errnum)); });
  });
}

void Kernel::read_directory(Process process, int descriptor, std::uint64_t most, bool with_attributes, Then then) {
  const FileRef file = file_of(process, descriptor);
  if (!file) return then(failed(EBADF));
  if (!file->is_stream) return then(failed(ENOTDIR));
  const InodeRef directory = file->inode;
  directory->lock->take(Mode::shared, [=, this](const Hold& hold) {
    if (directory->removed) return then(failed(ENOENT));
    const std::uint64_t asked_at = version_;
    const ReadDirectory question{directory->number, file->offset, most, with_attributes};
    ask(process, question, [=, this](const Answer& answer) {
      const Hold until_known = hold;
      if (answer.errnum != 0) return then(failed(answer.errnum));
      then(take_names(*file, std::get<Listed>(answer.value), asked_at));
    });
  });
}

Outcome Kernel::take_names(OpenFile& stream, const Listed& listed, std::uint64_t asked_at) {
  Outcome outcome;
  for (const ListedName& each : listed.names) {
    outcome.names.push_back(each.name);
    stream.offset = each.next_offset;
    if (each.entry && each.name != "." && each.name != "..") link(stream.inode, each.name, *each.entry, asked_at);
  }
  return outcome;
}

void Kernel::rewind_directory(Process process, int descriptor) {
  if (const FileRef file = file_of(process, descriptor)) file->offset = 0;
}

}  // namespace pail::simulation
