#include "fuse/protocol.h"

#include <cstring>

namespace pail::fuse {

bool offers_resend(std::span<const char> init) {
  fuse_init_in body{};
  if (init.size() < sizeof(fuse_in_header) + sizeof body) return false;
  std::memcpy(&body, init.data() + sizeof(fuse_in_header), sizeof body);
  return (body.flags & kInitExtended) != 0 && (body.flags2 & kHasResend) != 0;
}

}  // namespace pail::fuse
