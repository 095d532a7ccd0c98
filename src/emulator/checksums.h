// The x-amz-checksum-* family: which there are, computing several at once, joining those of parts.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/checksum.h"
#include "emulator/record.h"

namespace pail::emulator {

inline constexpr std::array<std::string_view, 5> kChecksumAlgorithms = {"crc32", "crc32c", "crc64nvme", "sha1",
                                                                        "sha256"};
inline constexpr std::string_view kChecksumHeader = "x-amz-checksum-";

bool known_algorithm(std::string_view name);

// One of the algorithms over pieces.
class RunningChecksum {
 public:
  explicit RunningChecksum(std::string_view algorithm);
  void update(std::span<const std::byte> piece);
  std::string raw();  // big-endian bytes; once
  const std::string& algorithm() const { return algorithm_; }

 private:
  std::string algorithm_;
  std::uint64_t crc_ = 0;
  std::optional<Digest> digest_;
};

// The CRC of a followed by b, from their CRCs and b's length. `algorithm` is one of the three CRCs.
std::uint64_t combine_crc(std::string_view algorithm, std::uint64_t a, std::uint64_t b, std::uint64_t length_of_b);
std::string crc_bytes(std::string_view algorithm, std::uint64_t crc);  // big-endian, 4 or 8 bytes

}  // namespace pail::emulator
