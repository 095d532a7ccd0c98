#include "vfs/upload_notes.h"

#include "base/log.h"

namespace pail::vfs {

bool UploadNotes::begun(InodeNumber number, const std::string& key, const cos::UploadId& id) {
  const auto noted = journal_.commit(local::UploadBegun{number, key, id.text});
  if (!noted) spdlog::warn("{}: a power cut would leave its upload unfinished: {}", quote(key), noted.error().context);
  return noted.has_value();
}

void UploadNotes::ended(const cos::UploadId& id) {
  const auto noted = journal_.record(local::UploadEnded{id.text});
  if (!noted) spdlog::debug("the next mount aborts an upload that has ended: {}", noted.error().context);
}

}  // namespace pail::vfs
