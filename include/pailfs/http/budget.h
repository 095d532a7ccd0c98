// How long one operation may go on without progress, over all its attempts.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"

namespace pail::http {

// Ends `bound` after it was made, or after the last progress. Progress is a body that got further
// than in any attempt before: what is sent again, retries, pauses and the bodies of refusals are
// none. So a transfer that moves lasts as long as it must, and one that does not ends when it was
// promised. Thread-safe.
class Budget {
 public:
  // `clock` is borrowed.
  explicit Budget(std::chrono::milliseconds bound, const Clock& clock = system_clock());

  // Bytes of the request's body that the other side has confirmed, and of the answer's body that
  // have come, each counted from the beginning of the attempt.
  void sent(ByteCount bytes) { advance(sent_, bytes); }
  void received(ByteCount bytes) { advance(received_, bytes); }
  // Progress that only the caller can see: a read goes on where an earlier attempt ended.
  void renew();
  // Time that is not the server's, such as waiting for one of our own connections.
  void excuse(std::chrono::nanoseconds spent) { end_ += spent.count(); }

  std::chrono::milliseconds bound() const { return bound_; }
  SteadyTime end() const { return SteadyTime(std::chrono::nanoseconds(end_.load())); }
  std::chrono::milliseconds left() const;  // 0 when used up

 private:
  void advance(std::atomic<std::uint64_t>& furthest, ByteCount bytes);

  const std::chrono::milliseconds bound_;
  const Clock& clock_;
  std::atomic<std::int64_t> end_;  // nanoseconds of the steady clock
  std::atomic<std::uint64_t> sent_{0}, received_{0};
};

}  // namespace pail::http
