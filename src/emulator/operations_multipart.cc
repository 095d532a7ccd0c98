#include <algorithm>

#include "base/encoding.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::uint64_t kSmallestPart = 5 << 20;  // but for the last one

std::string upload_id(const Call& call) {
  return call.request.parameter("uploadId").value_or("");
}

// The ETag of joined parts: the MD5 of their MD5s, and their number.
std::string joined_etag(const std::vector<ListedPart>& parts) {
  std::string digests;
  for (const ListedPart& listed : parts) digests += from_hex(listed.part.etag).value_or("");
  return to_hex(bytes_of(Digest::of(DigestKind::md5, bytes_of(digests)))) + "-" + std::to_string(parts.size());
}

std::uint64_t crc_value(const PartRecord& part, std::string_view algorithm) {
  if (algorithm == "crc64nvme") return part.crc64;
  return from_big_endian(std::string(4, '\0') + from_base64(part.checksum.value).value_or(std::string(4, '\0')));
}

Checksum full_object_checksum(std::string_view algorithm, const std::vector<ListedPart>& parts) {
  std::uint64_t crc = 0;
  for (const ListedPart& listed : parts)
    crc = combine_crc(algorithm, crc, crc_value(listed.part, algorithm), listed.part.size);
  return {std::string(algorithm), to_base64(bytes_of(crc_bytes(algorithm, crc))), false};
}

Checksum composite_checksum(const std::string& algorithm, const std::vector<ListedPart>& parts) {
  RunningChecksum checksum(algorithm);
  for (const ListedPart& listed : parts)
    checksum.update(bytes_of(from_base64(listed.part.checksum.value).value_or("")));
  return {algorithm, to_base64(bytes_of(checksum.raw())) + "-" + std::to_string(parts.size()), true};
}

Checksum joined_checksum(const UploadRecord& upload, const std::vector<ListedPart>& parts) {
  const bool all_declared = std::all_of(parts.begin(), parts.end(), [&](const ListedPart& listed) {
    return listed.part.checksum.algorithm == upload.algorithm;
  });
  if (upload.algorithm.empty() || upload.algorithm == "crc64nvme" || !all_declared)
    return full_object_checksum("crc64nvme", parts);
  return upload.composite ? composite_checksum(upload.algorithm, parts) : full_object_checksum(upload.algorithm, parts);
}

ApiResult<Unit> check_order(const std::vector<CompletedPart>& chosen) {
  for (std::size_t i = 1; i < chosen.size(); ++i)
    if (chosen[i].number <= chosen[i - 1].number)
      return ApiError("InvalidPartOrder", "The list of parts was not in ascending order.");
  return Unit{};
}

ApiResult<ObjectRecord> join(const Call& call, const CompleteRequest& wanted, const UploadRecord& upload,
                             const std::vector<ListedPart>& parts) {
  ObjectRecord record;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const PartRecord& part = parts[i].part;
    if (i + 1 < parts.size() && part.size < kSmallestPart)
      return ApiError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size.");
    for (const auto& [algorithm, value] : wanted.checksums[i])
      if (algorithm == part.checksum.algorithm && value != part.checksum.value)
        return ApiError("InvalidPart", "The checksum of a part differs from the one you specified.");
    record.size += part.size;
  }
  record.modified = call.state.now_ns();
  record.etag = joined_etag(parts);
  record.headers = upload.headers;
  record.metadata = upload.metadata;
  record.parts = static_cast<std::uint32_t>(parts.size());
  record.checksum = joined_checksum(upload, parts);
  const auto expected = call.request.header(std::string(kChecksumHeader) + record.checksum.algorithm);
  if (expected && *expected != record.checksum.value)
    return ApiError("BadDigest", "The checksum you specified did not match the calculated checksum.");
  return record;
}

}  // namespace

ApiResult<Response> create_upload(Call& call) {
  PAIL_TRY(GivenHeaders given, given_headers(call.request));
  UploadRecord record;
  record.initiated = call.state.now_ns();
  record.headers = std::move(given.headers);
  record.metadata = std::move(given.metadata);
  record.conditions = condition_fields(call.request.headers);
  record.algorithm = lower_case(call.request.header_or("x-amz-checksum-algorithm", ""));
  if (!record.algorithm.empty() && !known_algorithm(record.algorithm))
    return ApiError("InvalidRequest", "Checksum algorithm provided is unsupported.");
  const std::string type = call.request.header_or("x-amz-checksum-type", "");
  const bool digest = record.algorithm == "sha1" || record.algorithm == "sha256";
  if (type == "FULL_OBJECT" && digest)
    return ApiError("InvalidRequest", "The FULL_OBJECT checksum type cannot be used with this algorithm.");
  record.composite = record.algorithm != "crc64nvme" && type != "FULL_OBJECT";
  PAIL_TRY(const auto old, call.state.store->head(call.request.bucket, call.request.key));
  if (check_write(Conditions::from(record.conditions), old) != Verdict::proceed) return precondition_failed();
  PAIL_TRY(const std::string id, call.state.store->create_upload(call.request.bucket, call.request.key, record));
  XmlWriter xml("InitiateMultipartUploadResult", XmlWriter::Namespace::s3);
  xml.element("Bucket", call.request.bucket).element("Key", call.request.key).element("UploadId", id);
  return xml_response(xml.finish());
}

ApiResult<Unit> check_upload_part(Call& call) {
  PAIL_CHECK(part_number(call));
  PAIL_CHECK(call.state.store->upload(call.request.bucket, call.request.key, upload_id(call)));
  return Unit{};
}

ApiResult<Response> upload_part(Call& call) {
  PAIL_TRY(const unsigned number, part_number(call));
  PartRecord part;
  part.size = call.digests.size;
  part.modified = call.state.now_ns();
  part.etag = to_hex(bytes_of(call.digests.md5));
  part.crc64 = call.digests.crc64;
  part.checksum = call.digests.declared;
  Response out;
  out.set("ETag", in_quotes(part.etag));
  if (!part.checksum.algorithm.empty())
    out.set(std::string(kChecksumHeader) + part.checksum.algorithm, part.checksum.value);
  PAIL_CHECK(call.state.store->put_part(call.request.bucket, call.request.key, upload_id(call), number, std::move(part),
                                        *call.data));
  return out;
}

ApiResult<Response> list_parts(Call& call) {
  PAIL_TRY(const std::size_t limit, count_parameter(call, "max-parts", 1000));
  PAIL_TRY(const std::size_t marker, count_parameter(call, "part-number-marker", 10001));
  const unsigned after = call.request.has_parameter("part-number-marker") ? static_cast<unsigned>(marker) : 0;
  PAIL_TRY(auto parts,
           call.state.store->parts(call.request.bucket, call.request.key, upload_id(call), after, limit + 1));
  const bool truncated = limit > 0 && parts.size() > limit;
  if (parts.size() > limit) parts.resize(limit, ListedPart{});
  XmlWriter xml("ListPartsResult", XmlWriter::Namespace::s3);
  xml.element("Bucket", call.request.bucket).element("Key", call.request.key).element("UploadId", upload_id(call));
  write_owner(xml, call, "Initiator");
  write_owner(xml, call, "Owner");
  xml.element("StorageClass", "STANDARD").number("PartNumberMarker", after);
  xml.number("NextPartNumberMarker", parts.empty() ? 0 : parts.back().number);
  xml.number("MaxParts", limit).boolean("IsTruncated", truncated);
  for (const ListedPart& listed : parts) {
    xml.open("Part").number("PartNumber", listed.number).element("LastModified", iso_date(listed.part.modified));
    xml.element("ETag", in_quotes(listed.part.etag)).number("Size", listed.part.size).close("Part");
  }
  return xml_response(xml.finish());
}

ApiResult<Response> complete_upload(Call& call) {
  PAIL_CHECK(call.state.store->upload(call.request.bucket, call.request.key, upload_id(call)));
  PAIL_TRY(const CompleteRequest wanted, parse_complete(call.text));
  PAIL_CHECK(check_order(wanted.parts));
  Checksum checksum;
  std::string etag;
  PAIL_CHECK(call.state.store->complete_upload(
      call.request.bucket, call.request.key, upload_id(call), wanted.parts,
      Conditions::from(condition_fields(call.request.headers)),
      [&](const UploadRecord& upload, const std::vector<ListedPart>& parts) -> ApiResult<ObjectRecord> {
        PAIL_TRY(ObjectRecord record, join(call, wanted, upload, parts));
        checksum = record.checksum;
        etag = record.etag;
        return record;
      }));
  XmlWriter xml("CompleteMultipartUploadResult", XmlWriter::Namespace::s3);
  xml.element("Location", call.request.header_or("host", "") + call.request.path);
  xml.element("Bucket", call.request.bucket).element("Key", call.request.key).element("ETag", in_quotes(etag));
  constexpr std::pair<std::string_view, std::string_view> kElements[] = {{"crc32", "ChecksumCRC32"},
                                                                         {"crc32c", "ChecksumCRC32C"},
                                                                         {"crc64nvme", "ChecksumCRC64NVME"},
                                                                         {"sha1", "ChecksumSHA1"},
                                                                         {"sha256", "ChecksumSHA256"}};
  for (const auto& [algorithm, element] : kElements)
    if (algorithm == checksum.algorithm) xml.element(element, checksum.value);
  xml.element("ChecksumType", checksum.composite ? "COMPOSITE" : "FULL_OBJECT");
  return xml_response(xml.finish());
}

ApiResult<Response> abort_upload(Call& call) {
  PAIL_CHECK(call.state.store->abort_upload(call.request.bucket, call.request.key, upload_id(call)));
  Response out;
  out.status = 204;
  return out;
}

}  // namespace pail::emulator
