// Puts staged bytes that cannot be brought into the bucket out of the way, for people to find, with what they need to
// know of them.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "local/journal/records.h"
#include "local/names/name_store.h"
#include "local/staging/staging.h"
#include "vfs/attribute_view.h"
#include "vfs/filesystem.h"
#include "vfs/tree.h"

namespace pail::vfs {

// Thread-safe. Answers with the new path of the bytes. Errors: as local::StagingArea::set_aside().
class SetAside {
 public:
  SetAside(const local::NameStore& names, const Tree& tree, const AttributeView& view, local::StagingArea& staging,
           const Options& options)
      : names_(names), tree_(tree), view_(view), staging_(staging), options_(options) {}

  // The caller has the inode's turn. `error`: what the last try to upload it was answered.
  Result<std::filesystem::path> put(const local::InodeRecord& record, local::KeptReason reason, std::string error = {});
  // Of a file whose record is gone. `noted`: what the journal says of it.
  Result<std::filesystem::path> put_nameless(InodeNumber number, const std::optional<local::StagedFileBegun>& noted);

 private:
  local::KeptDescription describe(const local::InodeRecord& record) const;
  local::KeptDescription describe_nameless(InodeNumber number,
                                           const std::optional<local::StagedFileBegun>& noted) const;

  const local::NameStore& names_;
  const Tree& tree_;
  const AttributeView& view_;
  local::StagingArea& staging_;
  const Options& options_;
};

}  // namespace pail::vfs
