#include "vfs/staged_content.h"

#include <cerrno>
#include <utility>

#include "base/log.h"

namespace pail::vfs {

Result<StagedContent::File> StagedContent::file(InodeNumber number) {
  PAIL_TRY(File file, staging_.open(number));
  // Its upload has ended, or it lost against another writer and was set aside.
  if (!file) return Error{ESTALE, "what was written to the file is not here any more"};
  return file;
}

void StagedContent::remove_file(InodeNumber number) {
  if (const auto removed = staging_.remove(number); !removed) spdlog::warn("{}", removed.error().context);
}

Result<std::filesystem::path> StagedContent::keep(const local::InodeRecord& record, local::KeptReason reason,
                                                  std::string error) {
  PAIL_TRY(auto path, aside_.put(record, reason, std::move(error)));
  leave_base(record.number);
  return path;
}

void StagedContent::leave_base(InodeNumber number) {
  uploader_.let_go(number);
  if (const auto noted = names_.content_lost(number); !noted) spdlog::warn("{}", noted.error().context);
  notes_.note(number);
}

void StagedContent::discard(InodeNumber number) {
  uploader_.let_go(number);
  remove_file(number);
  notes_.note(number);
}

}  // namespace pail::vfs
