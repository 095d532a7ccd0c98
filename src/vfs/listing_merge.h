// Merges the pages of one complete listing of a directory into the index.
//
// What changed here after the listing began is left as it is: the listing may not show it yet.
#pragma once

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <unordered_set>

#include "local/names/index.h"
#include "pailfs/cos/types.h"
#include "vfs/tree.h"
#include "vfs/turns.h"

namespace pail::vfs {

// One thread at a time.
class ListingMerge {
 public:
  // Begins: everything our side changes from now on wins over what the pages say.
  // Inodes in whose turn somebody works are left alone, too.
  static Result<ListingMerge> begin(local::Index& index, const Tree& tree, OpenTable& opens, Turns& turns,
                                    InodeNumber directory);

  const std::string& prefix() const { return prefix_; }
  WallTime begun() const { return begun_; }
  // The directory has been all the time where it was when the listing began.
  bool still_valid() const;

  // Both false: the directory was moved, and the listing is worth nothing.
  // Errors: ESTALE the directory is gone; those of the index.
  Result<bool> add(const cos::ListPage& page);
  // After the last page: names that no page showed are gone, and the directory counts as listed.
  Result<bool> finish();

 private:
  struct Seen;
  ListingMerge(local::Index& index, const Tree& tree, OpenTable& opens, Turns& turns, InodeNumber directory);

  Result<Unit> note_marker(local::WriteTransaction& change, const cos::ListedObject& marker);
  bool is_kept(const local::InodeRecord& record) const;
  void note_same_content(local::WriteTransaction& change, local::InodeRecord record, const cos::ListedObject& object);
  void merge(local::WriteTransaction& change, const std::string& name, const Seen& seen);

  local::Index* index_;
  const Tree* tree_;
  OpenTable* opens_;
  Turns* turns_;
  std::set<InodeNumber> busy_;  // whose turn was taken when the present batch began
  InodeNumber directory_;
  Tree::Spot spot_;
  std::string prefix_;
  WallTime begun_;
  std::uint64_t sequence_ = 0;
  bool had_names_ = false;                  // only then can a name be gone
  std::unordered_set<std::uint64_t> seen_;  // hashes of the names of all pages, when had_names_
};

// Others removed the inode, or put something else under its name: it and everything below it leave the index. What is
// open lives on as vanished. What has staged bytes is never taken away, nor is what we changed after `since`, when the
// store was asked, nor are the directories above it: false.
inline constexpr std::uint64_t kAllChanges = std::numeric_limits<std::uint64_t>::max();
[[nodiscard]] bool vanish(local::WriteTransaction& change, OpenTable& opens, local::InodeRecord record,
                          std::uint64_t since = kAllChanges);

// Nothing is known of the name any more: nor does a listing that is still trusted say that it is absent.
void forget_name(local::WriteTransaction& change, local::InodeNumber parent, std::string_view name);

// Whether the name in the record leads to it.
bool leads_to(local::ReadTransaction& view, const local::InodeRecord& record);

}  // namespace pail::vfs
