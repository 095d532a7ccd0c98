// The way of a request's body: framing off, digests on, everything the client declared checked at the end.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "emulator/checksums.h"
#include "emulator/chunk_decoder.h"
#include "emulator/request.h"

namespace pail::emulator {

// What is known of a body that was received whole and is as declared.
struct BodyDigests {
  std::uint64_t size = 0;
  std::string md5;          // 16 raw bytes
  std::uint64_t crc64 = 0;  // crc64nvme, when asked for
  Checksum declared;        // x-amz-checksum-* of the client; no algorithm when there was none
};

// One thread at a time.
class BodyReader {
 public:
  using Sink = ChunkDecoder::Sink;
  // content_md5_only: the x-amz-checksum-* headers speak of something else than this body.
  enum class Integrity { optional, required, content_md5_only };
  enum class Crc64 { skipped, computed };

  // Errors: InvalidDigest, InvalidRequest, MissingContentLength: what the headers alone show.
  static ApiResult<BodyReader> start(const Request& request, SignedPayload payload, Integrity integrity, Crc64 crc64,
                                     Sink sink);

  // Errors: those of framing and of the sink.
  ApiResult<Unit> feed(std::span<const std::byte> bytes);
  // Errors: BadDigest, XAmzContentSHA256Mismatch, IncompleteBody, InvalidRequest.
  ApiResult<BodyDigests> finish();

 private:
  BodyReader() = default;
  ApiResult<Unit> declare(const Request& request, Integrity integrity);
  ApiResult<Unit> take(std::span<const std::byte> data);

  Sink sink_;
  SignedPayload payload_;
  std::optional<ChunkDecoder> chunks_;
  std::optional<std::uint64_t> expected_size_;
  std::optional<std::string> content_md5_;  // raw
  std::optional<RunningChecksum> checksum_;
  std::optional<std::string> checksum_value_;  // base64; none while it is to come as a trailer
  std::uint64_t size_ = 0;
  Digest md5_{DigestKind::md5};
  std::optional<Digest> sha256_;
  std::optional<std::uint64_t> crc64_;
};

}  // namespace pail::emulator
