#include "vfs/staged_notes.h"

#include <fmt/format.h>

#include "base/log.h"

namespace pail::vfs {

using local::StagedFileBegun;

Result<Unit> StagedNotes::check_usable() const {
  if (const auto failure = journal_.failure()) return *failure;
  return Unit{};
}

std::optional<StagedFileBegun> StagedNotes::entry(InodeNumber number) const {
  const auto known = journal_.file(number);
  const auto* begun = known ? std::get_if<StagedFileBegun>(&*known) : nullptr;
  return begun != nullptr ? std::optional(*begun) : std::nullopt;
}

// Nothing: it is not staged. Where the names have no key for it, what was noted stays.
std::optional<StagedFileBegun> StagedNotes::as_named(InodeNumber number,
                                                     const std::optional<StagedFileBegun>& noted) const {
  const local::View view = names_.view();
  const auto inode = view.inode(number);
  if (!inode || inode->content != local::Content::staged) return std::nullopt;
  std::string key;
  if (inode->binding != local::Binding::removed) {
    auto found = tree_.key_of(view, number);
    if (!found) return noted;
    key = *std::move(found);
  }
  return StagedFileBegun{
      number,
      {bucket_, std::move(key), inode->etag},
      {inode->permissions, inode->uid, inode->gid, inode->modified, inode->accessed, inode->headers}};
}

void StagedNotes::note(InodeNumber number, How gone) {
  MutexLock lock(mutex_);
  const auto noted = entry(number);
  const auto named = as_named(number, noted);
  if (noted == named) return;
  const auto recorded = named ? journal_.record(*named) : journal_.record(local::StagedFileEnded{number, gone});
  if (!recorded && !journal_.failure())
    spdlog::warn("inode {}: a power cut would take the name of what is being written: {}", number,
                 recorded.error().context);
}

void StagedNotes::note_below(InodeNumber directory) {
  std::vector<InodeNumber> below;
  {
    const local::View view = names_.view();
    for (const InodeNumber number : view.staged())
      if (view.lies_below(number, directory)) below.push_back(number);
  }
  for (const InodeNumber number : below) note(number);
}

std::vector<InodeNumber> StagedNotes::noted() const {
  std::vector<InodeNumber> numbers;
  const local::LiveEntries live = journal_.live();
  for (const auto& [number, entry] : live.files()) numbers.push_back(number);
  return numbers;
}

Result<Unit> StagedNotes::complete() {
  if (journal_.index_generation() == names_.generation()) return Unit{};
  return journal_.commit(local::IndexGenerationBegun{names_.generation()});
}

}  // namespace pail::vfs
