#include "vfs/xattrs.h"

#include <fmt/format.h>

#include <cerrno>
#include <utility>

#include "base/log.h"
#include "vfs/object_metadata.h"

namespace pail::vfs {

using local::InodeRecord;

Error no_such_attribute(std::string_view name) {
  return Error{ENODATA, fmt::format("{}: no such attribute", quote(name))};
}

Result<Unit> check_xattr_name(std::string_view name) {
  if (name.starts_with("user.") || name.starts_with("trusted.")) return Unit{};
  return Error{EOPNOTSUPP, fmt::format("{}: only user.* and trusted.* attributes are kept", quote(name))};
}

Result<std::string> xattr(const InodeRecord& record, std::string_view name) {
  PAIL_TRY(Xattrs xattrs, xattrs_of(record));
  const auto value = xattrs.find(name);
  if (value == xattrs.end()) return no_such_attribute(name);
  return std::move(value->second);
}

Result<std::vector<std::string>> xattr_names(const InodeRecord& record) {
  PAIL_TRY(const Xattrs xattrs, xattrs_of(record));
  std::vector<std::string> names;
  for (const auto& [name, value] : xattrs) names.push_back(name);
  return names;
}

Result<Unit> set_xattr(InodeRecord& record, std::string_view name, std::span<const std::byte> value, XattrMode mode,
                       const Request& request) {
  const std::string text(reinterpret_cast<const char*>(value.data()), value.size());
  PAIL_TRY(Xattrs xattrs, xattrs_of(record));
  const auto known = xattrs.find(name);
  const bool repeated = request.resent && known != xattrs.end() && known->second == text;
  if (mode == XattrMode::create && known != xattrs.end() && !repeated)
    return Error{EEXIST, fmt::format("{}: the attribute exists", quote(name))};
  if (mode == XattrMode::replace && known == xattrs.end()) return no_such_attribute(name);
  xattrs[std::string(name)] = text;
  set_xattrs(record, xattrs);
  return Unit{};
}

Result<Unit> remove_xattr(InodeRecord& record, std::string_view name, const Request& request) {
  PAIL_TRY(Xattrs xattrs, xattrs_of(record));
  const auto known = xattrs.find(name);
  if (known == xattrs.end() && !request.resent) return no_such_attribute(name);
  if (known != xattrs.end()) xattrs.erase(known);
  set_xattrs(record, xattrs);
  return Unit{};
}

}  // namespace pail::vfs
