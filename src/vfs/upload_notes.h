// What the journal says of uploads that the store knows of, so that not even a power cut leaves one in the bucket.
#pragma once

#include <map>
#include <string>

#include "local/journal/journal_state.h"
#include "pailfs/cos/types.h"
#include "vfs/types.h"

namespace pail::vfs {

// Thread-safe. A journal that takes no record costs that promise and nothing else: the log says so.
class UploadNotes {
 public:
  explicit UploadNotes(local::JournalState& journal) : journal_(journal) {}

  // It is on disk when this returns. `number`: 0 of a copy, or of nobody any more. False: the journal took no record.
  bool begun(InodeNumber number, const std::string& key, const cos::UploadId& id);
  // Completed, aborted, or gone.
  void ended(const cos::UploadId& id);
  // Whether the journal has a record of it.
  bool has(const cos::UploadId& id) const { return journal_.has_upload(id.text); }
  // By upload id.
  std::map<std::string, local::UploadBegun> open() const { return journal_.live().uploads(); }

 private:
  local::JournalState& journal_;
};

}  // namespace pail::vfs
