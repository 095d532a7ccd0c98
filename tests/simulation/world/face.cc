#include "simulation/world/face.h"

#include <fmt/format.h>
#include <tinyxml2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/checksum.h"
#include "base/encoding.h"

namespace pail::simulation {
namespace {

constexpr char kNamespace[] = "http://s3.amazonaws.com/doc/2006-03-01/";
constexpr std::string_view kMetadata = "x-amz-meta-";
constexpr auto kStandard = std::to_array<std::string_view>(
    {"Content-Type", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Expires"});

// ---- documents ----

class Document {
 public:
  explicit Document(const char* root) {
    out_.PushHeader(false, true);
    out_.OpenElement(root);
  }

  Document& open(const char* name) {
    out_.OpenElement(name);
    return *this;
  }
  Document& close() {
    out_.CloseElement();
    return *this;
  }
  Document& element(const char* name, const std::string& text) {
    out_.OpenElement(name);
    out_.PushText(text.c_str());
    out_.CloseElement();
    return *this;
  }
  Document& in_namespace() {
    out_.PushAttribute("xmlns", kNamespace);
    return *this;
  }
  std::string finish() {
    out_.CloseElement();
    return out_.CStr();
  }

 private:
  tinyxml2::XMLPrinter out_{nullptr, true};
};

std::string text_of(const tinyxml2::XMLElement& parent, const char* name) {
  const auto* element = parent.FirstChildElement(name);
  const char* text = element == nullptr ? nullptr : element->GetText();
  return text == nullptr ? "" : text;
}

// Calls `each` for the children of this name; false when the document has another root or is none.
template <class Each>
bool read_document(const std::string& body, const char* root, const char* child, Each each) {
  tinyxml2::XMLDocument document;
  if (document.Parse(body.data(), body.size()) != tinyxml2::XML_SUCCESS) return false;
  const auto* top = document.RootElement();
  if (std::string_view(top->Name()) != root) return false;
  for (const auto* entry = top->FirstChildElement(child); entry; entry = entry->NextSiblingElement(child)) each(*entry);
  return true;
}

// ---- header fields and numbers ----

std::optional<std::uint64_t> number_in(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::string lower(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

cos::ObjectHeaders kept(const http::Headers& sent) {
  cos::ObjectHeaders headers;
  for (const std::string_view name : kStandard)
    if (const auto value = sent.find(name)) headers.standard.push_back({std::string(name), std::string(*value)});
  for (const http::Header& one : sent)
    if (std::string name = lower(one.name); name.starts_with(kMetadata) && name.size() > kMetadata.size())
      headers.metadata.push_back({name.substr(kMetadata.size()), one.value});
  return headers;
}

cos::Preconditions conditions_of(const http::Headers& sent) {
  cos::Preconditions conditions;
  conditions.if_match.text = field(sent, "If-Match");
  const std::string none = field(sent, "If-None-Match");
  conditions.if_absent = none == "*";
  if (!conditions.if_absent) conditions.if_none_match.text = none;
  return conditions;
}

// Of "bytes=1-2", "bytes=1-" and "bytes=-2", cut at the end; empty where the object has none of it.
std::optional<Extent> range_in(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const auto dash = text.find('-');
  if (!text.starts_with(kUnit) || dash == text.npos) return std::nullopt;
  const std::string_view first_text = text.substr(kUnit.size(), dash - kUnit.size());
  const auto first = number_in(first_text), last = number_in(text.substr(dash + 1));
  if (first_text.empty() && last) return Extent{{size - std::min(size, *last)}, {size}};
  if (!first || (last && *last < *first) || (!last && dash + 1 < text.size())) return std::nullopt;
  const std::uint64_t end = last ? std::min(size, *last + 1) : size;
  return Extent{{std::min(*first, end)}, {end}};
}

// ---- answers ----

HttpAnswer made(int status, std::string body, WallTime now, std::uint64_t request_number) {
  HttpAnswer answer{status, {}, std::move(body)};
  answer.headers.add("Date", http_time(now));
  answer.headers.add("Server", "Cleversafe");
  answer.headers.add("X-Clv-Request-Id", request_id(request_number));
  answer.headers.add("x-amz-request-id", request_id(request_number));
  answer.headers.add("Content-Length", fmt::to_string(answer.body.size()));
  if (!answer.body.empty()) answer.headers.add("Content-Type", "application/xml");
  return answer;
}

class Face {
 public:
  Face(fake::Bucket& bucket, const HttpRequest& request, WallTime now, std::uint64_t number, const KeepsKey& keeps)
      : bucket_(bucket), request_(request), asked_(understand(request)), now_(now), number_(number), keeps_(keeps) {}

  HttpAnswer run() {
    bucket_.now = now_;
    if (asked_.operation == Operation::unknown) return refusal(501, "NotImplemented");
    if (!request_.headers.contains("Authorization")) return refusal(403, "AccessDenied");
    if (asked_.bucket != kBucket || !bucket_.rules.bucket_exists) return refusal(404, "NoSuchBucket");
    if (asked_.key.size() > cos::kMaxKeyBytes) return refusal(400, "KeyTooLongError");
    return carry_out();
  }

 private:
  HttpAnswer carry_out() {
    switch (asked_.operation) {
      case Operation::unknown:
        break;
      case Operation::head_bucket:
        return success(200);
      case Operation::locate_bucket:
        return success(200, Document("LocationConstraint").in_namespace().finish());
      case Operation::list:
        return list();
      case Operation::head:
      case Operation::get:
        return read();
      case Operation::put:
        return put();
      case Operation::copy:
        return copy();
      case Operation::remove:
        return ended(bucket_.remove(asked_.key));
      case Operation::remove_many:
        return remove_many();
      case Operation::create_upload:
        return create_upload();
      case Operation::upload_part:
        return upload_part();
      case Operation::copy_part:
        return copy_part();
      case Operation::complete_upload:
        return complete_upload();
      case Operation::abort_upload:
        return abort_upload();
    }
    return refusal(501, "NotImplemented");
  }

  // ---- what is answered ----

  HttpAnswer success(int status, std::string body = "") const {
    HttpAnswer answer = made(status, std::move(body), now_, number_);
    if (bucket_.rules.encrypts) answer.headers.add("x-amz-server-side-encryption", "aws:kms");
    return answer;
  }
  HttpAnswer refusal(int status, std::string code) const {
    return refuse(request_, {status, std::move(code)}, now_, number_);
  }
  HttpAnswer refused() const { return refuse(request_, bucket_.last_refusal(), now_, number_); }
  HttpAnswer ended(const Result<Unit>& outcome) const { return outcome ? success(204) : refused(); }
  HttpAnswer tagged(const cos::ETag& etag) const {
    HttpAnswer answer = success(200);
    answer.headers.add("ETag", etag.text);
    return answer;
  }

  // ---- reading ----

  HttpAnswer list() const;
  Result<cos::ListPage> page(bool v2) const;
  std::string encoded(const std::string& text) const {
    return asked_.query.contains("encoding-type") ? percent_encode(text, "/") : text;
  }
  void describe_listing(Document& out, bool v2, const cos::ListPage& page) const;
  HttpAnswer read() const;
  HttpAnswer ranged(const fake::Found& found, HttpAnswer head) const;
  std::optional<HttpAnswer> unmet(const fake::Found& found) const;

  // ---- writing ----

  HttpAnswer put();
  HttpAnswer copy();
  HttpAnswer remove_many();
  std::string remove_one(const std::string& key);
  HttpAnswer create_upload();
  HttpAnswer upload_part();
  HttpAnswer copy_part();
  HttpAnswer complete_upload();
  HttpAnswer abort_upload();
  std::optional<HttpAnswer> bad_digest() const;
  std::optional<cos::CopyRequest> copy_request() const;
  cos::UploadId upload() const { return {asked_.parameter("uploadId")}; }
  unsigned part_number() const {
    return static_cast<unsigned>(std::min<std::uint64_t>(number_in(asked_.parameter("partNumber")).value_or(0), 99999));
  }
  std::shared_ptr<http::BodySource> body() const { return http::body_from_string(request_.body); }

  fake::Bucket& bucket_;
  const HttpRequest& request_;
  const Asked asked_;
  const WallTime now_;
  const std::uint64_t number_;
  const KeepsKey& keeps_;
};

// ---- listings ----

// Where a page of version 1 ended: a marker that is a common prefix stands for all keys below it.
std::string continuation_after(const std::string& marker, const std::string& prefix, const std::string& delimiter) {
  const bool folded = !delimiter.empty() && marker.starts_with(prefix) && marker.size() > prefix.size() &&
                      marker.find(delimiter, prefix.size()) == marker.size() - delimiter.size();
  return marker.empty() ? "" : (folded ? 'p' : 'k') + marker;
}

Result<cos::ListPage> Face::page(bool v2) const {
  cos::ListRequest list;
  list.prefix = asked_.parameter("prefix");
  list.delimiter = asked_.parameter("delimiter");
  const auto most = number_in(asked_.query.contains("max-keys") ? asked_.parameter("max-keys") : "1000");
  list.max_keys = most ? static_cast<unsigned>(std::min<std::uint64_t>(*most, 1000)) : 0;
  if (!v2) {
    list.continuation = continuation_after(asked_.parameter("marker"), list.prefix, list.delimiter);
    return bucket_.list(list);
  }
  list.start_after = asked_.parameter("start-after");
  list.continuation = from_hex(asked_.parameter("continuation-token")).value_or("");
  return bucket_.list(list);
}

void Face::describe_listing(Document& out, bool v2, const cos::ListPage& page) const {
  out.element("Name", asked_.bucket).element("Prefix", encoded(asked_.parameter("prefix")));
  for (const auto& [parameter, name] : {std::pair("delimiter", "Delimiter"), std::pair("start-after", "StartAfter")})
    if (asked_.query.contains(parameter)) out.element(name, encoded(asked_.parameter(parameter)));
  if (asked_.query.contains("encoding-type")) out.element("EncodingType", "url");
  out.element("MaxKeys", asked_.query.contains("max-keys") ? asked_.parameter("max-keys") : "1000");
  out.element("IsTruncated", page.continuation.empty() ? "false" : "true");
  const bool folds = asked_.query.contains("delimiter");
  if (v2) {
    out.element("KeyCount", fmt::to_string(page.objects.size() + page.common_prefixes.size()));
    if (asked_.query.contains("continuation-token"))
      out.element("ContinuationToken", asked_.parameter("continuation-token"));
    if (!page.continuation.empty()) out.element("NextContinuationToken", to_hex(bytes_of(page.continuation)));
  } else {
    out.element("Marker", encoded(asked_.parameter("marker")));
    if (!page.continuation.empty() && folds) out.element("NextMarker", encoded(page.continuation.substr(1)));
  }
}

HttpAnswer Face::list() const {
  const bool v2 = asked_.query.contains("list-type");
  const bool known = !v2 || asked_.parameter("list-type") == "2";
  const bool encodes = !asked_.query.contains("encoding-type") || asked_.parameter("encoding-type") == "url";
  if (!known || !encodes) return refusal(400, "InvalidArgument");
  const auto found = page(v2);
  if (!found) return refused();
  Document out("ListBucketResult");
  out.in_namespace();
  describe_listing(out, v2, *found);
  for (const cos::ListedObject& object : found->objects)
    out.open("Contents")
        .element("Key", encoded(object.key))
        .element("LastModified", xml_time(object.last_modified))
        .element("ETag", object.etag.text)
        .element("Size", fmt::to_string(object.size.n))
        .element("StorageClass", object.storage_class)
        .close();
  for (const std::string& prefix : found->common_prefixes)
    out.open("CommonPrefixes").element("Prefix", encoded(prefix)).close();
  return success(200, out.finish());
}

// ---- objects ----

std::optional<HttpAnswer> Face::unmet(const fake::Found& found) const {
  const cos::Preconditions conditions = conditions_of(request_.headers);
  if (!conditions.if_match.empty() && conditions.if_match != found.info.etag) return refusal(412, "PreconditionFailed");
  const bool same = conditions.if_absent || conditions.if_none_match == found.info.etag;
  if (same) return success(304);
  return std::nullopt;
}

HttpAnswer Face::read() const {
  const auto found = bucket_.get(asked_.key);
  if (!found) return refused();
  if (auto answer = unmet(*found)) return *std::move(answer);
  HttpAnswer head = success(200);
  head.headers.add("Accept-Ranges", "bytes");
  head.headers.add("ETag", found->info.etag.text);
  head.headers.add("Last-Modified", http_time(found->info.last_modified));
  head.headers.set("Content-Type", "binary/octet-stream");
  for (const http::Header& one : found->info.headers.standard) head.headers.set(one.name, one.value);
  for (const http::Header& one : found->info.headers.metadata)
    head.headers.add(std::string(kMetadata) + one.name, one.value);
  return ranged(*found, std::move(head));
}

HttpAnswer Face::ranged(const fake::Found& found, HttpAnswer head) const {
  const std::uint64_t size = found.info.size.n;
  const auto range = range_in(field(request_.headers, "Range"), size);
  const Extent extent = range.value_or(Extent{{0}, {size}});
  if (range && extent.empty()) return refusal(416, "InvalidRange");
  if (range) {
    head.status = 206;
    head.headers.add("Content-Range", fmt::format("bytes {}-{}/{}", extent.begin.n, extent.end.n - 1, size));
  }
  head.headers.set("Content-Length", fmt::to_string(extent.size().n));
  if (asked_.operation == Operation::get) head.body = found.content.slice(extent).bytes();
  return head;
}

std::optional<HttpAnswer> Face::bad_digest() const {
  const std::string sent = field(request_.headers, "Content-MD5");
  if (sent.empty()) return std::nullopt;
  const auto raw = from_base64(sent);
  if (!raw || raw->size() != 16) return refusal(400, "InvalidDigest");
  if (*raw != Digest::of(DigestKind::md5, bytes_of(request_.body))) return refusal(400, "BadDigest");
  return std::nullopt;
}

HttpAnswer Face::put() {
  if (auto bad = bad_digest()) return *std::move(bad);
  const auto stored = bucket_.put({asked_.key, body(), "", kept(request_.headers), conditions_of(request_.headers)});
  return stored ? tagged(stored->etag) : refused();
}

std::optional<cos::CopyRequest> Face::copy_request() const {
  const auto source = copy_source_of(request_);
  const std::string directive = field(request_.headers, "x-amz-metadata-directive");
  const bool known = directive.empty() || directive == "COPY" || directive == "REPLACE";
  if (!source || source->key.size() > cos::kMaxKeyBytes || !known) return std::nullopt;
  cos::CopyRequest copy;
  copy.source_bucket = source->bucket == kBucket ? "" : source->bucket;
  copy.source_key = source->key;
  copy.key = asked_.key;
  copy.directive = directive == "REPLACE" ? cos::MetadataDirective::replace : cos::MetadataDirective::copy;
  copy.headers = kept(request_.headers);
  copy.source_if_match.text = field(request_.headers, "x-amz-copy-source-if-match");
  copy.conditions = conditions_of(request_.headers);
  return copy;
}

HttpAnswer Face::copy() {
  const auto request = copy_request();
  if (!request) return refusal(400, "InvalidArgument");
  const auto copied = bucket_.copy(*request);
  if (!copied) return refused();
  Document out("CopyObjectResult");
  out.in_namespace().element("LastModified", xml_time(copied->last_modified)).element("ETag", copied->etag.text);
  return success(200, out.finish());
}

// The code of a refusal; empty: it is gone.
std::string Face::remove_one(const std::string& key) {
  if (keeps_ && keeps_(key)) return "InternalError";
  return bucket_.remove(key) ? "" : bucket_.last_refusal().code;
}

HttpAnswer Face::remove_many() {
  if (!request_.headers.contains("Content-MD5")) return refusal(400, "InvalidRequest");
  if (auto bad = bad_digest()) return *std::move(bad);
  std::vector<std::string> keys;
  const bool whole = read_document(request_.body, "Delete", "Object",
                                   [&](const tinyxml2::XMLElement& object) { keys.push_back(text_of(object, "Key")); });
  if (!whole || keys.empty() || keys.size() > cos::kMaxDeleteKeys || std::ranges::count(keys, "") > 0)
    return refusal(400, "MalformedXML");
  Document out("DeleteResult");
  out.in_namespace();
  for (const std::string& key : keys)
    if (const std::string code = remove_one(key); !code.empty())
      out.open("Error").element("Key", key).element("Code", code).element("Message", "It was not deleted.").close();
  return success(200, out.finish());
}

// ---- uploads ----

HttpAnswer Face::create_upload() {
  const auto id = bucket_.create_upload(asked_.key, kept(request_.headers), conditions_of(request_.headers));
  if (!id) return refused();
  Document out("InitiateMultipartUploadResult");
  out.in_namespace().element("Bucket", asked_.bucket).element("Key", asked_.key).element("UploadId", id->text);
  return success(200, out.finish());
}

HttpAnswer Face::upload_part() {
  if (auto bad = bad_digest()) return *std::move(bad);
  const auto part = bucket_.upload_part({asked_.key, upload(), part_number(), body(), ""});
  return part ? tagged(part->etag) : refused();
}

HttpAnswer Face::copy_part() {
  const auto source = copy_request();
  const auto range = range_in(field(request_.headers, "x-amz-copy-source-range"), ~0ULL);
  if (!source || !range) return refusal(400, "InvalidArgument");
  const auto part = bucket_.upload_part_copy({asked_.key, upload(), part_number(), *source, *range});
  if (!part) return refused();
  Document out("CopyPartResult");
  out.in_namespace().element("LastModified", xml_time(now_)).element("ETag", part->etag.text);
  return success(200, out.finish());
}

HttpAnswer Face::complete_upload() {
  cos::CompleteUpload complete{asked_.key, upload(), {}, conditions_of(request_.headers)};
  const auto add = [&](const tinyxml2::XMLElement& part) {
    const auto number = number_in(text_of(part, "PartNumber")).value_or(0);
    complete.parts.push_back({static_cast<unsigned>(std::min<std::uint64_t>(number, 99999)), {text_of(part, "ETag")}});
  };
  if (!read_document(request_.body, "CompleteMultipartUpload", "Part", add)) return refusal(400, "MalformedXML");
  const auto done = bucket_.complete_upload(complete);
  if (!done) return refused();
  Document out("CompleteMultipartUploadResult");
  out.in_namespace().element("Location", request_.url).element("Bucket", asked_.bucket);
  out.element("Key", asked_.key).element("ETag", done->etag.text);
  return success(200, out.finish());
}

HttpAnswer Face::abort_upload() {
  if (!bucket_.has_upload(asked_.key, upload())) return refusal(404, "NoSuchUpload");
  return ended(bucket_.abort_upload(asked_.key, upload()));
}

}  // namespace

HttpAnswer answer(fake::Bucket& bucket, const HttpRequest& request, WallTime now, std::uint64_t request_number,
                  const KeepsKey& keeps) {
  return Face(bucket, request, now, request_number, keeps).run();
}

HttpAnswer refuse(const HttpRequest& request, const fake::Refusal& refusal, WallTime now,
                  std::uint64_t request_number) {
  if (request.method == "HEAD") return made(refusal.status, "", now, request_number);
  Document out("Error");
  out.element("Code", refusal.code).element("Message", "The request was refused.");
  out.element("Resource", understand(request).key).element("RequestId", request_id(request_number));
  out.element("httpStatusCode", fmt::to_string(refusal.status));
  return made(refusal.status, out.finish(), now, request_number);
}

}  // namespace pail::simulation
