// Questions to the object store: what was known when each was asked, to be given back with the answer.
//
// Values; they live as long as the process that asked.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "local/records.h"

namespace pail::local {

// When the store was asked: its answer is older than what has a higher sequence or a later moment.
struct Asking {
  std::uint64_t sequence = 0;  // of the last change by our side
  WallTime moment{};           // of no other question
};

// Where an inode lay when the store was asked about it. An answer counts only while it lay there all the time: a
// directory that went away and came back has the path of before, but the answer may be of the time between.
struct Spot {
  InodeNumber number = 0;
  std::string path;  // the names that lead to it from the root, with '/' between them; "" of the root
  Asking asked;
};

// Who asks. What the store says to whoever works on the inode cannot be work of ours under way.
enum class Asker { anybody, at_work };

// About the object of an inode.
class AskedInode {
 public:
  const InodeRecord& inode() const { return inode_; }
  const std::string& path() const { return spot_.path; }

 private:
  friend class NameStore;
  InodeRecord inode_;
  Spot spot_;
  Asker asker_ = Asker::anybody;
};

// About what lies under one name.
class AskedName {
 public:
  const std::string& directory_path() const { return directory_.path; }
  const std::string& name() const { return name_; }

 private:
  friend class NameStore;
  Spot directory_;
  std::string name_;
};

// For all names of a directory, page by page: one thread at a time.
class AskedListing {
 public:
  InodeNumber directory() const { return directory_.number; }
  const std::string& path() const { return directory_.path; }

 private:
  friend class NameStore;
  Spot directory_;
  Asking page_;                             // for the page under way
  bool had_names_ = false;                  // only then can a name be gone
  std::unordered_set<std::uint64_t> seen_;  // hashes of the names of all pages, when had_names_
};

}  // namespace pail::local
