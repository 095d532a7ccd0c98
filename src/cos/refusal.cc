#include "cos/refusal.h"

#include <cerrno>
#include <utility>

namespace pail::cos {

Result<Look> look_after_refusal(ObjectStore& store, const std::string& key, const ETag& expected,
                                const CallContext& context) {
  auto info = store.head_object(key, context);
  if (!info && info.error().fault != Fault::no_key) return info.error();
  if (!info) return Look{expected.empty() ? Found::expected : Found::nothing, {}};
  const Found found = info->etag == expected ? Found::expected : Found::another;
  return Look{found, *std::move(info)};
}

Error after_look(const Error& refused, Found found) {
  if (found != Found::expected) return refused;
  return {EIO, refused.context + "; a look at the object does not bear it out", Fault::trouble};
}

Error after_look(ObjectStore& store, const std::string& key, const ETag& expected, const Error& refused,
                 const CallContext& context) {
  if (refused.fault != Fault::precondition) return refused;
  const auto look = look_after_refusal(store, key, expected, context);
  return look ? after_look(refused, look->found) : look.error();
}

}  // namespace pail::cos
