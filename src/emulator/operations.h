// The operations, each a function from its call to its answer; files by family.
#pragma once

#include "emulator/service.h"
#include "emulator/xml.h"

namespace pail::emulator {

// operations_bucket.cc
ApiResult<Response> list_buckets(Call& call);
ApiResult<Response> list_buckets_extended(Call& call);
ApiResult<Response> create_bucket(Call& call);
ApiResult<Response> head_bucket(Call& call);
ApiResult<Response> delete_bucket(Call& call);
ApiResult<Response> get_bucket_location(Call& call);

// operations_listing.cc
ApiResult<Response> list_objects(Call& call);
ApiResult<Response> list_objects_v2(Call& call);
ApiResult<Response> list_uploads(Call& call);

// operations_object.cc
ApiResult<Unit> check_put_object(Call& call);
ApiResult<Response> put_object(Call& call);
ApiResult<Response> get_object(Call& call);
ApiResult<Response> head_object(Call& call);
ApiResult<Response> delete_object(Call& call);
ApiResult<Response> delete_objects(Call& call);

// operations_copy.cc
ApiResult<Response> copy_object(Call& call);
ApiResult<Response> upload_part_copy(Call& call);

// operations_multipart.cc
ApiResult<Response> create_upload(Call& call);
ApiResult<Unit> check_upload_part(Call& call);
ApiResult<Response> upload_part(Call& call);
ApiResult<Response> list_parts(Call& call);
ApiResult<Response> complete_upload(Call& call);
ApiResult<Response> abort_upload(Call& call);

// Shared by the families.
Response xml_response(std::string xml);
std::string in_quotes(std::string_view etag);
void write_owner(XmlWriter& xml, const Call& call, std::string_view element);
// A number parameter in [0, most]; `most` when absent, and values above it count as it. Errors: InvalidArgument.
ApiResult<std::size_t> count_parameter(const Call& call, std::string_view name, std::size_t most);
ApiResult<Unit> check_key(std::string_view key);  // errors: KeyTooLong, InvalidURI
// Errors: NotImplemented for a header that asks for what this server does not have.
ApiResult<Unit> check_headers(const Request& request);
// Standard headers and metadata of a request that stores an object. Errors: MetadataTooLarge.
struct GivenHeaders {
  Fields headers, metadata;
};
ApiResult<GivenHeaders> given_headers(const Request& request);
// Errors: InvalidRequest, NoSuchUpload and the like for ?partNumber= and ?uploadId=.
ApiResult<unsigned> part_number(const Call& call);
// [first, last] of a body of `size` bytes that a Range header asks for; none when it is to be ignored.
// Errors: InvalidRange.
struct ByteRange {
  std::uint64_t first, last;
};
ApiResult<std::optional<ByteRange>> parse_range(const std::optional<std::string>& header, std::uint64_t size);
// The pieces of an object that hold [first, last].
std::vector<Payload::Piece> cut(const std::vector<Payload::Piece>& pieces, ByteRange range);
ApiError precondition_failed();

}  // namespace pail::emulator
