// What the name store holds at one moment: readers never see half an event.
//
// A view belongs to one thread, must end before that thread tells the store anything, and must not be held across a
// request, a disk sync or a reply. What it gives out are values. Records that contradict each other are damage: the
// process ends, and the next one sets the index aside.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "local/names/facts.h"
#include "local/records.h"
#include "pailfs/base/result.h"

namespace pail::local {

class AbsentNames;
class Index;
class ReadTransaction;

// What is known of a name.
struct KnownName {
  WallTime checked{};                // when that was last confirmed
  std::optional<InodeRecord> inode;  // none: known to be absent
};

class View {
 public:
  View(Index& index, const AbsentNames& absent);
  View(View&&) noexcept;
  ~View();

  std::optional<InodeRecord> inode(InodeNumber number) const;
  // Errors: ESTALE it no longer exists.
  Result<InodeRecord> require(InodeNumber number) const;
  // Nothing: not known.
  std::optional<KnownName> name(InodeNumber parent, std::string_view name) const;
  // Whether the name leads to this inode; 0: to none that is known.
  bool leads_to(InodeNumber parent, std::string_view name, InodeNumber number) const;
  // The latest question whose answer told that nothing lies under the name; epoch: none did, or something came since.
  WallTime last_free(InodeNumber parent, std::string_view name) const;
  // Visits the children of a directory by rising inode number, beginning after `after`, until `visit` returns false.
  void children(InodeNumber directory, InodeNumber after, const std::function<bool(InodeRecord)>& visit) const;

  // The names that lead to an inode from the root, with '/' between them; "" of the root.
  // Errors: ESTALE a directory above it no longer exists; ENAMETOOLONG they are too many.
  Result<std::string> path(InodeNumber number) const;
  bool lies_below(InodeNumber number, InodeNumber directory) const;
  // Whether a file anywhere below the directory has bytes that are not stored.
  bool holds_staged(InodeNumber directory) const;

  // What an earlier process did for a request.
  std::optional<Attempt> attempt(RequestNumber request) const;
  std::vector<std::pair<RequestNumber, Begun>> begun() const;
  std::vector<DeletesLeft> deletes_left() const;
  std::vector<InodeNumber> orphans() const;  // without a name; may still be open
  std::vector<InodeNumber> staged() const;   // whose bytes are staged
  std::optional<UploadRecord> upload(InodeNumber number) const;
  std::vector<UploadPartRecord> upload_parts(InodeNumber number) const;
  std::vector<InodeNumber> uploads() const;

 private:
  friend class NameStore;

  Index* index_;
  const AbsentNames* absent_;
  std::unique_ptr<ReadTransaction> read_;
};

}  // namespace pail::local
