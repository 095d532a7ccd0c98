#include "emulator/chunk_decoder.h"

#include <algorithm>
#include <charconv>

#include "base/encoding.h"

namespace pail::emulator {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kMostTrailers = 16;
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

ApiError malformed() {
  return {"InvalidRequest", "The chunks of the body are malformed."};
}

}  // namespace

ChunkDecoder::ChunkDecoder(SignedPayload payload) : payload_(std::move(payload)) {
  if (signs()) chunk_hash_.emplace(DigestKind::sha256);
}

ApiResult<std::size_t> ChunkDecoder::feed(std::span<const std::byte> bytes, const Sink& sink) {
  std::size_t used = 0;
  while (used < bytes.size() && !done()) {
    if (state_ == State::data) {
      const auto piece = bytes.subspan(used, std::min<std::uint64_t>(left_, bytes.size() - used));
      if (chunk_hash_) chunk_hash_->update(piece);
      PAIL_CHECK(sink(piece));
      used += piece.size();
      left_ -= piece.size();
      if (left_ == 0) state_ = State::data_end;
      continue;
    }
    const char c = static_cast<char>(bytes[used++]);
    if (c != '\n') {
      if (line_.size() >= kLongestLine) return malformed();
      line_ += c;
      continue;
    }
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    std::string line = std::move(line_);
    line_.clear();
    PAIL_CHECK(take_line(std::move(line)));
  }
  return used;
}

ApiResult<Unit> ChunkDecoder::take_line(std::string line) {
  switch (state_) {
    case State::size:
      return start_chunk(line);
    case State::data_end:
      if (!line.empty()) return malformed();
      state_ = State::size;
      return end_chunk();
    case State::trailer:
      return line.empty() ? end_trailers() : take_trailer(line);
    case State::data:
    case State::done:
      break;
  }
  return malformed();
}

ApiResult<Unit> ChunkDecoder::start_chunk(const std::string& line) {
  const std::size_t semicolon = line.find(';');
  const std::string_view size = std::string_view(line).substr(0, semicolon);
  const auto [end, failed] = std::from_chars(size.data(), size.data() + size.size(), left_, 16);
  if (failed != std::errc{} || end != size.data() + size.size()) return malformed();
  if (signs()) {
    constexpr std::string_view kName = ";chunk-signature=";
    const std::size_t at = line.find(kName);
    if (at == std::string::npos) return ApiError("SignatureDoesNotMatch", "A chunk carries no signature.");
    chunk_signature_ = line.substr(at + kName.size());
  }
  if (left_ > 0) {
    state_ = State::data;
    return Unit{};
  }
  state_ = State::trailer;
  return end_chunk();
}

ApiResult<Unit> ChunkDecoder::end_chunk() {
  if (!signs()) return Unit{};
  const std::string hash = to_hex(bytes_of(chunk_hash_->result()));
  chunk_hash_->reset();
  return check("AWS4-HMAC-SHA256-PAYLOAD", std::string(kEmptySha256) + "\n" + hash, chunk_signature_);
}

ApiResult<Unit> ChunkDecoder::check(const std::string& label, const std::string& hashes, const std::string& signature) {
  const std::string to_sign =
      label + "\n" + payload_->timestamp + "\n" + payload_->scope + "\n" + payload_->seed + "\n" + hashes;
  const std::string expected = to_hex(bytes_of(hmac_sha256(payload_->signing_key, to_sign)));
  if (!equal_in_constant_time(expected, signature))
    return ApiError("SignatureDoesNotMatch", "The signature of a chunk does not match.");
  payload_->seed = expected;
  return Unit{};
}

ApiResult<Unit> ChunkDecoder::take_trailer(const std::string& line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string::npos || trailers_.size() >= kMostTrailers) return malformed();
  std::string name = lower_case(line.substr(0, colon));
  std::string value = line.substr(colon + 1);
  value.erase(0, value.find_first_not_of(' '));
  if (name != "x-amz-trailer-signature") signed_trailers_ += name + ":" + value + "\n";
  trailers_.emplace_back(std::move(name), std::move(value));
  return Unit{};
}

ApiResult<Unit> ChunkDecoder::end_trailers() {
  state_ = State::done;
  if (!payload_ || payload_->kind != PayloadKind::signed_chunks_trailer) return Unit{};
  for (const auto& [name, value] : trailers_) {
    if (name != "x-amz-trailer-signature") continue;
    const std::string hash = to_hex(bytes_of(Digest::of(DigestKind::sha256, bytes_of(signed_trailers_))));
    return check("AWS4-HMAC-SHA256-TRAILER", hash, value);
  }
  return ApiError("SignatureDoesNotMatch", "The trailers carry no signature.");
}

}  // namespace pail::emulator
