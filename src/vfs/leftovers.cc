#include "vfs/leftovers.h"

#include <fmt/format.h>

#include <set>

#include "base/log.h"

namespace pail::vfs {

using local::InodeRecord;

void Leftovers::sweep() {
  // The process before this one was killed between setting bytes aside and saying so.
  for (const InodeNumber number : names_.view().staged())
    if (const auto file = staging_.open(number); file && !*file) content_.leave_base(number);
  const auto staged = names_.view().staged();
  const std::set<InodeNumber> in_use(staged.begin(), staged.end());
  for (const InodeNumber number : staging_.all()) {
    if (in_use.contains(number)) continue;
    if (names_.view().inode(number))
      content_.discard(number);
    else
      sweep_nameless(number);
  }
  for (const InodeNumber number : names_.view().uploads())
    if (!in_use.contains(number)) content_.let_go_upload(number);
}

// A staging file whose inode is not known: its names were lost with the index.
void Leftovers::sweep_nameless(InodeNumber number) {
  const auto file = content_.file(number);
  const auto noted = notes_.entry(number);
  const bool was_removed = noted && noted->target.key.empty();
  const bool empty = file && (*file)->size().n == 0;
  if (was_removed || empty) {
    if (!was_removed && noted)
      spdlog::warn("{}: was being written when the index of names was lost; nothing of it reached the disk",
                   quote(noted->target.key));
    return content_.discard(number);
  }
  const auto path = aside_.put_nameless(number, noted);
  if (!path)
    return spdlog::error("inode {}: its name is lost, and its bytes cannot be put aside: make room in {}: {}", number,
                         state_directory_.string(), path.error().context);
  spdlog::warn(
      "{}: was being written when the index of names was lost; its bytes are kept in {}, see `pailfs recover "
      "list`",
      noted ? quote(noted->target.key) : "a file", path->string());
}

Result<Unit> Leftovers::set_aside_unstored() {
  for (const InodeNumber number : names_.view().staged()) {
    const auto record = names_.view().inode(number);
    if (!record || record->binding == local::Binding::removed) continue;  // an orphan: its bytes go
    const auto file = staging_.open(number);
    const bool there = !file || *file;  // one that is damaged, too
    if (there)
      PAIL_CHECK(keep(*record));
    else
      content_.leave_base(number);
  }
  return Unit{};
}

Result<Unit> Leftovers::keep(const InodeRecord& record) {
  const auto path = content_.keep(record, local::KeptReason::mount_ended, {});
  if (!path)
    return Error{path.error().errnum,
                 fmt::format("{}: an earlier mount could not store it, and its bytes cannot be put aside; make room "
                             "in {}: {}",
                             quote(record.name), state_directory_.string(), path.error().context)};
  spdlog::warn("{}: an earlier mount ended before it was stored; its bytes are kept in {}, see `pailfs recover list`",
               quote(record.name), path->string());
  return Unit{};
}

// An entry outlives its inode for as long as the bytes could not be put aside.
Result<Unit> Leftovers::bring_notes_in_line() {
  for (const InodeNumber number : names_.view().staged()) notes_.note(number);
  for (const InodeNumber number : notes_.noted()) {
    const auto file = staging_.open(number);
    const bool to_be_kept = (!file || *file) && !names_.view().inode(number);
    if (!to_be_kept) notes_.note(number);
  }
  return notes_.complete();
}

}  // namespace pail::vfs
