// What log_level=debug tells of one request: each repetition, and that it was slow.
#pragma once

#include <chrono>
#include <string>

#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/http/message.h"

namespace pail::cos {

// Made when the request begins. One thread at a time.
class RequestLog {
 public:
  // `what` is safe text, such as "PUT bucket/key". `clock` is borrowed.
  RequestLog(std::string what, const Clock& clock);

  // The last attempt ended with `why`, which names the request; the next one begins after `pause`.
  void repeated(const Error& why, std::chrono::milliseconds pause);
  // The request has ended, with this head of its last answer: a line when it took longer than a second.
  void ended(const http::Headers& answer) const;

 private:
  const std::string what_;
  const Clock& clock_;
  const SteadyTime began_;
  unsigned attempts_ = 1;
};

}  // namespace pail::cos
