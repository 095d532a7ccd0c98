// Merges the pages of one complete listing of a directory into the index.
//
// What changed here after the listing began is left as it is: the listing may not show it yet.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "cache/index.h"
#include "pailfs/cos/types.h"
#include "vfs/tree.h"

namespace pail::vfs {

// One thread at a time.
class ListingMerge {
 public:
  // Begins: everything our side changes from now on wins over what the pages say.
  static Result<ListingMerge> begin(cache::Index& index, const Tree& tree, OpenTable& opens, InodeNumber directory);

  const std::string& prefix() const { return prefix_; }
  WallTime begun() const { return begun_; }
  // The directory still lies where it did when the listing began.
  bool still_valid() const;

  // Errors: ESTALE the directory is gone; those of the index.
  Result<Unit> add(const cos::ListPage& page);
  // After the last page: names that no page showed are gone, and the directory counts as listed.
  Result<Unit> finish();

 private:
  struct Seen;
  ListingMerge(cache::Index& index, const Tree& tree, OpenTable& opens, InodeNumber directory);

  Result<Unit> note_marker(cache::WriteTransaction& change, const cos::ListedObject& marker);
  void merge(cache::WriteTransaction& change, const std::string& name, const Seen& seen);

  cache::Index* index_;
  const Tree* tree_;
  OpenTable* opens_;
  InodeNumber directory_;
  std::string prefix_;
  WallTime begun_;
  std::uint64_t sequence_ = 0;
  bool had_names_ = false;                  // only then can a name be gone
  std::unordered_set<std::uint64_t> seen_;  // hashes of the names of all pages, when had_names_
};

// The inode and everything below it leave the index; what is open stays readable until it is closed.
void remove_tree(cache::WriteTransaction& change, OpenTable& opens, cache::InodeRecord record);

}  // namespace pail::vfs
