#include "emulator/conditions.h"

#include <fmt/format.h>

#include <ctime>

namespace pail::emulator {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

// Does one of the comma-separated ETags, or *, name this one?
bool names(std::string_view list, std::string_view etag) {
  while (!list.empty()) {
    std::string_view item = list.substr(0, list.find(','));
    list.remove_prefix(std::min(item.size() + 1, list.size()));
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    if (item == "*") return true;
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item.size() >= 2 && item.front() == '"' && item.back() == '"') item = item.substr(1, item.size() - 2);
    if (item == etag) return true;
  }
  return false;
}

bool modified_after(const ObjectHead& object, std::int64_t seconds) {
  return object.modified / kSecond > seconds;
}

}  // namespace

Conditions Conditions::from(const Fields& fields, std::string_view prefix) {
  Conditions out;
  for (const auto& [name, value] : fields) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view rest = std::string_view(name).substr(prefix.size());
    if (rest == "if-match") out.if_match = value;
    if (rest == "if-none-match") out.if_none_match = value;
    if (rest == "if-modified-since") out.if_modified_since = parse_date(value);
    if (rest == "if-unmodified-since") out.if_unmodified_since = parse_date(value);
  }
  return out;
}

Fields condition_fields(const Fields& fields) {
  Fields out;
  for (const auto& field : fields)
    if (field.first == "if-match" || field.first == "if-none-match" || field.first == "if-unmodified-since")
      out.push_back(field);
  return out;
}

Verdict check_read(const Conditions& conditions, const ObjectHead& object, UnmodifiedSinceFailure failure) {
  if (conditions.if_match) {
    if (!names(*conditions.if_match, object.etag)) return Verdict::failed;
  } else if (conditions.if_unmodified_since && modified_after(object, *conditions.if_unmodified_since)) {
    return failure == UnmodifiedSinceFailure::not_modified_304 ? Verdict::not_modified : Verdict::failed;
  }
  if (conditions.if_none_match) {
    if (names(*conditions.if_none_match, object.etag)) return Verdict::not_modified;
  } else if (conditions.if_modified_since && !modified_after(object, *conditions.if_modified_since)) {
    return Verdict::not_modified;
  }
  return Verdict::proceed;
}

Verdict check_write(const Conditions& conditions, const std::optional<ObjectHead>& object) {
  if (!object) return conditions.if_match ? Verdict::failed : Verdict::proceed;
  const Verdict verdict = check_read(conditions, *object, UnmodifiedSinceFailure::precondition_failed_412);
  return verdict == Verdict::proceed ? Verdict::proceed : Verdict::failed;
}

std::optional<std::int64_t> parse_date(const std::string& text) {
  // %z is an offset such as -0000, which mail programs and Python's formatdate() write for GMT.
  for (const char* format :
       {"%a, %d %b %Y %H:%M:%S GMT", "%a, %d %b %Y %H:%M:%S UTC", "%a, %d %b %Y %H:%M:%S %z", "%Y-%m-%dT%H:%M:%S",
        "%Y%m%dT%H%M%SZ", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"}) {
    std::tm fields{};
    if (strptime(text.c_str(), format, &fields) == nullptr) continue;
    const long offset = fields.tm_gmtoff;  // timegm() sets it to 0
    return timegm(&fields) - offset;
  }
  return std::nullopt;
}

std::string http_date(std::int64_t seconds) {
  const std::time_t time = seconds;
  std::tm fields{};
  gmtime_r(&time, &fields);
  char text[64];
  const std::size_t size = strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &fields);
  return {text, size};
}

std::string iso_date(std::int64_t nanoseconds) {
  const std::time_t time = nanoseconds / kSecond;
  std::tm fields{};
  gmtime_r(&time, &fields);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", fields.tm_year + 1900, fields.tm_mon + 1,
                     fields.tm_mday, fields.tm_hour, fields.tm_min, fields.tm_sec, nanoseconds % kSecond / 1'000'000);
}

}  // namespace pail::emulator
