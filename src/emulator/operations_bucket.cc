#include "emulator/operations.h"

namespace pail::emulator {
namespace {

// With a token the instance must be named, by CRN or by its id alone; an HMAC key implies it.
ApiResult<Unit> check_instance(const Call& call) {
  if (call.signed_by == SignedBy::hmac) return Unit{};
  const std::string given = call.request.header_or("ibm-service-instance-id", "");
  if (given.empty()) return ApiError("InvalidRequest", "The ibm-service-instance-id header is missing.");
  const std::string& own = call.state.credentials.resource_instance_id;
  if (given == own || own.find(":" + given + ":") != std::string::npos) return Unit{};
  return ApiError("AccessDenied", "Access Denied: another service instance.");
}

void write_bucket(XmlWriter& xml, const std::string& name, const BucketRecord& bucket) {
  xml.element("Name", name).element("CreationDate", iso_date(bucket.created));
}

}  // namespace

ApiResult<Response> list_buckets(Call& call) {
  PAIL_CHECK(check_instance(call));
  PAIL_TRY(const auto buckets, call.state.store->buckets("", "", SIZE_MAX));
  XmlWriter xml("ListAllMyBucketsResult", XmlWriter::Namespace::s3);
  write_owner(xml, call, "Owner");
  xml.open("Buckets");
  for (const auto& [name, bucket] : buckets) {
    xml.open("Bucket");
    write_bucket(xml, name, bucket);
    xml.close("Bucket");
  }
  xml.close("Buckets");
  return xml_response(xml.finish());
}

ApiResult<Response> list_buckets_extended(Call& call) {
  PAIL_CHECK(check_instance(call));
  const std::string prefix = call.request.parameter("prefix").value_or("");
  const std::string marker = call.request.parameter("marker").value_or("");
  PAIL_TRY(const std::size_t limit, count_parameter(call, "max-keys", 1000));
  PAIL_TRY(auto buckets, call.state.store->buckets(prefix, marker, limit + 1));
  const bool truncated = limit > 0 && buckets.size() > limit;
  if (buckets.size() > limit) buckets.resize(limit);
  XmlWriter xml("ListAllMyBucketsResult", XmlWriter::Namespace::s3);
  write_owner(xml, call, "Owner");
  xml.boolean("IsTruncated", truncated).number("MaxKeys", limit).element("Prefix", prefix).element("Marker", marker);
  if (truncated) xml.element("NextMarker", buckets.back().first);
  xml.open("Buckets");
  for (const auto& [name, bucket] : buckets) {
    xml.open("Bucket");
    write_bucket(xml, name, bucket);
    xml.element("LocationConstraint", bucket.location).close("Bucket");
  }
  xml.close("Buckets");
  return xml_response(xml.finish());
}

ApiResult<Response> create_bucket(Call& call) {
  PAIL_CHECK(check_instance(call));
  if (!valid_bucket_name(call.request.bucket))
    return ApiError("InvalidBucketName", "The specified bucket name is not valid.");
  PAIL_TRY(const auto location, parse_location(call.text));
  BucketRecord bucket;
  bucket.created = call.state.now_ns();
  bucket.location = location.value_or(call.state.options.location);
  if (!valid_location(bucket.location))
    return ApiError("InvalidLocationConstraint", "The specified location constraint is not valid.");
  PAIL_CHECK(call.state.store->create_bucket(call.request.bucket, std::move(bucket)));
  Response out;
  out.set("Location", "/" + call.request.bucket);
  return out;
}

ApiResult<Response> head_bucket(Call& call) {
  PAIL_CHECK(call.state.store->bucket(call.request.bucket));
  return Response{};
}

ApiResult<Response> delete_bucket(Call& call) {
  PAIL_CHECK(call.state.store->delete_bucket(call.request.bucket));
  Response out;
  out.status = 204;
  return out;
}

ApiResult<Response> get_bucket_location(Call& call) {
  PAIL_TRY(const BucketRecord bucket, call.state.store->bucket(call.request.bucket));
  // The root of this one answer is the value itself.
  return xml_response(XmlWriter("LocationConstraint", XmlWriter::Namespace::s3).text(bucket.location).finish());
}

}  // namespace pail::emulator
