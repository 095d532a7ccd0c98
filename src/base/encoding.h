// Bytes as text: hexadecimal, base64, percent-encoding.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pail {

std::string to_hex(std::span<const std::byte> bytes);  // lower case
std::string to_base64(std::span<const std::byte> bytes);
std::optional<std::string> from_hex(std::string_view text);     // either case; none when malformed
std::optional<std::string> from_base64(std::string_view text);  // padded; none when malformed

// Percent-encodes every byte but A-Z a-z 0-9 - . _ ~ and those in `keep`, with upper-case digits.
std::string percent_encode(std::string_view text, std::string_view keep = "");
// None when a % is not followed by two hexadecimal digits. '+' stays a plus.
std::optional<std::string> percent_decode(std::string_view text);

inline std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace pail
