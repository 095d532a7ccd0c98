#include "emulator/checksums.h"

#include <algorithm>

#include "emulator/key_map.h"

namespace pail::emulator {
namespace {

struct Crc {
  std::uint64_t polynomial;  // reflected
  unsigned bits;
};

Crc crc_of(std::string_view algorithm) {
  if (algorithm == "crc32") return {0xEDB88320, 32};
  if (algorithm == "crc32c") return {0x82F63B78, 32};
  return {0x9A6C9329AC4BC9B5, 64};
}

// a * b modulo the polynomial, all reflected: the highest bit stands for 1.
std::uint64_t multiply(Crc crc, std::uint64_t a, std::uint64_t b) {
  std::uint64_t product = 0;
  for (std::uint64_t bit = std::uint64_t{1} << (crc.bits - 1); bit != 0; bit >>= 1) {
    if (a & bit) product ^= b;
    b = b & 1 ? b >> 1 ^ crc.polynomial : b >> 1;
  }
  return product;
}

}  // namespace

bool known_algorithm(std::string_view name) {
  return std::find(kChecksumAlgorithms.begin(), kChecksumAlgorithms.end(), name) != kChecksumAlgorithms.end();
}

RunningChecksum::RunningChecksum(std::string_view algorithm) : algorithm_(algorithm) {
  if (algorithm == "sha1") digest_.emplace(DigestKind::sha1);
  if (algorithm == "sha256") digest_.emplace(DigestKind::sha256);
}

void RunningChecksum::update(std::span<const std::byte> piece) {
  if (digest_) {
    digest_->update(piece);
  } else if (algorithm_ == "crc32") {
    crc_ = crc32(static_cast<std::uint32_t>(crc_), piece);
  } else if (algorithm_ == "crc32c") {
    crc_ = crc32c(static_cast<std::uint32_t>(crc_), piece);
  } else {
    crc_ = crc64nvme(crc_, piece);
  }
}

std::string RunningChecksum::raw() {
  return digest_ ? digest_->result() : crc_bytes(algorithm_, crc_);
}

std::string crc_bytes(std::string_view algorithm, std::uint64_t crc) {
  const std::string eight = big_endian(crc);
  return crc_of(algorithm).bits == 32 ? eight.substr(4) : eight;
}

std::uint64_t combine_crc(std::string_view algorithm, std::uint64_t a, std::uint64_t b, std::uint64_t length_of_b) {
  const Crc crc = crc_of(algorithm);
  // x to the power of 8 * length, by squaring.
  std::uint64_t power = std::uint64_t{1} << (crc.bits - 1);
  std::uint64_t square = std::uint64_t{1} << (crc.bits - 1 - 8);
  for (; length_of_b != 0; length_of_b >>= 1) {
    if (length_of_b & 1) power = multiply(crc, power, square);
    square = multiply(crc, square, square);
  }
  return multiply(crc, power, a) ^ b;
}

}  // namespace pail::emulator
