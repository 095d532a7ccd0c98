#include <fmt/format.h>

#include "base/encoding.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

constexpr std::pair<std::string_view, std::string_view> kOverrides[] = {
    {"response-cache-control", "cache-control"},       {"response-content-disposition", "content-disposition"},
    {"response-content-encoding", "content-encoding"}, {"response-content-language", "content-language"},
    {"response-content-type", "content-type"},         {"response-expires", "expires"}};

void set_checksum(Response& out, const Checksum& checksum) {
  if (checksum.algorithm.empty()) return;
  out.set(std::string(kChecksumHeader) + checksum.algorithm, checksum.value);
  out.set("x-amz-checksum-type", checksum.composite ? "COMPOSITE" : "FULL_OBJECT");
}

std::string content_header(const Request& request, const ObjectRecord& record, std::string_view name) {
  for (const auto& [parameter, header] : kOverrides)
    if (header == name)
      if (auto given = request.parameter(parameter)) return *given;
  for (const auto& [header, value] : record.headers)
    if (header == name) return value;
  return name == "content-type" ? "application/octet-stream" : "";
}

void set_object_headers(Response& out, const Request& request, const ObjectRecord& record) {
  out.set("ETag", in_quotes(record.etag));
  out.set("Last-Modified", http_date(record.modified / kSecond));
  out.set("Accept-Ranges", "bytes");
  for (const std::string_view name : {"content-type", "cache-control", "content-disposition", "content-encoding",
                                      "content-language", "expires", "x-amz-website-redirect-location"})
    if (std::string value = content_header(request, record, name); !value.empty())
      out.set(std::string(name), std::move(value));
  for (const auto& [name, value] : record.metadata) out.set("x-amz-meta-" + name, value);
  if (request.has_parameter("partNumber") && record.parts > 0)
    out.set("x-amz-mp-parts-count", std::to_string(record.parts));
}

// The range that ?partNumber= or a Range header asks for.
ApiResult<std::optional<ByteRange>> wanted_range(const Call& call, const ObjectRecord& record) {
  if (!call.request.has_parameter("partNumber")) return parse_range(call.request.header("range"), record.size);
  PAIL_TRY(const unsigned number, part_number(call));
  if (number > std::max(record.parts, 1u)) return ApiError("InvalidRange", "The requested part number is not there.");
  if (record.parts == 0 || record.size == 0) return std::optional<ByteRange>();
  std::uint64_t first = 0;
  for (unsigned i = 0; i + 1 < number; ++i) first += record.pieces[i].length;
  return std::optional(ByteRange{first, first + record.pieces[number - 1].length - 1});
}

// The answer to GET but for its body's bytes, and which they are.
struct Head {
  Response response;
  ByteRange range;
  bool empty = false;  // no bytes, so that range says nothing
};

ApiResult<Head> describe(const Call& call, const ObjectRecord& record) {
  const Verdict verdict =
      check_read(Conditions::from(call.request.headers), record, call.state.options.unmodified_since_failure);
  if (verdict == Verdict::failed) return precondition_failed();
  Head out;
  if (verdict == Verdict::not_modified) {
    out.response.status = 304;
    out.response.set("ETag", in_quotes(record.etag));
    out.response.set("Last-Modified", http_date(record.modified / kSecond));
    out.empty = true;
    return out;
  }
  PAIL_TRY(const auto range, wanted_range(call, record));
  out.empty = record.size == 0;
  out.range = range.value_or(ByteRange{0, record.size - 1});
  set_object_headers(out.response, call.request, record);
  if (range) {
    out.response.status = 206;
    out.response.set("Content-Range", fmt::format("bytes {}-{}/{}", range->first, range->last, record.size));
  } else if (call.request.header_or("x-amz-checksum-mode", "") == "ENABLED") {
    set_checksum(out.response, record.checksum);
  }
  return out;
}

}  // namespace

ApiResult<Unit> check_put_object(Call& call) {
  PAIL_CHECK(given_headers(call.request));
  PAIL_TRY(const auto old, call.state.store->head(call.request.bucket, call.request.key));
  if (check_write(Conditions::from(call.request.headers), old) != Verdict::proceed) return precondition_failed();
  return Unit{};
}

ApiResult<Response> put_object(Call& call) {
  PAIL_TRY(GivenHeaders given, given_headers(call.request));
  ObjectRecord record;
  record.size = call.digests.size;
  record.modified = call.state.now_ns();
  record.etag = to_hex(bytes_of(call.digests.md5));
  record.headers = std::move(given.headers);
  record.metadata = std::move(given.metadata);
  record.checksum = call.digests.declared;
  if (record.checksum.algorithm.empty())
    record.checksum = {"crc64nvme", to_base64(bytes_of(crc_bytes("crc64nvme", call.digests.crc64))), false};
  Response out;
  out.set("ETag", in_quotes(record.etag));
  set_checksum(out, record.checksum);
  PAIL_CHECK(call.state.store->put(call.request.bucket, call.request.key, std::move(record), *call.data,
                                   Conditions::from(call.request.headers)));
  return out;
}

ApiResult<Response> get_object(Call& call) {
  PAIL_TRY(OpenObject object, call.state.store->open_object(call.request.bucket, call.request.key));
  PAIL_TRY(Head head, describe(call, object.record));
  if (head.empty) return std::move(head.response);
  if (object.record.pieces.empty()) {
    head.response.body = object.record.small.substr(head.range.first, head.range.last - head.range.first + 1);
  } else {
    head.response.payload = Payload{cut(object.record.pieces, head.range), std::move(object.pin)};
  }
  return std::move(head.response);
}

ApiResult<Response> head_object(Call& call) {
  PAIL_TRY(const OpenObject object, call.state.store->open_object(call.request.bucket, call.request.key));
  PAIL_TRY(Head head, describe(call, object.record));
  head.response.content_length = head.empty ? 0 : head.range.last - head.range.first + 1;
  return std::move(head.response);
}

ApiResult<Response> delete_object(Call& call) {
  PAIL_CHECK(call.state.store->remove(call.request.bucket, call.request.key,
                                      Conditions::from(condition_fields(call.request.headers))));
  Response out;
  out.status = 204;
  return out;
}

namespace {

ApiResult<Unit> delete_one(const Call& call, const DeleteRequest::Item& item) {
  if (item.key.empty()) return ApiError("UserKeyMustBeSpecified", "An object without a key cannot be deleted.");
  PAIL_CHECK(check_key(item.key));
  // Without versions an object is its own version "null", and there are no others.
  if (item.version && *item.version != "null")
    return ApiError("NoSuchVersion", "The specified version does not exist.");
  if (item.unknown_condition)
    return ApiError("NotImplemented", "LastModifiedTime and Size as conditions are not implemented.");
  Conditions conditions;
  conditions.if_match = item.etag;
  return call.state.store->remove(call.request.bucket, item.key, conditions);
}

}  // namespace

ApiResult<Response> delete_objects(Call& call) {
  PAIL_TRY(const DeleteRequest wanted, parse_delete(call.text));
  PAIL_CHECK(call.state.store->bucket(call.request.bucket));
  XmlWriter xml("DeleteResult", XmlWriter::Namespace::s3);
  for (const DeleteRequest::Item& item : wanted.items) {
    const ApiResult<Unit> removed = delete_one(call, item);
    if (removed && wanted.quiet) continue;
    xml.open(removed ? "Deleted" : "Error").element("Key", item.key);
    if (item.version) xml.element("VersionId", *item.version);
    if (!removed) xml.element("Code", removed.error().code).element("Message", removed.error().message);
    xml.close(removed ? "Deleted" : "Error");
  }
  return xml_response(xml.finish());
}

}  // namespace pail::emulator
