#include "emulator/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <random>

#include "base/encoding.h"
#include "emulator/operations.h"

namespace pail::emulator {
namespace {

constexpr std::uint64_t kLongestText = 8 << 20;           // a completing document of 10,000 parts is under 3 MiB
constexpr std::uint64_t kLongestUnprovenText = 64 << 10;  // of a token's form, or of control
constexpr std::uint64_t kLargestPut = std::uint64_t{5} << 30;

using Integrity = BodyReader::Integrity;

// The query parameters of each operation. Any other one asks for something else than the operation:
// DELETE /bucket?encryption must not delete the bucket, nor PUT /bucket/key?acl store an object.
using Names = std::span<const std::string_view>;
constexpr std::string_view kExtendedNames[] = {"extended", "marker", "max-keys", "prefix"};
constexpr std::string_view kDeleteBucketNames[] = {"aspera-ak-max-tries"};
constexpr std::string_view kLocationNames[] = {"location"};
constexpr std::string_view kListNames[] = {"delimiter", "encoding-type", "marker", "max-keys", "prefix"};
constexpr std::string_view kListV2Names[] = {"continuation-token", "delimiter", "encoding-type", "fetch-owner",
                                             "list-type",          "max-keys",  "prefix",        "start-after"};
constexpr std::string_view kListUploadsNames[] = {"delimiter", "encoding-type",    "key-marker", "max-uploads",
                                                  "prefix",    "upload-id-marker", "uploads"};
constexpr std::string_view kDeleteObjectsNames[] = {"delete"};
constexpr std::string_view kReadNames[] = {"partNumber",
                                           "response-cache-control",
                                           "response-content-disposition",
                                           "response-content-encoding",
                                           "response-content-language",
                                           "response-content-type",
                                           "response-expires"};
constexpr std::string_view kCreateUploadNames[] = {"uploads"};
constexpr std::string_view kPartNames[] = {"partNumber", "uploadId"};
constexpr std::string_view kListPartsNames[] = {"encoding-type", "max-parts", "part-number-marker", "uploadId"};
constexpr std::string_view kUploadNames[] = {"uploadId"};

// Those of a signature, and the operation's name that some SDKs add.
constexpr std::string_view kCommonNames[] = {"X-Amz-Algorithm",     "X-Amz-Content-Sha256", "X-Amz-Credential",
                                             "X-Amz-Date",          "X-Amz-Expires",        "X-Amz-Security-Token",
                                             "X-Amz-SignedHeaders", "X-Amz-Signature",      "x-id"};

constexpr Operation kListBuckets{.name = "ListBuckets", .run = list_buckets};
constexpr Operation kListBucketsExtended{
    .name = "ListBucketsExtended", .parameters = kExtendedNames, .run = list_buckets_extended};
constexpr Operation kCreateBucket{.name = "CreateBucket", .body = BodyUse::text, .run = create_bucket};
constexpr Operation kHeadBucket{.name = "HeadBucket", .run = head_bucket};
constexpr Operation kDeleteBucket{
    .name = "DeleteBucket", .cost = Cost::slow, .parameters = kDeleteBucketNames, .run = delete_bucket};
constexpr Operation kGetBucketLocation{
    .name = "GetBucketLocation", .parameters = kLocationNames, .run = get_bucket_location};
constexpr Operation kListObjects{.name = "ListObjects", .parameters = kListNames, .run = list_objects};
constexpr Operation kListObjectsV2{.name = "ListObjectsV2", .parameters = kListV2Names, .run = list_objects_v2};
constexpr Operation kListUploads{.name = "ListMultipartUploads", .parameters = kListUploadsNames, .run = list_uploads};
constexpr Operation kDeleteObjects{.name = "DeleteObjects",
                                   .body = BodyUse::text,
                                   .cost = Cost::slow,
                                   .integrity = Integrity::required,
                                   .parameters = kDeleteObjectsNames,
                                   .run = delete_objects};
constexpr Operation kPutObject{
    .name = "PutObject", .body = BodyUse::object, .check = check_put_object, .run = put_object};
constexpr Operation kGetObject{.name = "GetObject", .parameters = kReadNames, .run = get_object};
constexpr Operation kHeadObject{.name = "HeadObject", .parameters = kReadNames, .run = head_object};
constexpr Operation kDeleteObject{.name = "DeleteObject", .run = delete_object};
constexpr Operation kCopyObject{.name = "CopyObject", .cost = Cost::slow, .run = copy_object};
constexpr Operation kCreateUpload{
    .name = "CreateMultipartUpload", .parameters = kCreateUploadNames, .run = create_upload};
constexpr Operation kUploadPart{.name = "UploadPart",
                                .body = BodyUse::part,
                                .parameters = kPartNames,
                                .check = check_upload_part,
                                .run = upload_part};
constexpr Operation kUploadPartCopy{
    .name = "UploadPartCopy", .cost = Cost::slow, .parameters = kPartNames, .run = upload_part_copy};
constexpr Operation kListParts{.name = "ListParts", .parameters = kListPartsNames, .run = list_parts};
constexpr Operation kCompleteUpload{.name = "CompleteMultipartUpload",
                                    .body = BodyUse::text,
                                    .cost = Cost::slow,
                                    .integrity = Integrity::content_md5_only,
                                    .parameters = kUploadNames,
                                    .run = complete_upload};
constexpr Operation kAbortUpload{
    .name = "AbortMultipartUpload", .cost = Cost::slow, .parameters = kUploadNames, .run = abort_upload};
constexpr Operation kToken{.name = "Token", .body = BodyUse::text};
constexpr Operation kControl{.name = "Control", .body = BodyUse::text};
constexpr Operation kUnknown{.name = "Unknown"};

bool holds(Names names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

// SDKs move headers of a presigned request into its query, where they mean the same. A source is not
// among them: it makes another operation of a PUT.
bool is_moved_header(const Request& request, std::string_view name) {
  const std::string lower = lower_case(name);
  return request.has_parameter("X-Amz-Signature") && !holds(kCommonNames, name) && lower.starts_with("x-amz-") &&
         !lower.starts_with("x-amz-copy-source");
}

bool knows_parameters(const Operation& operation, const Request& request) {
  return std::all_of(request.query.begin(), request.query.end(), [&](const auto& parameter) {
    const std::string& name = parameter.first;
    return holds(operation.parameters, name) || holds(kCommonNames, name) || is_moved_header(request, name);
  });
}

bool is_control(const Request& request) {
  return request.path.starts_with("/-/control/");
}
bool is_token(const Request& request) {
  return request.method == "POST" && (request.path == "/identity/token" || request.path == "/oidc/token");
}

const Operation& service_operation(const Request& request) {
  if (request.method != "GET") return kUnknown;
  return request.has_parameter("extended") ? kListBucketsExtended : kListBuckets;
}

const Operation& bucket_operation(const Request& request) {
  const std::string& method = request.method;
  if (method == "GET") {
    if (request.has_parameter("location")) return kGetBucketLocation;
    if (request.has_parameter("uploads")) return kListUploads;
    return request.parameter("list-type") == "2" ? kListObjectsV2 : kListObjects;
  }
  if (method == "PUT") return kCreateBucket;
  if (method == "HEAD") return kHeadBucket;
  if (method == "DELETE") return kDeleteBucket;
  return method == "POST" && request.has_parameter("delete") ? kDeleteObjects : kUnknown;
}

const Operation& object_operation(const Request& request) {
  const std::string& method = request.method;
  const bool copy = request.header("x-amz-copy-source").has_value();
  const bool upload = request.has_parameter("uploadId");
  if (method == "GET") return upload ? kListParts : kGetObject;
  if (method == "HEAD") return kHeadObject;
  if (method == "PUT" && (upload || request.has_parameter("partNumber"))) return copy ? kUploadPartCopy : kUploadPart;
  if (method == "PUT") return copy ? kCopyObject : kPutObject;
  if (method == "DELETE") return upload ? kAbortUpload : kDeleteObject;
  if (method == "POST" && request.has_parameter("uploads")) return kCreateUpload;
  return method == "POST" && upload ? kCompleteUpload : kUnknown;
}

std::string new_uuid() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  const std::uint64_t high = random(), low = random();
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff, high & 0xfff,
                     (low >> 48 & 0x3fff) | 0x8000, low & 0xffffffffffff);
}

}  // namespace

const Operation& operation_of(const Request& request) {
  if (is_control(request)) return kControl;
  if (is_token(request)) return kToken;
  const Operation& operation = request.bucket.empty() ? service_operation(request)
                               : request.key.empty()  ? bucket_operation(request)
                                                      : object_operation(request);
  return knows_parameters(operation, request) ? operation : kUnknown;
}

Exchange::Exchange(State& state, Request request)
    : call_{state, std::move(request), new_uuid(), SignedBy::hmac, {}, {}, {}, {}},
      operation_(operation_of(call_.request)) {
  if (const ApiResult<Unit> started = start(); !started) refuse(started.error());
}

void Exchange::refuse(ApiError error) {
  if (!refusal_) refusal_ = std::move(error);
}

ApiResult<Unit> Exchange::start() {
  if (&operation_ == &kControl) {
    if (!call_.request.from_loopback) return ApiError("AccessDenied", "Control is for this machine only.");
  } else if (&operation_ != &kToken) {
    PAIL_CHECK(authenticate());
    authenticated_ = true;
    if (operation_.run == nullptr) return refuse_unknown();
    PAIL_CHECK(check_key(call_.request.key));
    PAIL_CHECK(check_headers(call_.request));
  }
  if (operation_.check != nullptr) PAIL_CHECK(operation_.check(call_));
  return prepare_body();
}

// Whether a bucket is there is told even by those of its sub-resources that are not.
ApiResult<Unit> Exchange::refuse_unknown() const {
  if (!call_.request.bucket.empty()) PAIL_CHECK(call_.state.store->bucket(call_.request.bucket));
  return ApiError("NotImplemented",
                  "A header or parameter you provided implies functionality that is not implemented.");
}

ApiResult<Unit> Exchange::authenticate() {
  const std::string authorization = call_.request.header_or("authorization", "");
  const WallTime now = call_.state.clock.wall();
  if (lower_case(authorization.substr(0, 7)) == "bearer ") {
    if (!call_.state.iam->accepts(std::string_view(authorization).substr(7), now))
      return ApiError("AccessDenied", "Access Denied: the token is expired or not valid.");
    call_.signed_by = SignedBy::iam;
    if (call_.request.header_or("content-encoding", "").find("aws-chunked") != std::string::npos)
      call_.payload.kind = PayloadKind::unsigned_chunks_trailer;
    return Unit{};
  }
  if (authorization.empty() && !call_.request.has_parameter("X-Amz-Signature"))
    return ApiError("AccessDenied", "Access Denied");
  PAIL_TRY(call_.payload, call_.state.verifier->verify(call_.request, now));
  for (const auto& [name, value] : call_.request.query)
    if (is_moved_header(call_.request, name)) call_.request.headers.emplace_back(lower_case(name), value);
  return Unit{};
}

ApiResult<Unit> Exchange::prepare_body() {
  const bool object = operation_.body == BodyUse::object || operation_.body == BodyUse::part;
  const auto decoded = parse_number(call_.request.header_or("x-amz-decoded-content-length", ""));
  const auto length = decoded ? decoded : call_.request.content_length;
  if (object && !length) return ApiError("MissingContentLength", "You must provide the Content-Length HTTP header.");
  if (object && *length > kLargestPut)
    return ApiError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.");
  BodyReader::Sink sink = [](std::span<const std::byte> bytes) -> ApiResult<Unit> {
    if (bytes.empty()) return Unit{};
    return ApiError("UnexpectedContent", "This request does not support content.");
  };
  if (operation_.body == BodyUse::text) {
    const std::uint64_t most = authenticated_ ? kLongestText : kLongestUnprovenText;
    if (length && *length > most) return ApiError("MaxMessageLengthExceeded", "Your request was too big.");
    sink = [this, most](std::span<const std::byte> bytes) -> ApiResult<Unit> {
      if (call_.text.size() + bytes.size() > most)
        return ApiError("MaxMessageLengthExceeded", "Your request was too big.");
      call_.text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return Unit{};
    };
  } else if (object) {
    call_.data = call_.state.store->new_data(operation_.body == BodyUse::part ? NewData::Placement::always_file
                                                                              : NewData::Placement::small_in_index);
    sink = [this](std::span<const std::byte> bytes) -> ApiResult<Unit> {
      PAIL_CHECK(call_.data->append(bytes));
      return Unit{};
    };
  }
  PAIL_TRY(reader_,
           BodyReader::start(call_.request, call_.payload, operation_.integrity,
                             object ? BodyReader::Crc64::computed : BodyReader::Crc64::skipped, std::move(sink)));
  return Unit{};
}

void Exchange::feed(std::span<const std::byte> bytes) {
  if (refused()) return;
  if (const ApiResult<Unit> fed = reader_->feed(bytes); !fed) {
    refuse(fed.error());
    call_.data.reset();
  }
}

ApiResult<Response> Exchange::carry_out() {
  if (refused()) return *refusal_;
  PAIL_TRY(call_.digests, reader_->finish());
  if (&operation_ == &kControl) return control(call_.state, call_.request, call_.text);
  if (&operation_ == &kToken) return call_.state.iam->token(call_.text, call_.state.clock.wall(), call_.request_id);
  return operation_.run(call_);
}

// What throws here (bad_alloc) is this request's trouble alone.
ApiResult<Response> Exchange::carry_out_or_fail() try { return carry_out(); } catch (const std::exception& error) {
  return Error{EIO, error.what()};
}

Response Exchange::finish() {
  const ApiResult<Response> done = carry_out_or_fail();
  if (done) return complete(*done);
  error_code_ = done.error().code;
  return error_response(done.error().status(), done.error().code, done.error().message);
}

Response Exchange::error_response(int status, std::string_view code, std::string_view message) const {
  Response out;
  out.status = status;
  if (status == 304) return complete(std::move(out));
  std::string resource = call_.request.path;
  if (call_.request.key.empty() && !resource.ends_with('/')) resource += '/';
  XmlWriter xml("Error", XmlWriter::Namespace::none);
  xml.element("Code", code).element("Message", message).element("Resource", resource);
  xml.element("RequestId", call_.request_id).number("httpStatusCode", static_cast<std::uint64_t>(status));
  out.body = xml.finish();
  out.set("Content-Type", "application/xml");
  if (status == 401 || status == 403)
    out.set("WWW-Authenticate", "Basic realm=\"Cleversafe Dispersed Storage Network\"");
  return complete(std::move(out));
}

Response Exchange::complete(Response response) const {
  response.set("Date", http_date(call_.state.now_ns() / 1'000'000'000));
  response.set("X-Clv-Request-Id", call_.request_id);
  response.set("Server", "Cleversafe");
  response.set("X-Clv-S3-Version", "2.5");
  response.set("x-amz-request-id", call_.request_id);
  if (call_.request.method == "HEAD" && !response.content_length) response.content_length = response.body.size();
  if (call_.request.method == "HEAD") response.body.clear();
  return response;
}

}  // namespace pail::emulator
