// What the operations of an object store take and give.
//
// Names follow the S3 API; the facts are those of IBM Cloud Object Storage (API documentation "Object operations",
// "Bucket operations") and, where it is silent, of Amazon S3.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "pailfs/base/bytes.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/result.h"
#include "pailfs/http/message.h"

namespace pail::cos {

// An object's version tag as the server sends it, with its quotes. Empty: not known.
struct ETag {
  std::string text;
  bool empty() const { return text.empty(); }
  // Of an object that was stored in parts: a copy made in one request has another one.
  bool is_of_parts() const { return text.find('-') != std::string::npos; }
  bool operator==(const ETag&) const = default;
};

// Headers an object keeps that are not pailfs's business: Content-Type and its kin, and x-amz-meta-*.
struct ObjectHeaders {
  std::vector<http::Header>
      standard;  // Content-Type, Cache-Control, Content-Disposition, -Encoding, -Language, Expires
  std::vector<http::Header> metadata;  // names lower case and without the "x-amz-meta-" prefix
};

// What HEAD or GET says of an object.
struct ObjectInfo {
  ByteCount size;
  ETag etag;
  WallTime last_modified{};  // 1 s resolution
  ObjectHeaders headers;
  std::string storage_class;  // empty: the bucket's own
  std::string restore;        // x-amz-restore as sent, empty when absent
  std::string version_id;     // empty in a bucket without versions
};

// One entry of a listing: what it knows of an object.
struct ListedObject {
  std::string key;
  ByteCount size;
  ETag etag;
  WallTime last_modified{};
  std::string storage_class;
};

enum class ListVersion { v1, v2 };

struct ListRequest {
  std::string prefix;
  std::string delimiter;     // empty: none
  std::string start_after;   // first page only: names after this key
  std::string continuation;  // of the page before; opaque
  unsigned max_keys = 1000;  // 1..1000
};

// A page, sorted by key in byte order. `continuation` is empty on the last page.
struct ListPage {
  std::vector<ListedObject> objects;
  std::vector<std::string> common_prefixes;
  std::string continuation;
};

// Conditions on a read or a write. Empty members are not sent.
struct Preconditions {
  ETag if_match;
  ETag if_none_match;
  bool if_absent = false;  // If-None-Match: *
};

struct PutRequest {
  std::string key;
  std::shared_ptr<http::BodySource> body;  // null: an empty object
  std::string content_md5;                 // base64; computed from `body` when empty
  ObjectHeaders headers;
  Preconditions conditions;
};

struct PutResult {
  ETag etag;
  std::string version_id;
  WallTime date{};  // of the answer, by the store's clock in whole seconds; epoch: not said
};

enum class MetadataDirective { copy, replace };

struct CopyRequest {
  std::string source_bucket;  // empty: the same bucket
  std::string source_key;
  std::string key;
  MetadataDirective directive = MetadataDirective::copy;
  ObjectHeaders headers;  // with replace
  ETag source_if_match;
  Preconditions conditions;  // on the destination, where the store has them
};

// Of what version of its source a copy is.
enum class CopiedVersion {
  unknown,
  asked_for,  // that of source_if_match, which the store was given
};

struct CopyResult {
  ETag etag;
  WallTime last_modified{};
  CopiedVersion version = CopiedVersion::unknown;
};

// A refusal in the answer of a multi-object delete.
struct DeleteRefusal {
  std::string key, code, message;
};

struct UploadId {
  std::string text;
};

struct CompletedPart {
  unsigned number;  // 1..10000
  ETag etag;
};

struct PartInfo {
  unsigned number;
  ETag etag;
  ByteCount size;
  WallTime last_modified{};
};

struct PartsPage {
  std::vector<PartInfo> parts;
  unsigned next_marker = 0;  // 0 on the last page
};

struct UploadInfo {
  std::string key;
  UploadId id;
  WallTime initiated{};
};

struct UploadsPage {
  std::vector<UploadInfo> uploads;
  std::vector<std::string> common_prefixes;
  std::string next_key_marker, next_upload_id_marker;  // both empty on the last page
};

struct BucketInfo {
  std::string name;
  WallTime created{};
  std::string location;  // provisioning code such as "us-south-standard"; only in an extended listing
};

struct BucketsPage {
  std::vector<BucketInfo> buckets;
  std::string next_marker;  // empty on the last page
};

// Protocol limits (cloud documentation, "Object operations" and "FAQ").
inline constexpr ByteCount kMinPartSize{5ull << 20};
inline constexpr ByteCount kMaxPartSize{5ull << 30};
inline constexpr ByteCount kMaxSinglePut{5ull << 30};
inline constexpr ByteCount kMaxObjectSize{10'000'000'000'000};
inline constexpr unsigned kMaxParts = 10'000;
inline constexpr std::size_t kMaxKeyBytes = 1024;
inline constexpr std::size_t kMaxDeleteKeys = 1000;

}  // namespace pail::cos
