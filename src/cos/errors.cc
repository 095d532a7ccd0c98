#include "cos/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/log.h"
#include "cos/xml.h"
#include "pailfs/http/retry.h"

namespace pail::cos {
namespace {

struct CodeRow {
  std::string_view code;
  int status;  // what it comes with; for codes inside a 200 answer
  Fault fault;
  int errnum;
};

// Codes of IBM COS (API documentation, "Common error codes") and, below the gap, of other S3 stores.
constexpr auto kCodes = std::to_array<CodeRow>({
    {"AccessDenied", 403, Fault::denied, EACCES},
    {"BadDigest", 400, Fault::trouble, EIO},
    {"BucketAlreadyExists", 409, Fault::exists, EEXIST},
    {"BucketAlreadyOwnedByYou", 409, Fault::exists, EEXIST},
    {"BucketNotEmpty", 409, Fault::not_empty, ENOTEMPTY},
    {"CredentialsNotSupported", 400, Fault::credentials, EACCES},
    {"EntityTooLarge", 400, Fault::refused, EFBIG},
    {"EntityTooSmall", 400, Fault::refused, EINVAL},
    {"IncompleteBody", 400, Fault::trouble, EIO},
    {"InternalError", 500, Fault::trouble, EIO},
    {"InvalidAccessKeyId", 403, Fault::unknown_key_id, EACCES},
    {"InvalidObjectState", 403, Fault::archived, EREMOTEIO},
    {"InvalidRange", 416, Fault::refused, EINVAL},
    {"InvalidSecurity", 403, Fault::credentials, EACCES},
    {"InvalidBucketState", 409, Fault::retained, EPERM},
    {"KeyTooLong", 400, Fault::refused, ENAMETOOLONG},
    {"MaxMessageLengthExceeded", 400, Fault::refused, EFBIG},
    {"MetadataTooLarge", 400, Fault::refused, E2BIG},
    {"MethodNotAllowed", 405, Fault::unsupported, EOPNOTSUPP},
    {"NoSuchBucket", 404, Fault::no_bucket, ENODEV},
    {"NoSuchKey", 404, Fault::no_key, ENOENT},
    {"NoSuchUpload", 404, Fault::no_upload, EIO},
    {"NotImplemented", 501, Fault::unsupported, EOPNOTSUPP},
    {"ObjectAlreadyExists", 409, Fault::exists, EEXIST},
    {"OperationAborted", 409, Fault::busy, EBUSY},
    {"PreconditionFailed", 412, Fault::precondition, ESTALE},
    {"RequestTimeTooSkewed", 403, Fault::wrong_clock, EACCES},
    {"RequestTimeout", 400, Fault::trouble, ETIMEDOUT},
    {"ServiceUnavailable", 503, Fault::busy, EIO},
    {"SignatureDoesNotMatch", 403, Fault::wrong_signature, EACCES},
    {"SlowDown", 503, Fault::busy, EIO},
    {"TooManyBuckets", 400, Fault::quota, EDQUOT},
    {"VaultQuotaExceeded", 507, Fault::quota, ENOSPC},

    {"AccountProblem", 403, Fault::credentials, EACCES},
    {"AuthorizationHeaderMalformed", 400, Fault::credentials, EACCES},
    {"ConditionalRequestConflict", 409, Fault::busy, EBUSY},
    {"ExpiredToken", 400, Fault::wrong_token, EACCES},
    {"InvalidToken", 400, Fault::wrong_token, EACCES},
    {"KeyTooLongError", 400, Fault::refused, ENAMETOOLONG},
    {"NoSuchVersion", 404, Fault::no_version, ESTALE},
    {"PermanentRedirect", 301, Fault::redirect, EIO},
    {"QuotaExceeded", 403, Fault::quota, EDQUOT},
    {"RequestLimitExceeded", 503, Fault::busy, EIO},
    {"TemporaryRedirect", 307, Fault::redirect, EIO},
    {"XMinioStorageFull", 507, Fault::quota, ENOSPC},
});

// Codes that come with a status of "do not repeat" but are trouble of the way or of the moment.
constexpr auto kPassing = std::to_array<std::string_view>(
    {"RequestTimeout", "BadDigest", "IncompleteBody", "OperationAborted", "ConditionalRequestConflict", "InternalError",
     "ServiceUnavailable", "SlowDown", "RequestLimitExceeded"});

const CodeRow* find_code(std::string_view code) {
  const auto row = std::ranges::find(kCodes, code, &CodeRow::code);
  return row == kCodes.end() ? nullptr : &*row;
}

// What a status says where no known code is more exact.
struct StatusRow {
  int status;
  Fault fault;
  int errnum;
};

constexpr auto kStatuses = std::to_array<StatusRow>({
    {301, Fault::redirect, EIO},
    {302, Fault::redirect, EIO},
    {303, Fault::redirect, EIO},
    {304, Fault::precondition, ESTALE},
    {307, Fault::redirect, EIO},
    {308, Fault::redirect, EIO},
    {400, Fault::refused, EINVAL},
    {401, Fault::credentials, EACCES},
    {403, Fault::denied, EACCES},
    {404, Fault::not_a_store, EIO},
    {405, Fault::not_a_store, EIO},
    {407, Fault::credentials, EACCES},
    {408, Fault::trouble, ETIMEDOUT},
    {409, Fault::busy, EBUSY},
    {410, Fault::not_a_store, EIO},
    {411, Fault::refused, EINVAL},
    {412, Fault::precondition, ESTALE},
    {413, Fault::refused, EFBIG},
    {416, Fault::refused, EINVAL},
    {429, Fault::busy, EIO},
    {451, Fault::retained, EPERM},
    {501, Fault::not_a_store, EIO},
    {503, Fault::busy, EIO},
    {504, Fault::trouble, ETIMEDOUT},
    {507, Fault::quota, ENOSPC},
});

// What a failure without an answer means; the errno is that of http and auth.
struct LossRow {
  int from;
  Fault fault;
  int errnum;
  Loss loss;
};

constexpr auto kLosses = std::to_array<LossRow>({
    {ETIMEDOUT, Fault::lost, ETIMEDOUT, Loss::silence},
    {ECONNREFUSED, Fault::lost, ECONNREFUSED, Loss::no_listener},
    {EHOSTUNREACH, Fault::lost, EHOSTUNREACH, Loss::no_way},
    {ENETUNREACH, Fault::lost, ENETUNREACH, Loss::no_way},
    {ENETDOWN, Fault::lost, ENETDOWN, Loss::no_way},
    {EADDRNOTAVAIL, Fault::lost, EADDRNOTAVAIL, Loss::no_way},
    {EPROTO, Fault::lost, EPROTO, Loss::no_trust},
    {ECONNRESET, Fault::lost, EIO, Loss::broken},
    {ECONNABORTED, Fault::lost, ECONNABORTED, Loss::broken},
    {EPIPE, Fault::lost, EPIPE, Loss::broken},
    {EAGAIN, Fault::lost, EAGAIN, Loss::broken},
    {ECANCELED, Fault::stopped, EINTR, Loss::broken},
    {EMSGSIZE, Fault::not_a_store, EBADMSG, Loss::broken},
    {EBADMSG, Fault::not_a_store, EBADMSG, Loss::broken},
    {EACCES, Fault::credentials, EACCES, Loss::broken},
    {EPERM, Fault::credentials, EPERM, Loss::broken},
});

StatusRow by_status(int status) {
  const auto row = std::ranges::find(kStatuses, status, &StatusRow::status);
  if (row != kStatuses.end()) return *row;
  return {status, status >= 500 ? Fault::trouble : Fault::not_a_store, EIO};
}

StatusRow row_of(const ServerError& error) {
  // A status says enough where no code is more exact: retention answers 451 with any code.
  if (error.status == 451 || error.status == 507 || is_redirect(error.status)) return by_status(error.status);
  if (!error.has_store_code) return by_status(error.status);
  const CodeRow* row = find_code(error.code);
  if (row != nullptr && (row->fault != Fault::no_key || error.status == 404))
    return {error.status, row->fault, row->errnum};
  if (error.status == 405 || error.status == 501) return {error.status, Fault::unsupported, EOPNOTSUPP};
  const StatusRow status = by_status(error.status);
  return status.fault == Fault::not_a_store ? StatusRow{error.status, Fault::refused, EIO} : status;
}

// The value of a string member of a flat JSON object, well enough for a message to people.
std::string json_member(std::string_view body, std::string_view name) {
  const std::string quoted = fmt::format("\"{}\"", name);
  auto at = body.find(quoted);
  if (at == body.npos) return "";
  at = body.find_first_not_of(" \t\r\n:", at + quoted.size());
  if (at == body.npos || body[at] != '"') return "";
  const auto end = body.find('"', at + 1);
  return end == body.npos ? "" : std::string(body.substr(at + 1, end - at - 1));
}

void fill_from_json(std::string_view body, ServerError& out) {
  for (const auto* name : {"code", "errorCode", "Code"})
    if (out.code.empty()) out.code = json_member(body, name);
  for (const auto* name : {"message", "errorMessage", "Message"})
    if (out.message.empty()) out.message = json_member(body, name);
}

bool fill_from_xml(std::string_view body, ServerError& out) {
  const auto document = XmlDocument::parse(body);
  if (!document || document->root().name() != "Error") return false;
  const XmlElement error = document->root();
  out.code = error.child("Code").trimmed();
  out.has_store_code = !out.code.empty();
  if (out.redirect_to.empty()) out.redirect_to = error.child("Endpoint").trimmed();
  out.message = error.child("Message").trimmed();
  if (out.request_id.empty()) out.request_id = error.child("RequestId").trimmed();
  return true;
}

// What the head of an answer tells.
ServerError from_head(int status, const http::Headers& headers) {
  ServerError error{.status = status, .code = "", .message = "", .request_id = request_id_of(headers)};
  // Transaction-Id is a name that any proxy might use.
  error.has_store_header = headers.contains("x-amz-request-id") || headers.contains("X-Clv-Request-Id");
  error.redirect_to = headers.find("Location").value_or("");
  error.region = headers.find("x-amz-bucket-region").value_or("");
  return error;
}

}  // namespace

std::string request_id_of(const http::Headers& headers) {
  for (const auto* name : {"x-amz-request-id", "X-Clv-Request-Id", "Transaction-Id"})
    if (const auto id = headers.find(name)) return std::string(*id);
  return "";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

ServerError parse_server_error(int status, const http::Headers& headers, std::string_view body) {
  ServerError error = from_head(status, headers);
  body = body.substr(0, kMaxErrorBody.n);
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start != body.npos && body[start] == '{')
    fill_from_json(body, error);
  else
    fill_from_xml(body, error);
  return error;
}

bool parse_embedded_error(const http::Headers& headers, std::string_view body, ServerError& out) {
  ServerError error = from_head(200, headers);
  if (!fill_from_xml(body, error)) return false;
  const CodeRow* row = find_code(error.code);
  error.status = row != nullptr ? row->status : 500;
  out = std::move(error);
  return true;
}

Fault fault_of(const ServerError& error) {
  return row_of(error).fault;
}

int errnum_of(const ServerError& error) {
  return row_of(error).errnum;
}

bool may_pass(const ServerError& error) {
  if (http::is_retryable_status(error.status) || error.status == 509) return true;
  return std::ranges::find(kPassing, error.code) != kPassing.end();
}

Error loss_error(std::string_view what, const Error& loss) {
  const auto row = std::ranges::find(kLosses, loss.errnum, &LossRow::from);
  std::string story = fmt::format("{}: {}", what, loss.context);
  if (row == kLosses.end()) return {loss.errnum, std::move(story)};
  return {row->errnum, std::move(story), row->fault};
}

Loss loss_of(const Error& lost) {
  const auto row = std::ranges::find(kLosses, lost.errnum, &LossRow::errnum);
  return row == kLosses.end() ? Loss::broken : row->loss;
}

Error not_a_store(std::string context) {
  return {EBADMSG, std::move(context), Fault::not_a_store};
}

std::string readable(std::string_view untrusted) {
  constexpr std::size_t kLongest = 300;
  const bool plain = untrusted.size() <= kLongest && std::ranges::all_of(untrusted, [](unsigned char c) {
                       return c >= 0x20 && c != 0x7F && c != '"' && c != '\\';
                     });
  return plain ? std::string(untrusted) : quote(untrusted);
}

namespace {

// What to do about refusals that the store's own words do not explain.
std::string advice(const ServerError& error) {
  if (is_redirect(error.status)) {
    const std::string_view query_left_out = std::string_view(error.redirect_to).substr(0, error.redirect_to.find('?'));
    std::string story = "; not followed";
    if (!query_left_out.empty()) story += fmt::format(" to {}", readable(query_left_out));
    if (!error.region.empty()) story += fmt::format(", where region {} serves the bucket", readable(error.region));
    return story + ": name the endpoint that serves the bucket with url= or region=";
  }
  const bool missing = error.status == 404 || error.status == 410;
  if (missing && fault_of(error) == Fault::not_a_store && !error.has_store_header)
    return "; this is not the answer of an object store, so it does not show that anything is missing: check url= and "
           "the proxy on the way";
  return "";
}

}  // namespace

Error to_error(const DeleteRefusal& refusal) {
  std::string story = fmt::format("{} {}", quote(refusal.code), quote(refusal.message));
  const CodeRow* row = find_code(refusal.code);
  if (row == nullptr) return {EIO, std::move(story), Fault::trouble};
  return {row->errnum, std::move(story), row->fault};
}

Error to_error(std::string_view what, const ServerError& error) {
  std::string story = fmt::format("{}: {}", what, error.status);
  if (!error.code.empty()) story += fmt::format(" {}", readable(error.code));
  if (!error.message.empty()) story += fmt::format(" ({})", readable(error.message));
  if (!error.request_id.empty()) story += fmt::format(", request id {}", readable(error.request_id));
  story += advice(error);
  return Error{errnum_of(error), std::move(story), fault_of(error)};
}

}  // namespace pail::cos
