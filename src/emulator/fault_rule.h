// Trouble on request: which requests meet it, and what happens to them.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"

namespace pail::emulator {

enum class FaultKind {
  status,       // answers with `status` and `code`
  proxy,        // answers `status` as somebody on the way to the store would: a page, no field of the store's
  error_in_ok,  // answers 200 with an error document, as copies and completes may
  reset,        // a TCP reset: after `at_byte` bytes of the request's body, or else of the answer's
  stall,        // silence for `stall_time`, then goes on; in front of the answer or after `at_byte` bytes of its body
  truncate,     // ends the connection after `at_byte` bytes of the answer's body
  corrupt,      // flips one bit of byte `at_byte` of the request's body, or else of the answer's
};

// Before: the operation is not carried out. After: it is, but the client does not learn so.
enum class FaultTime { before, after };

// As JSON the members have these names; `kind` and `time` as words, stall_time as "stall_ms".
struct FaultRule {
  std::vector<std::string> operations = {"*"};  // such as GetObject, UploadPart, Token; * is all
  std::string bucket;                           // empty: any
  std::string key_prefix;
  FaultKind kind = FaultKind::status;
  FaultTime time = FaultTime::before;
  std::uint64_t after = 0;  // of the requests that match, this many pass first
  std::uint64_t times = std::numeric_limits<std::uint64_t>::max();
  double probability = 1;  // of each request that `after` and `times` let through
  std::uint32_t seed = 1;
  int status = 503;
  std::string code = "SlowDown";
  std::optional<unsigned> retry_after_seconds;
  std::uint64_t at_byte = 0;
  std::chrono::milliseconds stall_time{0};  // 0: until the client gives up
};

// The rules in force; the first that strikes decides. Thread-safe.
class FaultPlan {
 public:
  void add(FaultRule rule);
  void clear();
  std::vector<FaultRule> rules() const;
  // The fault for this request, which counts as one that matched.
  std::optional<FaultRule> strike(std::string_view operation, std::string_view bucket, std::string_view key);

 private:
  struct Armed {
    FaultRule rule;
    std::uint64_t matched = 0, struck = 0;
    std::mt19937 random;
  };
  mutable Mutex mutex_;
  std::vector<Armed> rules_ PAIL_GUARDED_BY(mutex_);
};

}  // namespace pail::emulator
