// Names a content: bytes that somebody stored once, whichever object holds them by now. Two contents never share one.
//
// Random, so that one that was made with an index that is lost names no other bytes. It never leaves the machine.
#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace pail::local {

struct ContentId {
  std::array<std::byte, 16> bytes{};
  auto operator<=>(const ContentId&) const = default;

  // A new one.
  static ContentId make();
  std::string text() const;  // 32 hexadecimal digits
  static std::optional<ContentId> from_text(std::string_view text);
};

}  // namespace pail::local

template <>
struct std::hash<pail::local::ContentId> {
  std::size_t operator()(const pail::local::ContentId& id) const noexcept;
};
