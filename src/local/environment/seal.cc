#include "local/environment/seal.h"

#include <array>
#include <cstdint>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::local {
namespace {

using Seal = std::array<char, 4>;

Seal seal_of(std::string_view key, std::string_view value) {
  thread_local std::string both;  // spares an allocation for each record that is read
  both.assign(key).append(value);
  const std::uint64_t sum = xxh3(bytes_of(both));
  Seal seal;
  for (std::size_t i = 0; i < seal.size(); ++i) seal[i] = static_cast<char>(sum >> (8 * i));
  return seal;
}

}  // namespace

std::string sealed(std::string_view key, std::string_view value) {
  const Seal seal = seal_of(key, value);
  std::string bytes;
  bytes.reserve(value.size() + seal.size());
  return bytes.append(value).append(seal.data(), seal.size());
}

std::optional<std::string_view> unsealed(std::string_view key, std::string_view bytes) {
  if (bytes.size() < sizeof(Seal)) return std::nullopt;
  const std::string_view value = bytes.substr(0, bytes.size() - sizeof(Seal));
  const Seal seal = seal_of(key, value);
  if (bytes.substr(value.size()) != std::string_view(seal.data(), seal.size())) return std::nullopt;
  return value;
}

}  // namespace pail::local
