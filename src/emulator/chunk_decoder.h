// Takes the framing off a body sent in chunks: HTTP's own, or aws-chunked with or without signatures and trailers.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/checksum.h"
#include "emulator/api_error.h"
#include "emulator/request.h"
#include "emulator/verifier.h"

namespace pail::emulator {

// One thread at a time.
class ChunkDecoder {
 public:
  using Sink = std::function<ApiResult<Unit>(std::span<const std::byte>)>;

  // HTTP's chunked transfer coding.
  ChunkDecoder() = default;
  // aws-chunked; `payload` says whether chunks and trailers are signed.
  explicit ChunkDecoder(SignedPayload payload);

  // Gives the data in `bytes` to `sink` and returns how many bytes were used: all of them, or fewer once done().
  // Data reaches the sink before its chunk's signature is known: keep nothing until done().
  // Errors: InvalidRequest malformed framing, SignatureDoesNotMatch, and those of the sink.
  ApiResult<std::size_t> feed(std::span<const std::byte> bytes, const Sink& sink);
  bool done() const { return state_ == State::done; }
  const Fields& trailers() const { return trailers_; }  // names in lower case

 private:
  enum class State { size, data, data_end, trailer, done };

  ApiResult<Unit> take_line(std::string line);
  ApiResult<Unit> start_chunk(const std::string& line);
  ApiResult<Unit> end_chunk();
  ApiResult<Unit> take_trailer(const std::string& line);
  ApiResult<Unit> end_trailers();
  ApiResult<Unit> check(const std::string& label, const std::string& hashes, const std::string& signature);
  bool signs() const { return payload_ && payload_->kind != PayloadKind::unsigned_chunks_trailer; }

  std::optional<SignedPayload> payload_;
  State state_ = State::size;
  std::string line_;
  std::uint64_t left_ = 0;  // bytes of the current chunk
  bool last_ = false;       // the current chunk is the empty one
  std::string chunk_signature_;
  std::optional<Digest> chunk_hash_;
  Fields trailers_;
  std::string signed_trailers_;
};

}  // namespace pail::emulator
