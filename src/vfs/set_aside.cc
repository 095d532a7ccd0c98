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

Result<std::filesystem::path> SetAside::put_nameless(InodeNumber number) {
  return staging_.set_aside(number, describe_nameless());
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

KeptDescription SetAside::describe_nameless() const {
  KeptDescription description;
  description.reason = local::KeptReason::name_lost;
  description.endpoint = options_.endpoint;
  description.bucket = options_.bucket;
  description.name = "unknown";
  description.permissions = options_.file_permissions;
  description.uid = options_.uid;
  description.gid = options_.gid;
  description.modified = description.accessed = tree_.now();
  return description;
}

}  // namespace pail::vfs
