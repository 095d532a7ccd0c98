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
  int errnum;
};

// Codes of IBM COS (API documentation, "Common error codes") and, below the gap, of other S3 stores.
constexpr auto kCodes = std::to_array<CodeRow>({
    {"AccessDenied", 403, EACCES},
    {"BadDigest", 400, EIO},
    {"BucketAlreadyExists", 409, EEXIST},
    {"BucketAlreadyOwnedByYou", 409, EEXIST},
    {"BucketNotEmpty", 409, ENOTEMPTY},
    {"CredentialsNotSupported", 400, EACCES},
    {"EntityTooLarge", 400, EFBIG},
    {"EntityTooSmall", 400, EINVAL},
    {"IncompleteBody", 400, EIO},
    {"InternalError", 500, EIO},
    {"InvalidAccessKeyId", 403, EACCES},
    {"InvalidObjectState", 403, EREMOTEIO},
    {"InvalidRange", 416, EINVAL},
    {"InvalidSecurity", 403, EACCES},
    {"InvalidBucketState", 409, EPERM},
    {"KeyTooLong", 400, ENAMETOOLONG},
    {"MaxMessageLengthExceeded", 400, EFBIG},
    {"MetadataTooLarge", 400, E2BIG},
    {"MethodNotAllowed", 405, EOPNOTSUPP},
    {"NoSuchBucket", 404, ENOENT},
    {"NoSuchKey", 404, ENOENT},
    {"NoSuchUpload", 404, ENOENT},
    {"NotImplemented", 501, EOPNOTSUPP},
    {"ObjectAlreadyExists", 409, EEXIST},
    {"OperationAborted", 409, EBUSY},
    {"PreconditionFailed", 412, ESTALE},
    {"RequestTimeTooSkewed", 403, EACCES},
    {"RequestTimeout", 400, ETIMEDOUT},
    {"ServiceUnavailable", 503, EIO},
    {"SignatureDoesNotMatch", 403, EACCES},
    {"SlowDown", 503, EIO},
    {"TooManyBuckets", 400, EDQUOT},
    {"VaultQuotaExceeded", 507, ENOSPC},

    {"AccountProblem", 403, EACCES},
    {"AuthorizationHeaderMalformed", 400, EACCES},
    {"ConditionalRequestConflict", 409, EBUSY},
    {"ExpiredToken", 400, EACCES},
    {"InvalidToken", 400, EACCES},
    {"KeyTooLongError", 400, ENAMETOOLONG},
    {"NoSuchVersion", 404, ENOENT},
    {"PermanentRedirect", 301, ENOENT},
    {"QuotaExceeded", 403, EDQUOT},
    {"RequestLimitExceeded", 503, EIO},
    {"TemporaryRedirect", 307, ENOENT},
    {"XMinioStorageFull", 507, ENOSPC},
});

// Codes that come with a status of "do not repeat" but are trouble of the way or of the moment.
constexpr auto kPassing = std::to_array<std::string_view>(
    {"RequestTimeout", "BadDigest", "IncompleteBody", "OperationAborted", "ConditionalRequestConflict", "InternalError",
     "ServiceUnavailable", "SlowDown", "RequestLimitExceeded"});

const CodeRow* find_code(std::string_view code) {
  const auto row = std::ranges::find(kCodes, code, &CodeRow::code);
  return row == kCodes.end() ? nullptr : &*row;
}

int errnum_of_status(int status) {
  switch (status) {
    case 301:
    case 307:
    case 404:
    case 410:
      return ENOENT;
    case 400:
    case 411:
    case 416:
      return EINVAL;
    case 401:
    case 403:
    case 407:
      return EACCES;
    case 405:
    case 501:
      return EOPNOTSUPP;
    case 408:
    case 504:
      return ETIMEDOUT;
    case 409:
      return EBUSY;
    case 304:
    case 412:
      return ESTALE;
    case 413:
      return EFBIG;
    case 451:
      return EPERM;
    case 507:
      return ENOSPC;
    default:
      return EIO;
  }
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
  out.message = error.child("Message").trimmed();
  if (out.request_id.empty()) out.request_id = error.child("RequestId").trimmed();
  return true;
}

std::string request_id_of(const http::Headers& headers) {
  for (const auto* name : {"x-amz-request-id", "X-Clv-Request-Id", "Transaction-Id"})
    if (const auto id = headers.find(name)) return std::string(*id);
  return "";
}

}  // namespace

ServerError parse_server_error(int status, const http::Headers& headers, std::string_view body) {
  ServerError error{status, "", "", request_id_of(headers)};
  body = body.substr(0, kMaxErrorBody.n);
  const auto start = body.find_first_not_of(" \t\r\n");
  if (start != body.npos && body[start] == '{')
    fill_from_json(body, error);
  else
    fill_from_xml(body, error);
  return error;
}

bool parse_embedded_error(const http::Headers& headers, std::string_view body, ServerError& out) {
  ServerError error{200, "", "", request_id_of(headers)};
  if (!fill_from_xml(body, error)) return false;
  const CodeRow* row = find_code(error.code);
  error.status = row != nullptr ? row->status : 500;
  out = std::move(error);
  return true;
}

int errnum_of(const ServerError& error) {
  // A status says enough where no code is more exact: retention answers 451 with any code.
  if (error.status == 451 || error.status == 507) return errnum_of_status(error.status);
  const CodeRow* row = find_code(error.code);
  return row != nullptr ? row->errnum : errnum_of_status(error.status);
}

bool may_pass(const ServerError& error) {
  if (http::is_retryable_status(error.status) || error.status == 509) return true;
  return std::ranges::find(kPassing, error.code) != kPassing.end();
}

std::string readable(std::string_view untrusted) {
  constexpr std::size_t kLongest = 300;
  const bool plain = untrusted.size() <= kLongest && std::ranges::all_of(untrusted, [](unsigned char c) {
                       return c >= 0x20 && c != 0x7F && c != '"' && c != '\\';
                     });
  return plain ? std::string(untrusted) : quote(untrusted);
}

Error to_error(std::string_view what, const ServerError& error) {
  std::string story = fmt::format("{}: {}", what, error.status);
  if (!error.code.empty()) story += fmt::format(" {}", readable(error.code));
  if (!error.message.empty()) story += fmt::format(" ({})", readable(error.message));
  if (!error.request_id.empty()) story += fmt::format(", request id {}", readable(error.request_id));
  return Error{errnum_of(error), std::move(story)};
}

}  // namespace pail::cos
