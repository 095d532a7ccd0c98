#include <algorithm>

#include "base/encoding.h"
#include "base/file.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::size_t kBuffer = 1 << 20;
constexpr std::uint64_t kLargestCopy = std::uint64_t{5} << 30;

struct Source {
  std::string bucket, key;
  OpenObject object;
};

// The object that x-amz-copy-source names, if its conditions hold.
ApiResult<Source> open_source(Call& call) {
  const std::string header = call.request.header_or("x-amz-copy-source", "");
  if (header.find("?versionId=") != std::string::npos)
    return ApiError("NotImplemented", "Versions of a copy source are not implemented.");
  auto path = percent_decode(header);
  if (path && path->starts_with('/')) path->erase(0, 1);
  const std::size_t slash = path ? path->find('/') : std::string::npos;
  if (slash == std::string::npos || slash + 1 == path->size())
    return ApiError("InvalidArgument", "x-amz-copy-source must be bucket/key.");
  Source out{path->substr(0, slash), path->substr(slash + 1), {}};
  PAIL_TRY(out.object, call.state.store->open_object(out.bucket, out.key));
  const Conditions conditions = Conditions::from(call.request.headers, "x-amz-copy-source-");
  if (check_write(conditions, static_cast<const ObjectHead&>(out.object.record)) != Verdict::proceed)
    return precondition_failed();
  return out;
}

// Gives the bytes of `range` of an object to `sink`, in order.
Result<Unit> read_bytes(const OpenObject& object, ByteRange range, const BodyReader::Sink& sink) {
  const auto give = [&](std::span<const std::byte> bytes) -> Result<Unit> {
    if (!sink(bytes)) return Error{EIO, "copying an object"};
    return Unit{};
  };
  if (object.record.pieces.empty())
    return give(bytes_of(std::string_view(object.record.small).substr(range.first, range.last - range.first + 1)));
  std::vector<std::byte> buffer(kBuffer);
  for (Payload::Piece piece : cut(object.record.pieces, range)) {
    PAIL_TRY(const UniqueFd fd, object.pin->open(piece.file));
    while (piece.length > 0) {
      const std::size_t want = std::min<std::uint64_t>(piece.length, buffer.size());
      PAIL_TRY(const std::size_t got, read_at(fd.get(), {piece.offset}, std::span(buffer).first(want)));
      if (got != want) return Error{EIO, "a data file is shorter than the index says"};
      PAIL_CHECK(give(std::span(buffer).first(got)));
      piece.offset += got;
      piece.length -= got;
    }
  }
  return Unit{};
}

std::string copy_result(std::string_view root, const ObjectHead& object) {
  XmlWriter xml(root, XmlWriter::Namespace::s3);
  xml.element("LastModified", iso_date(object.modified)).element("ETag", in_quotes(object.etag));
  return xml.finish();
}

// The copy of an object that was uploaded in parts has the ETag and checksum of one that was not.
ApiResult<Unit> make_plain(const OpenObject& source, ObjectRecord& record) {
  if (record.parts == 0) return Unit{};
  Digest md5(DigestKind::md5);
  std::uint64_t crc = 0;
  PAIL_CHECK(read_bytes(source, {0, record.size - 1}, [&](std::span<const std::byte> bytes) -> ApiResult<Unit> {
    md5.update(bytes);
    crc = crc64nvme(crc, bytes);
    return Unit{};
  }));
  record.parts = 0;
  record.etag = to_hex(bytes_of(md5.result()));
  record.checksum = {"crc64nvme", to_base64(bytes_of(crc_bytes("crc64nvme", crc))), false};
  return Unit{};
}

}  // namespace

ApiResult<Response> copy_object(Call& call) {
  PAIL_TRY(const Source source, open_source(call));
  const std::string directive = call.request.header_or("x-amz-metadata-directive", "COPY");
  if (directive != "COPY" && directive != "REPLACE") return ApiError("InvalidArgument", "Unknown metadata directive.");
  const bool replace = directive == "REPLACE";
  if (!replace && source.bucket == call.request.bucket && source.key == call.request.key)
    return ApiError("InvalidRequest",
                    "This copy request is illegal because it is trying to copy an object to itself without changing "
                    "the object's metadata or storage class.");
  ObjectRecord record = source.object.record;
  if (record.size > kLargestCopy)
    return ApiError("InvalidRequest", "The specified copy source is larger than the maximum allowable size.");
  PAIL_CHECK(make_plain(source.object, record));
  if (replace) {
    PAIL_TRY(GivenHeaders given, given_headers(call.request));
    record.headers = std::move(given.headers);
    record.metadata = std::move(given.metadata);
  }
  record.modified = call.state.now_ns();
  const ObjectHead head = record;
  PAIL_CHECK(call.state.store->put_shared(call.request.bucket, call.request.key, std::move(record), source.object,
                                          Conditions::from(call.request.headers)));
  return xml_response(copy_result("CopyObjectResult", head));
}

ApiResult<Response> upload_part_copy(Call& call) {
  PAIL_TRY(const unsigned number, part_number(call));
  const std::string id = call.request.parameter("uploadId").value_or("");
  PAIL_CHECK(call.state.store->upload(call.request.bucket, call.request.key, id));
  PAIL_TRY(const Source source, open_source(call));
  const std::uint64_t size = source.object.record.size;
  const auto header = call.request.header("x-amz-copy-source-range");
  PAIL_TRY(const auto range, parse_range(header, size));
  // Unlike a GET's, this range must be well formed and lie in the source.
  const bool exact = range && header == "bytes=" + std::to_string(range->first) + "-" + std::to_string(range->last);
  if (header && !exact)
    return ApiError("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last.");
  const std::unique_ptr<NewData> data = call.state.store->new_data(NewData::Placement::always_file);
  Digest md5(DigestKind::md5);
  PartRecord part;
  if (size > 0) {
    const ByteRange bytes = range.value_or(ByteRange{0, size - 1});
    PAIL_CHECK(read_bytes(source.object, bytes, [&](std::span<const std::byte> piece) -> ApiResult<Unit> {
      md5.update(piece);
      part.crc64 = crc64nvme(part.crc64, piece);
      PAIL_CHECK(data->append(piece));
      return Unit{};
    }));
  }
  part.size = data->size();
  part.modified = call.state.now_ns();
  part.etag = to_hex(bytes_of(md5.result()));
  ObjectHead head;
  head.modified = part.modified;
  head.etag = part.etag;
  PAIL_CHECK(call.state.store->put_part(call.request.bucket, call.request.key, id, number, std::move(part), *data));
  return xml_response(copy_result("CopyPartResult", head));
}

}  // namespace pail::emulator
