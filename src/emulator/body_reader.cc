#include "emulator/body_reader.h"

#include "base/encoding.h"

namespace pail::emulator {
namespace {

bool in_chunks(PayloadKind kind) {
  return kind != PayloadKind::unsigned_payload && kind != PayloadKind::whole_hash;
}

std::size_t raw_size(std::string_view algorithm) {
  if (algorithm == "crc64nvme") return 8;
  if (algorithm == "sha1") return 20;
  return algorithm == "sha256" ? 32 : 4;
}

}  // namespace

ApiResult<BodyReader> BodyReader::start(const Request& request, SignedPayload payload, Integrity integrity, Crc64 crc64,
                                        Sink sink) {
  BodyReader reader;
  reader.sink_ = std::move(sink);
  reader.expected_size_ = request.content_length;
  if (in_chunks(payload.kind)) {
    reader.expected_size_ = parse_number(request.header_or("x-amz-decoded-content-length", ""));
    if (!reader.expected_size_)
      return ApiError("MissingContentLength", "You must provide x-amz-decoded-content-length.");
    reader.chunks_.emplace(payload);
  }
  if (payload.kind == PayloadKind::whole_hash) reader.sha256_.emplace(DigestKind::sha256);
  if (crc64 == Crc64::computed) reader.crc64_ = 0;
  reader.payload_ = std::move(payload);
  PAIL_CHECK(reader.declare(request, integrity));
  return reader;
}

ApiResult<Unit> BodyReader::declare(const Request& request, Integrity integrity) {
  if (const auto md5 = request.header("content-md5")) {
    content_md5_ = from_base64(*md5);
    if (!content_md5_ || content_md5_->size() != 16)
      return ApiError("InvalidDigest", "The Content-MD5 you specified is not valid.");
  }
  if (integrity == Integrity::content_md5_only) return Unit{};
  const std::string trailer = lower_case(request.header_or("x-amz-trailer", ""));
  for (const std::string_view algorithm : kChecksumAlgorithms) {
    const std::string name = std::string(kChecksumHeader) + std::string(algorithm);
    const auto value = request.header(name);
    if (!value && trailer != name) continue;
    if (checksum_) return ApiError("InvalidRequest", "Expecting a single x-amz-checksum- header.");
    checksum_.emplace(algorithm);
    checksum_value_ = value;
    const auto raw = value ? from_base64(*value) : std::nullopt;
    if (value && (!raw || raw->size() != raw_size(algorithm)))
      return ApiError("InvalidRequest", "Value for " + name + " header is invalid.");
  }
  if (integrity == Integrity::required && !content_md5_ && !checksum_)
    return ApiError("InvalidRequest", "Missing required header for this request: Content-MD5 or x-amz-checksum-*.");
  return Unit{};
}

ApiResult<Unit> BodyReader::take(std::span<const std::byte> data) {
  size_ += data.size();
  md5_.update(data);
  if (sha256_) sha256_->update(data);
  if (checksum_) checksum_->update(data);
  if (crc64_ && !(checksum_ && checksum_->algorithm() == "crc64nvme")) crc64_ = crc64nvme(*crc64_, data);
  return sink_(data);
}

ApiResult<Unit> BodyReader::feed(std::span<const std::byte> bytes) {
  if (!chunks_) return take(bytes);
  PAIL_TRY(const std::size_t used,
           chunks_->feed(bytes, [this](std::span<const std::byte> data) { return take(data); }));
  if (used < bytes.size()) return ApiError("InvalidRequest", "The body goes on after its last chunk.");
  return Unit{};
}

ApiResult<BodyDigests> BodyReader::finish() {
  if (chunks_ && !chunks_->done()) return ApiError("IncompleteBody", "The body ended before its last chunk.");
  if (expected_size_ && size_ != *expected_size_)
    return ApiError("IncompleteBody", "The number of bytes differs from the length you declared.");
  if (sha256_ && to_hex(bytes_of(sha256_->result())) != payload_.sha256_hex)
    return ApiError("XAmzContentSHA256Mismatch", "The provided x-amz-content-sha256 does not match what was computed.");
  BodyDigests out;
  out.size = size_;
  out.md5 = md5_.result();
  if (content_md5_ && *content_md5_ != out.md5)
    return ApiError("BadDigest", "The Content-MD5 you specified did not match what we received.");
  if (crc64_) out.crc64 = *crc64_;
  if (checksum_) {
    const std::string name = std::string(kChecksumHeader) + checksum_->algorithm();
    if (!checksum_value_ && chunks_)
      for (const auto& [trailer, value] : chunks_->trailers())
        if (trailer == name) checksum_value_ = value;
    const std::string raw = checksum_->raw();
    if (!checksum_value_) return ApiError("InvalidRequest", "The trailer " + name + " is missing.");
    if (to_base64(bytes_of(raw)) != *checksum_value_)
      return ApiError("BadDigest", "The " + checksum_->algorithm() + " you specified did not match what we received.");
    out.declared = {checksum_->algorithm(), *checksum_value_, false};
    if (checksum_->algorithm() == "crc64nvme") out.crc64 = 0;
    if (checksum_->algorithm() == "crc64nvme")
      for (const char c : raw) out.crc64 = out.crc64 << 8 | static_cast<unsigned char>(c);
  }
  return out;
}

}  // namespace pail::emulator
