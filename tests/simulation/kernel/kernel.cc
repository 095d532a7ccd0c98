#include "simulation/kernel/kernel.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pail::simulation {

using kernel::FileRef;
using kernel::Hold;
using kernel::Inode;
using kernel::InodeRef;
using kernel::Mode;
using kernel::OpenFile;
using kernel::outcome_of;
using kernel::repeat_when_stale;
using kernel::Trust;

namespace {

constexpr std::uint64_t kMaxWrite = 1 << 20;  // bytes of one request

Outcome with_descriptor(int descriptor) {
  Outcome outcome;
  outcome.descriptor = descriptor;
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

Kernel::Kernel(Names names, std::uint64_t unique)
    : requests_(unique),
      dentries_(names, requests_),
      walk_(requests_, dentries_),
      files_(requests_),
      renames_(requests_, dentries_, walk_) {}

Kernel::~Kernel() {
  requests_.end();
  renames_.abandon_lock();
  dentries_.abandon_locks();
  requests_.drop();
}

// ---- system calls by path -------------------------------------------------------------------------------------------

void Kernel::open(Process process, const Path& path, int flags, std::uint32_t permissions, Then done) {
  const auto open_existing = [=, this](Trust trust, const Then& then) {
    walk_.find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
      if (errnum != 0) return then(outcome_of(errnum));
      open_found(process, inode, flags, then);
    });
  };
  const auto open_or_create = [=, this](Trust trust, const Then& then) {
    const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                        const InodeRef& found) {
      if (found && (flags & O_EXCL) != 0) return then(outcome_of(EEXIST));
      if (found) return open_found(process, found, flags, then);
      create(process, Create{directory->number, name, permissions, flags}, directory, hold, then);
    };
    walk_.lock_parent(process, path, trust, then, in_directory);
  };
  if ((flags & O_CREAT) != 0)
    repeat_when_stale(open_or_create, done);
  else
    repeat_when_stale(open_existing, done);
}

void Kernel::open_found(Process process, const InodeRef& inode, int flags, const Then& then) {
  if (inode->is_directory()) return then(outcome_of(EISDIR));
  if (inode->type == vfs::FileType::symlink) return then(outcome_of(ELOOP));
  const int asked = flags & ~(O_CREAT | O_EXCL);
  requests_.ask(process, Open{inode->number, asked}, [=, this](const Answer& answer) {
    if (answer.errnum != 0) return then(outcome_of(answer.errnum));
    if ((asked & O_TRUNC) != 0) {
      dentries_.content_changed(*inode);
      inode->attributes.size = 0;
    }
    then(with_descriptor(files_.open(process, inode, std::get<OpenedFile>(answer.value).handle, asked)));
  });
}

void Kernel::create(Process process, const Create& question, const InodeRef& directory, const Hold& hold,
                    const Then& then) {
  requests_.ask(process, question, [=, this](const Answer& answer) {
    const Hold until_known = hold;
    if (answer.errnum != 0) return then(outcome_of(answer.errnum));
    const auto& opened = std::get<OpenedFile>(answer.value);
    const InodeRef inode = dentries_.link(directory, question.name, opened.entry.value(), dentries_.version());
    dentries_.expire_attributes(*directory);
    then(with_descriptor(files_.open(process, inode, opened.handle, question.flags)));
  });
}

void Kernel::open_directory(Process process, const Path& path, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        walk_.find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0 && !inode->is_directory()) errnum = ENOTDIR;
          if (errnum != 0) return then(outcome_of(errnum));
          then(with_descriptor(files_.open(process, inode, 0, O_RDONLY)));
        });
      },
      done);
}

void Kernel::stat(Process process, const Path& path, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        walk_.find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum != 0) return then(outcome_of(errnum));
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
        walk_.find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0 && inode->type != vfs::FileType::symlink) errnum = EINVAL;
          if (errnum != 0) return then(outcome_of(errnum));
          requests_.ask(process, ReadLink{inode->number}, [inode, then](const Answer& answer) {
            Outcome outcome = outcome_of(answer.errnum);
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

void Kernel::rename(Process process, const Path& from, const Path& to, vfs::RenameMode mode, Then then) {
  renames_.rename(process, from, to, mode, then);
}

void Kernel::stat_filesystem(Process process, Then then) {
  requests_.ask(process, StatFs{}, [then](const Answer& answer) { then(outcome_of(answer.errnum)); });
}

void Kernel::make(Process process, const Path& path, const std::function<Question(InodeNumber parent)>& question,
                  Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                            const InodeRef& found) {
          if (found) return then(outcome_of(EEXIST));
          requests_.ask(process, question(directory->number), [=, this](const Answer& answer) {
            const Hold until_known = hold;
            dentries_.expire_attributes(*directory);
            if (answer.errnum == 0)
              dentries_.link(directory, name, std::get<ShownEntry>(answer.value), dentries_.version());
            then(outcome_of(answer.errnum));
          });
        };
        walk_.lock_parent(process, path, trust, then, in_directory);
      },
      done);
}

void Kernel::remove(Process process, const Path& path, Kind kind, const Then& done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        const auto in_directory = [=, this](const InodeRef& directory, const std::string& name, const Hold& hold,
                                            const InodeRef& victim) {
          if (!victim) return then(outcome_of(ENOENT));
          if (victim->is_directory() != (kind == Kind::directory))
            return then(outcome_of(kind == Kind::directory ? ENOTDIR : EISDIR));
          victim->lock->take(Mode::exclusive, [=, this](const Hold& victim_hold) {
            const Hold holds = std::make_shared<std::pair<Hold, Hold>>(hold, victim_hold);
            remove_locked(process, directory, name, victim, holds, then);
          });
        };
        walk_.lock_parent(process, path, trust, then, in_directory);
      },
      done);
}

void Kernel::remove_locked(Process process, const InodeRef& directory, const std::string& name, const InodeRef& victim,
                           const Hold& holds, const Then& then) {
  Question question = Unlink{directory->number, name};
  if (victim->is_directory()) question = RemoveDirectory{directory->number, name};
  requests_.ask(process, std::move(question), [=, this](const Answer& answer) {
    const Hold until_known = holds;
    dentries_.expire_attributes(*directory);
    dentries_.expire_attributes(*victim);
    if (answer.errnum == 0) {
      victim->removed = true;
      dentries_.unlink(directory, name);
    } else {
      dentries_.expire_name(directory, name);
    }
    then(outcome_of(answer.errnum));
  });
}

// ---- attributes -----------------------------------------------------------------------------------------------------

void Kernel::attributes_of(Process process, const InodeRef& inode, const Then& then) {
  Outcome known;
  known.attributes = inode->attributes;
  if (dentries_.trusts_attributes_of(*inode)) return then(known);
  const std::uint64_t asked_at = dentries_.version();
  requests_.ask(process, GetAttributes{inode->number}, [=, this](const Answer& answer) {
    Outcome outcome = outcome_of(answer.errnum);
    if (answer.errnum == 0) {
      outcome.attributes = std::get<ShownEntry>(answer.value);
      dentries_.learn(outcome.attributes, asked_at);
    }
    then(outcome);
  });
}

void Kernel::set_attributes_by_path(Process process, const Path& path, SetAttributes change,
                                    const std::function<int(const Inode& inode)>& check, Then done) {
  repeat_when_stale(
      [=, this](Trust trust, const Then& then) {
        walk_.find(process, path, trust, [=, this](int errnum, const InodeRef& inode) {
          if (errnum == 0) errnum = check(*inode);
          if (errnum != 0) return then(outcome_of(errnum));
          set_attributes(process, inode, change, then);
        });
      },
      done);
}

void Kernel::set_attributes(Process process, const InodeRef& inode, SetAttributes change, const Then& then) {
  change.number = inode->number;
  inode->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
    inode->size_is_changing = change.size.has_value();
    requests_.ask(process, change, [=, this](const Answer& answer) {
      const Hold until_known = hold;
      inode->size_is_changing = false;
      if (answer.errnum == 0) dentries_.learn(std::get<ShownEntry>(answer.value), dentries_.version());
      then(outcome_of(answer.errnum));
    });
  });
}

// ---- system calls by descriptor -------------------------------------------------------------------------------------

int Kernel::duplicate(Process process, int descriptor) {
  return files_.duplicate(process, descriptor);
}

void Kernel::close(Process process, int descriptor, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file) return then(outcome_of(EBADF));
  files_.close(process, descriptor);
  if (file->is_stream || needs_no_flush(file->flags)) return then(Outcome{});
  const bool another = files_.has_another(process, *file);
  file->inode->lock->take(Mode::exclusive, [=, this](const Hold&) {  // those who write come first
    requests_.ask(process, Flush{file->inode->number, file->handle, another},
                  [file, then](const Answer& answer) { then(outcome_of(answer.errnum)); });
  });
}

void Kernel::read(Process process, int descriptor, std::uint64_t at, std::uint64_t size, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file || (file->flags & O_ACCMODE) == O_WRONLY) return then(outcome_of(EBADF));
  if (file->is_stream) return then(outcome_of(EISDIR));
  requests_.ask(process, Read{file->inode->number, file->handle, at, size}, [file, then](const Answer& answer) {
    Outcome outcome = outcome_of(answer.errnum);
    if (answer.errnum == 0) outcome.bytes = std::get<Bytes>(answer.value).bytes;
    then(outcome);
  });
}

void Kernel::write(Process process, int descriptor, std::uint64_t at, std::string bytes, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file || !writes(file->flags)) return then(outcome_of(EBADF));
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
  requests_.ask(process, Write{file->inode->number, file->handle, at, piece}, [=, this](const Answer& answer) {
    Inode& inode = *file->inode;
    inode.size_is_changing = false;
    dentries_.content_changed(inode);
    Outcome until_here = outcome_of(answer.errnum);
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
  const FileRef file = files_.file_of(process, descriptor);
  if (!file) return then(outcome_of(EBADF));
  if (file->is_stream || !writes(file->flags)) return then(outcome_of(EINVAL));
  SetAttributes change;
  change.handle = file->handle;
  change.size = size;
  set_attributes(process, file->inode, change, [file, then](const Outcome& outcome) { then(outcome); });
}

void Kernel::stat_open(Process process, int descriptor, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file) return then(outcome_of(EBADF));
  attributes_of(process, file->inode, [file, then](const Outcome& outcome) { then(outcome); });
}

void Kernel::sync(Process process, int descriptor, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file || file->is_stream) return then(outcome_of(EBADF));
  file->inode->lock->take(Mode::exclusive, [=, this](const Hold& hold) {
    requests_.ask(process, Sync{file->inode->number, file->handle},
                  [file, hold, then](const Answer& answer) { then(outcome_of(answer.errnum)); });
  });
}

void Kernel::read_directory(Process process, int descriptor, std::uint64_t most, bool with_attributes, Then then) {
  const FileRef file = files_.file_of(process, descriptor);
  if (!file) return then(outcome_of(EBADF));
  if (!file->is_stream) return then(outcome_of(ENOTDIR));
  const InodeRef directory = file->inode;
  directory->lock->take(Mode::shared, [=, this](const Hold& hold) {
    if (directory->removed) return then(outcome_of(ENOENT));
    const std::uint64_t asked_at = dentries_.version();
    const ReadDirectory question{directory->number, file->offset, most, with_attributes};
    requests_.ask(process, question, [=, this](const Answer& answer) {
      const Hold until_known = hold;
      if (answer.errnum != 0) return then(outcome_of(answer.errnum));
      then(take_names(*file, std::get<Listed>(answer.value), asked_at));
    });
  });
}

Outcome Kernel::take_names(OpenFile& stream, const Listed& listed, std::uint64_t asked_at) {
  Outcome outcome;
  for (const ListedName& each : listed.names) {
    outcome.names.push_back(each.name);
    stream.offset = each.next_offset;
    if (each.entry && each.name != "." && each.name != "..")
      dentries_.link(stream.inode, each.name, *each.entry, asked_at);
  }
  return outcome;
}

void Kernel::rewind_directory(Process process, int descriptor) {
  if (const FileRef file = files_.file_of(process, descriptor)) file->offset = 0;
}

}  // namespace pail::simulation
