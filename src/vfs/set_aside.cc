#include "vfs/set_aside.h"

#include <utility>

namespace pail::vfs {

using local::InodeRecord;
using local::KeptDescription;

Result<std::filesystem::path> SetAside::put(const InodeRecord& record, local::KeptReason reason, std::string error) {
  KeptDescription description = describe(record);
  description.reason = reason;
  description.error = std::move(error);
  return staging_.set_aside(record.number, std::move(description));
}

Result<std::filesystem::path> SetAside::put_nameless(InodeNumber number,
                                                     const std::optional<local::StagedFileBegun>& noted) {
  return staging_.set_aside(number, describe_nameless(number, noted));
}

// `pailfs recover` stores it by this.
KeptDescription SetAside::describe(const InodeRecord& record) const {
  const auto seen = view_.shown(record);
  InodeRecord shown = seen ? *seen : record;
  KeptDescription description;
  description.endpoint = options_.endpoint;
  description.bucket = options_.bucket;
  if (auto key = tree_.key_of(names_.view(), record.number)) description.key = *std::move(key);
  description.name = shown.name;
  description.permissions = shown.permissions;
  description.uid = shown.uid;
  description.gid = shown.gid;
  description.modified = shown.modified;
  description.accessed = shown.accessed;
  description.headers = std::move(shown.headers);
  description.base_etag = std::move(shown.etag);
  return description;
}

KeptDescription SetAside::describe_nameless(InodeNumber number,
                                            const std::optional<local::StagedFileBegun>& noted) const {
  KeptDescription description;
  description.reason = local::KeptReason::name_lost;
  description.endpoint = options_.endpoint;
  description.bucket = options_.bucket;
  description.name = "unknown";
  description.permissions = options_.file_permissions;
  description.uid = options_.uid;
  description.gid = options_.gid;
  description.modified = description.accessed = tree_.now();
  if (noted) {
    const auto& [bucket, key, base_etag] = noted->target;
    description.bucket = bucket;
    description.key = key;
    description.name = key.substr(key.rfind('/') + 1);
    description.base_etag = base_etag;
    description.permissions = noted->attributes.permissions;
    description.uid = noted->attributes.uid;
    description.gid = noted->attributes.gid;
    description.accessed = noted->attributes.accessed;
    description.headers = noted->attributes.headers;
  }
  if (const auto file = staging_.open(number); file && *file) description.modified = (*file)->modified();
  return description;
}

}  // namespace pail::vfs
