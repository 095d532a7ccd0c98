#include "cli/values.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include "base/log.h"

namespace pail::cli {
namespace {

struct NamedFactor {
  std::string_view name;
  double factor;
};

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

// A number that is not negative and a unit behind it, multiplied. None when either is not known.
std::optional<double> number_with_unit(std::string_view text, std::span<const NamedFactor> units) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || text.front() == '-' || !std::isfinite(number)) return std::nullopt;
  const std::string unit = lower(text.substr(static_cast<std::size_t>(end - text.data())));
  const auto found = std::ranges::find(units, unit, &NamedFactor::name);
  if (found == units.end()) return std::nullopt;
  return number * found->factor;
}

constexpr double kKibi = 1024.0, kMebi = kKibi * 1024, kGibi = kMebi * 1024, kTebi = kGibi * 1024;
constexpr auto kSizeUnits = std::to_array<NamedFactor>({{"", 1},
                                                        {"b", 1},
                                                        {"k", kKibi},
                                                        {"kib", kKibi},
                                                        {"kb", 1e3},
                                                        {"m", kMebi},
                                                        {"mib", kMebi},
                                                        {"mb", 1e6},
                                                        {"g", kGibi},
                                                        {"gib", kGibi},
                                                        {"gb", 1e9},
                                                        {"t", kTebi},
                                                        {"tib", kTebi},
                                                        {"tb", 1e12}});
constexpr auto kTimeUnits =
    std::to_array<NamedFactor>({{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}});

std::optional<std::uint32_t> plain_number(std::string_view text, int base) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return number;
}

}  // namespace

Result<ByteCount> parse_size(std::string_view text) {
  const Error wrong{EINVAL, fmt::format("{} is not a size; expected a number of bytes, or one with a unit such as "
                                        "64KiB, 256MiB, 10GiB, 1TiB",
                                        quote(text))};
  if (text.empty()) return wrong;
  // Whole numbers are read as such: a double would round what is above 2^53.
  std::uint64_t whole = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
  if (error == std::errc() && end == text.data() + text.size()) return ByteCount{whole};
  const auto bytes = number_with_unit(text, kSizeUnits);
  if (!bytes || *bytes > 9e18) return wrong;
  return ByteCount{static_cast<std::uint64_t>(std::llround(*bytes))};
}

std::string render_size(ByteCount size) {
  constexpr std::array<std::string_view, 5> kUnits{"", "KiB", "MiB", "GiB", "TiB"};
  std::size_t unit = 0;
  while (unit + 1 < kUnits.size() && size.n >= 1024 && size.n % 1024 == 0) {
    size.n /= 1024;
    ++unit;
  }
  return fmt::format("{}{}", size.n, kUnits[unit]);
}

Result<std::chrono::nanoseconds> parse_duration(std::string_view text) {
  const auto seconds = text.empty() ? std::nullopt : number_with_unit(text, kTimeUnits);
  if (!seconds || *seconds > 1e9)
    return Error{EINVAL,
                 fmt::format("{} is not a duration; expected seconds, or a number with ms, s, m, h or d", quote(text))};
  return std::chrono::nanoseconds(std::llround(*seconds * 1e9));
}

std::string render_duration(std::chrono::nanoseconds duration) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  if (duration.count() % kSecond == 0) return fmt::format("{}", duration.count() / kSecond);
  return fmt::format("{}.{:09}", duration.count() / kSecond, duration.count() % kSecond);
}

Result<std::uint32_t> parse_user(std::string_view text) {
  if (const auto number = plain_number(text, 10)) return *number;
  if (const passwd* user = text.empty() ? nullptr : ::getpwnam(std::string(text).c_str())) return user->pw_uid;
  return Error{EINVAL, fmt::format("{} is neither a user number nor a user of this machine", quote(text))};
}

Result<std::uint32_t> parse_group(std::string_view text) {
  if (const auto number = plain_number(text, 10)) return *number;
  if (const group* entry = text.empty() ? nullptr : ::getgrnam(std::string(text).c_str())) return entry->gr_gid;
  return Error{EINVAL, fmt::format("{} is neither a group number nor a group of this machine", quote(text))};
}

Result<std::uint32_t> parse_permissions(std::string_view text) {
  const auto bits = plain_number(text, 8);
  if (!bits || *bits > 07777)
    return Error{EINVAL,
                 fmt::format("{} is not a set of permissions; expected octal digits such as 022 or 0644", quote(text))};
  return *bits;
}

}  // namespace pail::cli
