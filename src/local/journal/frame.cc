#include "local/journal/frame.h"

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"
#include "local/codec.h"

namespace pail::local {
namespace {

constexpr std::string_view kMagic = "PAILJRNL";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 64;  // of each copy; the last 8 are its checksum
constexpr std::size_t kHeaderCopyAt = 4096;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::uint64_t seal_of(std::uint64_t generation, std::string_view head_fields) {
  RecordWriter sealed;
  sealed.fixed64(generation);
  // Never 0, so that reserved space is told from frames at a glance.
  return std::max<std::uint64_t>(1, xxh3(bytes_of(sealed.take().append(head_fields))));
}

std::variant<LogHeader, NewerLogFormat, NoLogHeader> decode_copy(std::string_view bytes) {
  if (bytes.size() < kHeaderBytes || !bytes.starts_with(kMagic)) return NoLogHeader{};
  RecordReader sum(bytes.substr(kHeaderBytes - sizeof(std::uint64_t), sizeof(std::uint64_t)));
  if (sum.fixed64() != xxh3(bytes_of(bytes.substr(0, kHeaderBytes - sizeof(std::uint64_t)))))
    return NoLogHeader{};
  RecordReader in(bytes.substr(kMagic.size(), kHeaderBytes));
  const auto version = static_cast<std::uint32_t>(in.fixed64());
  if (version > kVersion) return NewerLogFormat{version};
  LogHeader header;
  header.generation = in.fixed64();
  header.base = {in.fixed64()};
  header.snapshot_records = in.fixed64();
  return header;
}

}  // namespace

std::string encode(const LogHeader& header) {
  RecordWriter out;
  out.fixed64(kVersion);
  out.fixed64(header.generation);
  out.fixed64(header.base.n);
  out.fixed64(header.snapshot_records);
  std::string copy = std::string(kMagic) + out.take();
  copy.resize(kHeaderBytes - sizeof(std::uint64_t), '\0');
  RecordWriter sum;
  sum.fixed64(xxh3(bytes_of(copy)));
  copy += sum.take();
  std::string bytes = copy;
  bytes.resize(kHeaderCopyAt, '\0');
  bytes += copy;
  bytes.resize(kLogHeaderSize.n, '\0');
  return bytes;
}

std::variant<LogHeader, NewerLogFormat, NoLogHeader> decode_log_header(
    std::span<const std::byte> bytes) {
  const std::string_view text = text_of(bytes);
  auto first = decode_copy(text);
  if (!std::holds_alternative<NoLogHeader>(first) || text.size() < kHeaderCopyAt) return first;
  return decode_copy(text.substr(kHeaderCopyAt));
}

ByteCount frame_size(std::size_t payload_size) {
  const std::size_t size = kFrameHeadSize + payload_size;
  return {(size + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment};
}

std::string encode_frame(std::uint64_t generation, FrameHead head, std::string_view payload) {
  RecordWriter fields;
  fields.fixed64(head.place.number);
  fields.fixed64(head.durable.n);
  fields.fixed64(xxh3(bytes_of(payload)));
  fields.fixed64(payload.size() | std::uint64_t{head.type} << 32 |
                 std::uint64_t{static_cast<std::uint8_t>(head.place.part)} << 40);
  RecordWriter seal;
  seal.fixed64(seal_of(generation, fields.bytes()));
  std::string frame = seal.take() + fields.take();
  frame.append(payload);
  frame.resize(frame_size(payload.size()).n, '\0');
  return frame;
}

std::optional<FrameHead> decode_frame_head(std::uint64_t generation,
                                           std::span<const std::byte> bytes) {
  if (bytes.size() < kFrameHeadSize) return std::nullopt;
  RecordReader in(text_of(bytes.first(kFrameHeadSize)));
  const std::uint64_t seal = in.fixed64();
  const std::string_view fields = text_of(bytes.subspan(sizeof seal, kFrameHeadSize - sizeof seal));
  if (seal == 0 || seal != seal_of(generation, fields)) return std::nullopt;
  FrameHead head;
  head.place.number = in.fixed64();
  head.durable = {in.fixed64()};
  head.payload_sum = in.fixed64();
  const std::uint64_t rest = in.fixed64();
  head.payload_size = static_cast<std::uint32_t>(rest);
  head.type = static_cast<std::uint8_t>(rest >> 32);
  head.place.part = static_cast<FramePlace::Part>(static_cast<std::uint8_t>(rest >> 40));
  if (head.payload_size > kLargestPayload.n) return std::nullopt;
  return head;
}

bool payload_fits(const FrameHead& head, std::string_view payload) {
  return payload.size() == head.payload_size && xxh3(bytes_of(payload)) == head.payload_sum;
}

}  // namespace pail::local
