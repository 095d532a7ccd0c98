// What the index holds for a bucket, an object, an upload and a part, and how it is laid out in bytes.
// The layout is private to the emulator: kRecordFormat changes with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/request.h"

namespace pail::emulator {

inline constexpr std::string_view kRecordFormat = "pailfs emulator 1";

struct BucketRecord {
  std::uint64_t root = 0;    // of its objects and uploads
  std::int64_t created = 0;  // nanoseconds since 1970
  std::string location;      // location constraint, such as us-south-standard
};

// One x-amz-checksum-* value: `algorithm` is crc32, crc32c, crc64nvme, sha1 or sha256.
struct Checksum {
  std::string algorithm;
  std::string value;  // base64; a composite one ends in -<parts>
  bool composite = false;
};

// The first fields of an object, all that a listing shows.
struct ObjectHead {
  std::uint64_t size = 0;
  std::int64_t modified = 0;  // nanoseconds since 1970
  std::string etag;           // without quotes
};

struct ObjectRecord : ObjectHead {
  Fields headers;   // standard headers that GET gives back, names in lower case
  Fields metadata;  // x-amz-meta-*, names in lower case and without that prefix
  Checksum checksum;
  std::uint32_t parts = 0;  // of a multipart upload; then each piece is a part
  std::vector<Payload::Piece> pieces;
  std::string small;  // the bytes of an object without pieces
};

struct UploadRecord {
  std::int64_t initiated = 0;  // nanoseconds since 1970
  Fields headers, metadata;
  Fields conditions;      // If-Match and the like, evaluated again at complete
  std::string algorithm;  // of its checksum; empty when the client named none
  bool composite = false;
};

struct PartRecord {
  std::uint64_t size = 0;
  std::int64_t modified = 0;
  std::string etag;
  std::uint64_t crc64 = 0;
  Checksum checksum;  // as the client declared it; empty algorithm when it did not
  std::uint64_t file = 0;
};

std::string encode(const BucketRecord& record);
std::string encode(const ObjectRecord& record);
std::string encode(const UploadRecord& record);
std::string encode(const PartRecord& record);

// Bytes that were not written by encode() give a record of defaults or a shortened one, never a crash.
BucketRecord decode_bucket(std::string_view bytes);
ObjectHead decode_head(std::string_view bytes);
ObjectRecord decode_object(std::string_view bytes);
UploadRecord decode_upload(std::string_view bytes);
PartRecord decode_part(std::string_view bytes);

}  // namespace pail::emulator
