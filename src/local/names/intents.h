// Attempts at requests, as records of the index and back.
#pragma once

#include "local/names/facts.h"

namespace pail::local {

// Requests that nobody asks again, kept beside those of the kernel: deletes, with a job's number, and attributes that
// were sent, with an inode's.
inline constexpr RequestNumber kOwnRequests = 1ull << 63;
inline constexpr RequestNumber kAttributesSent = kOwnRequests | 1ull << 62;
constexpr bool says_attributes_sent(RequestNumber request) {
  return (request & kAttributesSent) == kAttributesSent;
}

Attempt attempt_of(RequestNumber request, const Intent& intent);
Intent intent_of(const Attempt& attempt);

}  // namespace pail::local
