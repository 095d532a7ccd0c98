#include "vfs/attribute_view.h"

#include <algorithm>

namespace pail::vfs {

Result<local::InodeRecord> AttributeView::shown(local::InodeRecord record) const {
  constexpr int kTries = 100;  // it would have to be stored and changed again between two steps, each time
  for (int i = 0; record.content == local::Content::staged; ++i) {
    const auto file = staging_.open(record.number);
    if (file) {
      record.size = (*file)->size();
      record.modified = (*file)->modified();
      record.changed = std::max(record.changed, record.modified);
      return record;
    }
    auto now = index_.read()->inode(record.number);
    if (!now) return Error{ESTALE, "the file was removed"};
    if (i == kTries || (now->content == local::Content::staged && file.error().errnum != ENOENT)) return file.error();
    record = std::move(*now);
  }
  return record;
}

}  // namespace pail::vfs
