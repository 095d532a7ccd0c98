// Digests and checksums, each as an object that is fed pieces, and as one call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace pail {

enum class DigestKind { md5, sha1, sha256 };

// A cryptographic digest over pieces. One thread at a time. result() ends it; after it only reset() is allowed.
class Digest {
 public:
  explicit Digest(DigestKind kind);
  ~Digest();
  Digest(Digest&&) noexcept;
  Digest& operator=(Digest&&) noexcept;

  void update(std::span<const std::byte> piece);
  std::string result();  // raw bytes: 16, 20 or 32
  void reset();

  static std::string of(DigestKind kind, std::span<const std::byte> bytes);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// CRCs as S3's x-amz-checksum-* headers use them. `crc` is the value so far, 0 at the start.
std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> piece);
std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> piece);
std::uint64_t crc64nvme(std::uint64_t crc, std::span<const std::byte> piece);

// XXH3, 64 bits: for data that never leaves the machine.
std::uint64_t xxh3(std::span<const std::byte> bytes);
// XXH3, 128 bits, as 32 hexadecimal digits: names of cache files.
std::string xxh3_name(std::span<const std::byte> bytes);

}  // namespace pail
