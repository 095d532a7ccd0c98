#include "vfs/attribute_view.h"

#include <algorithm>
#include <cerrno>

namespace pail::vfs {

Result<local::InodeRecord> AttributeView::shown(local::InodeRecord record) const {
  constexpr int kTries = 100;  // it would have to be stored and changed again between two steps, each time
  for (int i = 0; record.content == local::Content::staged; ++i) {
    const auto file = staging_.open(record.number);
    if (file && *file) {
      record.size = (*file)->size();
      record.modified = (*file)->modified();
      record.changed = std::max(record.changed, record.modified);
      return record;
    }
    auto now = names_.view().inode(record.number);
    if (!now) return Error{ESTALE, "the file was removed"};
    if (!file && now->content == local::Content::staged) return file.error();
    if (i == kTries) return Error{EIO, "what was written to the file is not here any more"};
    record = std::move(*now);
  }
  return record;
}

}  // namespace pail::vfs
