// If-Match and its family, as the service's table has them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "emulator/record.h"

namespace pail::emulator {

struct Conditions {
  std::optional<std::string> if_match, if_none_match;
  std::optional<std::int64_t> if_modified_since, if_unmodified_since;  // seconds since 1970

  // Reads If-Match and the like from `fields`, or with a prefix those of a copy's source.
  // A date that cannot be read counts as absent, as HTTP says.
  static Conditions from(const Fields& fields, std::string_view prefix = "");
  bool empty() const { return !if_match && !if_none_match && !if_modified_since && !if_unmodified_since; }
};

enum class Verdict { proceed, not_modified, failed };

// For GET and HEAD. The service answers a failed If-Unmodified-Since with 304, HTTP and others with 412.
enum class UnmodifiedSinceFailure { not_modified_304, precondition_failed_412 };
Verdict check_read(const Conditions& conditions, const ObjectHead& object, UnmodifiedSinceFailure failure);

// For PUT, copies (source and destination) and completes. `object` is none when there is no such key.
Verdict check_write(const Conditions& conditions, const std::optional<ObjectHead>& object);

// The headers of `fields` that are conditions on the object itself.
Fields condition_fields(const Fields& fields);

// Seconds since 1970 from an HTTP date or ISO 8601; none when it is neither.
std::optional<std::int64_t> parse_date(const std::string& text);
std::string http_date(std::int64_t seconds);
std::string iso_date(std::int64_t nanoseconds);  // with milliseconds and Z

}  // namespace pail::emulator
