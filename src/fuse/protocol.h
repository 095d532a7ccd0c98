// What this layer needs of the kernel's FUSE protocol and Debian 12's headers do not name yet.
#pragma once

#include <linux/fuse.h>

#include <cstddef>
#include <cstdint>
#include <span>

namespace pail::fuse {

// Set in the number of a request that was read before, by a reader that is gone. The answer must carry it too.
inline constexpr std::uint64_t kResentBit = 1ull << 63;
// A notification without body: send everything that was read and is not answered again. Linux 6.9.
inline constexpr std::int32_t kNotifyResend = 7;
// In flags2 of FUSE_INIT: the kernel knows kNotifyResend.
inline constexpr std::uint32_t kHasResend = 1u << 7;
// In flags of FUSE_INIT: flags2 is valid.
inline constexpr std::uint32_t kInitExtended = 1u << 30;

// Whether the kernel that sent this FUSE_INIT request can send requests again.
bool offers_resend(std::span<const char> init);

}  // namespace pail::fuse
