// The bytes of a journal file: a header, then frames, each a record with a seal. docs/format.md has
// them byte by byte.
//
// A seal covers the generation of the file, the place of the record in the one sequence and its
// bytes. So bytes that an earlier file or an earlier life left in reserved space are never taken
// for a record.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "pailfs/base/bytes.h"

namespace pail::local {

// The place of a record in the one order of all records, which rises for ever; the first is 1.
struct JournalSequence {
  std::uint64_t n = 0;
  auto operator<=>(const JournalSequence&) const = default;
};

// A file of 64 KiB, with its key and its headers.
inline constexpr ByteCount kLargestPayload = 72_KiB;

// ---- the header ----

struct LogHeader {
  std::uint64_t generation = 0;        // random; each file has another one
  JournalSequence base;                // the snapshot holds what the records up to this one said
  std::uint64_t snapshot_records = 0;  // the first frames of the file, not part of the sequence
  bool operator==(const LogHeader&) const = default;
};

// The header is written twice, in two blocks of the disk: one unreadable block loses no journal.
inline constexpr ByteCount kLogHeaderSize = 8_KiB;
std::string encode(const LogHeader& header);

struct NewerLogFormat {
  std::uint32_t version = 0;
};
struct NoLogHeader {};
// `bytes`: the first of the file, kLogHeaderSize of them where there are as many.
std::variant<LogHeader, NewerLogFormat, NoLogHeader> decode_log_header(
    std::span<const std::byte> bytes);

// ---- frames ----

// Where in the order of a file a frame stands.
struct FramePlace {
  enum class Part : std::uint8_t { snapshot = 1, log = 2 };
  Part part = Part::log;
  std::uint64_t number = 0;  // in a snapshot: from 0 on; in the log: the sequence
  auto operator<=>(const FramePlace&) const = default;
};

struct FrameHead {
  FramePlace place;
  JournalSequence durable;  // the last record known to be on disk when this one was written
  std::uint8_t type = 0;    // of the owner of the journal
  std::uint32_t payload_size = 0;
  std::uint64_t payload_sum = 0;
};

inline constexpr std::size_t kFrameHeadSize = 40;
inline constexpr std::size_t kFrameAlignment = 8;
// With head and padding.
ByteCount frame_size(std::size_t payload_size);

// `head`: payload_size and payload_sum are filled in here. `payload`: at most kLargestPayload.
std::string encode_frame(std::uint64_t generation, FrameHead head, std::string_view payload);
// None: no head of a file of this generation. `bytes`: kFrameHeadSize of them.
std::optional<FrameHead> decode_frame_head(std::uint64_t generation,
                                           std::span<const std::byte> bytes);
bool payload_fits(const FrameHead& head, std::string_view payload);

}  // namespace pail::local
