#include "local/content_id.h"

#include <algorithm>
#include <cstring>

#include "base/encoding.h"
#include "base/random.h"

namespace pail::local {

ContentId ContentId::make() {
  ContentId id;
  fill_random(id.bytes);
  return id;
}

std::string ContentId::text() const {
  return to_hex(bytes);
}

std::optional<ContentId> ContentId::from_text(std::string_view text) {
  const auto raw = from_hex(text);
  ContentId id;
  if (!raw || raw->size() != id.bytes.size()) return std::nullopt;
  std::ranges::copy(bytes_of(*raw), id.bytes.begin());
  return id;
}

}  // namespace pail::local

std::size_t std::hash<pail::local::ContentId>::operator()(const pail::local::ContentId& id) const noexcept {
  std::size_t some = 0;
  std::memcpy(&some, id.bytes.data(), sizeof some);
  return some;
}
