#include "emulator/api_error.h"

#include <cerrno>

#include "base/log.h"

namespace pail::emulator {
namespace {

struct CodeRow {
  std::string_view code;
  int status;
};

constexpr CodeRow kCodes[] = {
    {"AccessDenied", 403},          {"BucketAlreadyExists", 409},
    {"BucketNotEmpty", 409},        {"InternalError", 500},
    {"InvalidAccessKeyId", 403},    {"InvalidRange", 416},
    {"MethodNotAllowed", 405},      {"MissingContentLength", 411},
    {"NoSuchBucket", 404},          {"NoSuchKey", 404},
    {"NoSuchUpload", 404},          {"NotImplemented", 501},
    {"NoSuchVersion", 404},         {"NotModified", 304},
    {"OperationAborted", 409},      {"PreconditionFailed", 412},
    {"RequestTimeTooSkewed", 403},  {"ServiceUnavailable", 503},
    {"SignatureDoesNotMatch", 403}, {"SlowDown", 503},
    {"VaultQuotaExceeded", 507},
};

bool out_of_space(int errnum) {
  return errnum == ENOSPC || errnum == EDQUOT;
}

}  // namespace

int status_of(std::string_view code) {
  for (const CodeRow& row : kCodes)
    if (row.code == code) return row.status;
  return 400;
}

ApiError::ApiError(const Error& cause)
    : code(out_of_space(cause.errnum) ? "VaultQuotaExceeded" : "InternalError"),
      message("The server met an internal error. Please retry the request.") {
  spdlog::error("emulator: {}", cause.context);
}

int ApiError::status() const {
  return status_of(code);
}

}  // namespace pail::emulator
