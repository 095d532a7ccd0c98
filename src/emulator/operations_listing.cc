#include <algorithm>

#include "base/encoding.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::size_t kPage = 1000;

// How names are written in one answer: as they are, or percent-encoded on request.
class NameWriter {
 public:
  static ApiResult<NameWriter> of(const Call& call) {
    NameWriter out;
    const auto type = call.request.parameter("encoding-type");
    if (!type || type->empty()) return out;
    if (*type != "url") return ApiError("InvalidArgument", "Invalid Encoding Method specified in Request.");
    out.encode_ = true;
    return out;
  }
  std::string operator()(std::string_view name) const {
    return encode_ ? percent_encode(name, "/") : std::string(name);
  }
  void declare(XmlWriter& xml) const {
    if (encode_) xml.element("EncodingType", "url");
  }

 private:
  bool encode_ = false;
};

enum class ShowOwner { no, yes };

void write_items(XmlWriter& xml, const Call& call, const ListPage& page, const NameWriter& name, ShowOwner owner) {
  for (const ListedKey& item : page.items) {
    if (item.common_prefix) continue;
    const ObjectHead head = decode_head(item.value);
    xml.open("Contents").element("Key", name(item.key)).element("LastModified", iso_date(head.modified));
    xml.element("ETag", in_quotes(head.etag)).number("Size", head.size);
    if (owner == ShowOwner::yes) write_owner(xml, call, "Owner");
    xml.element("StorageClass", "STANDARD").close("Contents");
  }
  for (const ListedKey& item : page.items)
    if (item.common_prefix) xml.open("CommonPrefixes").element("Prefix", name(item.key)).close("CommonPrefixes");
}

// Continuation tokens are the last name in a coat that nobody should read.
std::string make_token(std::string_view after) {
  std::string out = to_base64(bytes_of("v2:" + std::string(after)));
  std::replace(out.begin(), out.end(), '+', '-');
  std::replace(out.begin(), out.end(), '/', '_');
  return out;
}

ApiResult<std::string> read_token(std::string token) {
  std::replace(token.begin(), token.end(), '-', '+');
  std::replace(token.begin(), token.end(), '_', '/');
  const auto text = from_base64(token);
  if (!text || !text->starts_with("v2:"))
    return ApiError("InvalidArgument", "The continuation token provided is incorrect.");
  return text->substr(3);
}

}  // namespace

ApiResult<Response> list_objects(Call& call) {
  PAIL_TRY(const NameWriter name, NameWriter::of(call));
  PAIL_TRY(const std::size_t limit, count_parameter(call, "max-keys", kPage));
  ListQuery query;
  query.prefix = call.request.parameter("prefix").value_or("");
  query.delimiter = call.request.parameter("delimiter").value_or("");
  query.after = call.request.parameter("marker").value_or("");
  query.limit = limit;
  PAIL_TRY(const ListPage page, call.state.store->list(call.request.bucket, query));
  XmlWriter xml("ListBucketResult", XmlWriter::Namespace::s3);
  xml.element("Name", call.request.bucket).element("Prefix", name(query.prefix)).element("Marker", name(query.after));
  // Without a delimiter the last key is the next marker, and the service says so by leaving this out.
  if (page.truncated && !query.delimiter.empty()) xml.element("NextMarker", name(page.items.back().key));
  xml.number("MaxKeys", limit).element("Delimiter", name(query.delimiter));
  name.declare(xml);
  xml.boolean("IsTruncated", page.truncated);
  write_items(xml, call, page, name, ShowOwner::yes);
  return xml_response(xml.finish());
}

ApiResult<Response> list_objects_v2(Call& call) {
  PAIL_TRY(const NameWriter name, NameWriter::of(call));
  PAIL_TRY(const std::size_t limit, count_parameter(call, "max-keys", kPage));
  const auto token = call.request.parameter("continuation-token");
  const auto start_after = call.request.parameter("start-after");
  ListQuery query;
  query.prefix = call.request.parameter("prefix").value_or("");
  query.delimiter = call.request.parameter("delimiter").value_or("");
  query.after = start_after.value_or("");
  query.limit = limit;
  if (token) {
    PAIL_TRY(query.after, read_token(*token));
  }
  PAIL_TRY(const ListPage page, call.state.store->list(call.request.bucket, query));
  XmlWriter xml("ListBucketResult", XmlWriter::Namespace::s3);
  xml.element("Name", call.request.bucket).element("Prefix", name(query.prefix));
  if (start_after) xml.element("StartAfter", name(*start_after));
  if (token) xml.element("ContinuationToken", *token);
  if (page.truncated) xml.element("NextContinuationToken", make_token(page.items.back().key));
  xml.number("KeyCount", page.items.size()).number("MaxKeys", limit).element("Delimiter", name(query.delimiter));
  name.declare(xml);
  xml.boolean("IsTruncated", page.truncated);
  const bool owner = call.request.parameter("fetch-owner") == "true";
  write_items(xml, call, page, name, owner ? ShowOwner::yes : ShowOwner::no);
  return xml_response(xml.finish());
}

namespace {

// An upload's place in its listing is its key, a NUL and its id; a common prefix has no NUL.
struct UploadName {
  std::string key, id;
  explicit UploadName(const std::string& stored) {
    const std::size_t nul = stored.find('\0');
    key = stored.substr(0, nul);
    if (nul != std::string::npos) id = stored.substr(nul + 1);
  }
};

// With a key marker alone listing goes on behind all uploads of that key.
std::string upload_position(const std::string& key_marker, const std::string& id_marker) {
  if (key_marker.empty()) return {};
  return key_marker + '\0' + (id_marker.empty() ? "\x7f" : id_marker);
}

}  // namespace

ApiResult<Response> list_uploads(Call& call) {
  PAIL_TRY(const NameWriter name, NameWriter::of(call));
  PAIL_TRY(const std::size_t limit, count_parameter(call, "max-uploads", kPage));
  const std::string key_marker = call.request.parameter("key-marker").value_or("");
  const std::string id_marker =
      key_marker.empty() ? std::string() : call.request.parameter("upload-id-marker").value_or("");
  ListQuery query;
  query.prefix = call.request.parameter("prefix").value_or("");
  query.delimiter = call.request.parameter("delimiter").value_or("");
  query.after = upload_position(key_marker, id_marker);
  query.limit = limit;
  PAIL_TRY(const ListPage page, call.state.store->list_uploads(call.request.bucket, query));
  XmlWriter xml("ListMultipartUploadsResult", XmlWriter::Namespace::s3);
  xml.element("Bucket", call.request.bucket).element("KeyMarker", name(key_marker));
  xml.element("UploadIdMarker", id_marker);
  const UploadName last(page.items.empty() ? std::string() : page.items.back().key);
  xml.element("NextKeyMarker", name(last.key)).element("NextUploadIdMarker", last.id);
  xml.element("Prefix", name(query.prefix)).element("Delimiter", name(query.delimiter));
  name.declare(xml);
  xml.number("MaxUploads", limit).boolean("IsTruncated", page.truncated);
  for (const ListedKey& item : page.items) {
    if (item.common_prefix) continue;
    const UploadName upload(item.key);
    xml.open("Upload").element("Key", name(upload.key)).element("UploadId", upload.id);
    write_owner(xml, call, "Initiator");
    write_owner(xml, call, "Owner");
    xml.element("StorageClass", "STANDARD");
    xml.element("Initiated", iso_date(decode_upload(item.value).initiated)).close("Upload");
  }
  for (const ListedKey& item : page.items)
    if (item.common_prefix) xml.open("CommonPrefixes").element("Prefix", name(item.key)).close("CommonPrefixes");
  return xml_response(xml.finish());
}

}  // namespace pail::emulator
