#include "base/checksum.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <array>

#include "base/encoding.h"

namespace pail {
namespace {

// EVP_MD_fetch once a process: a fetch costs more than a short digest.
const EVP_MD* algorithm(DigestKind kind) {
  static const EVP_MD* const md5 = EVP_MD_fetch(nullptr, "MD5", nullptr);
  static const EVP_MD* const sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  static const EVP_MD* const sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  switch (kind) {
    case DigestKind::md5:
      return md5;
    case DigestKind::sha1:
      return sha1;
    case DigestKind::sha256:
      return sha256;
  }
  return sha256;
}

// Eight tables, so that eight bytes are folded in at a time.
template <class Word>
using CrcTables = std::array<std::array<Word, 256>, 8>;

template <class Word>
constexpr CrcTables<Word> make_tables(Word reflected_polynomial) {
  CrcTables<Word> tables{};
  for (unsigned i = 0; i < 256; ++i) {
    Word value = i;
    for (int bit = 0; bit < 8; ++bit) value = value & 1 ? value >> 1 ^ reflected_polynomial : value >> 1;
    tables[0][i] = value;
  }
  for (unsigned i = 0; i < 256; ++i)
    for (std::size_t t = 1; t < 8; ++t) tables[t][i] = tables[t - 1][i] >> 8 ^ tables[0][tables[t - 1][i] & 255];
  return tables;
}

template <class Word>
Word crc_update(const CrcTables<Word>& tables, Word crc, std::span<const std::byte> piece) {
  crc = ~crc;
  std::size_t i = 0;
  for (; i + 8 <= piece.size(); i += 8) {
    Word next = 0;
    for (std::size_t k = 0; k < 8; ++k) {
      const Word from_crc = k < sizeof(Word) ? crc >> (8 * k) & 255 : 0;
      next ^= tables[7 - k][(from_crc ^ std::to_integer<Word>(piece[i + k])) & 255];
    }
    crc = next;
  }
  for (; i < piece.size(); ++i) crc = crc >> 8 ^ tables[0][(crc ^ std::to_integer<Word>(piece[i])) & 255];
  return ~crc;
}

}  // namespace

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  DigestKind kind;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(DigestKind kind) : state_(std::make_unique<State>()) {
  state_->kind = kind;
  reset();
}
Digest::~Digest() = default;
Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;

void Digest::update(std::span<const std::byte> piece) {
  EVP_DigestUpdate(state_->context, piece.data(), piece.size());
}

std::string Digest::result() {
  std::string raw(EVP_MAX_MD_SIZE, '\0');
  unsigned size = 0;
  EVP_DigestFinal_ex(state_->context, reinterpret_cast<unsigned char*>(raw.data()), &size);
  raw.resize(size);
  return raw;
}

void Digest::reset() {
  EVP_DigestInit_ex2(state_->context, algorithm(state_->kind), nullptr);
}

std::string Digest::of(DigestKind kind, std::span<const std::byte> bytes) {
  Digest digest(kind);
  digest.update(bytes);
  return digest.result();
}

std::uint32_t crc32(std::uint32_t crc, std::span<const std::byte> piece) {
  static constexpr auto kTables = make_tables<std::uint32_t>(0xEDB88320);
  return crc_update(kTables, crc, piece);
}

std::uint32_t crc32c(std::uint32_t crc, std::span<const std::byte> piece) {
  static constexpr auto kTables = make_tables<std::uint32_t>(0x82F63B78);
  return crc_update(kTables, crc, piece);
}

std::uint64_t crc64nvme(std::uint64_t crc, std::span<const std::byte> piece) {
  static constexpr auto kTables = make_tables<std::uint64_t>(0x9A6C9329AC4BC9B5);
  return crc_update(kTables, crc, piece);
}

std::uint64_t xxh3(std::span<const std::byte> bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

std::string xxh3_name(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  return to_hex(std::as_bytes(std::span(canonical.digest)));
}

}  // namespace pail
