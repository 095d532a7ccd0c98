#include "cos/errors.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <utility>

#include "pailfs/http/retry.h"

namespace pail::cos {
namespace {

constexpr std::string_view kDenied = R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Resource>/apiary/</Resource>
<RequestId>1234</RequestId><httpStatusCode>403</httpStatusCode></Error>)";

ServerError said(int status, std::string_view code) {
  return {
      .status = status, .code = std::string(code), .message = "", .request_id = "", .has_store_code = !code.empty()};
}

int errnum(int status, std::string_view code) {
  return errnum_of(said(status, code));
}

Fault fault(int status, std::string_view code) {
  return fault_of(said(status, code));
}

TEST(ServerError, TellsOperationStatusCodeMessageAndRequestId) {
  const Error error = to_error("PUT bucket/key", parse_server_error(403, {}, kDenied));
  EXPECT_EQ(error.errnum, EACCES);
  EXPECT_EQ(error.context, "PUT bucket/key: 403 AccessDenied (Access denied.), request id 1234");
}

TEST(ServerError, OfAHeadHasOnlyItsStatusAndHeaders) {
  const http::Headers headers{{"X-Clv-Request-Id", "abc"}};
  EXPECT_EQ(to_error("HEAD bucket/key", parse_server_error(404, headers, "")).context,
            "HEAD bucket/key: 404, request id abc");
}

TEST(ServerError, IsReadFromJsonToo) {
  const ServerError error =
      parse_server_error(401, {}, R"({"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found"})");
  EXPECT_EQ(error.code, "BXNIM0415E");
  EXPECT_EQ(error.message, "Provided API key could not be found");
  EXPECT_EQ(errnum_of(error), EACCES);
}

TEST(ServerError, SurvivesAnyBody) {
  for (const std::string_view body : {"", "<html><body>Bad gateway</body></html>", "{", "{\"code\":", "{\"code\":\"",
                                      "<Error>", "<Error/>", "\xff\xfe\x00", "<Error><Code>a</Code><Code>"})
    EXPECT_EQ(parse_server_error(502, {}, body).status, 502) << body;
}

TEST(ServerError, CannotForgeLinesOfALog) {
  const ServerError error{.status = 500, .code = "X\nINFO all is well", .message = "\x1b[31m", .request_id = "\r\n"};
  const std::string context = to_error("GET b/k", error).context;
  EXPECT_EQ(context.find('\n'), context.npos);
  EXPECT_EQ(context.find('\x1b'), context.npos);
}

TEST(EmbeddedError, InsideAnAnswer200TakesTheStatusOfItsCode) {
  ServerError error;
  EXPECT_TRUE(parse_embedded_error({}, " \n\n<Error><Code>SlowDown</Code></Error>", error));
  EXPECT_EQ(error.status, 503);
  EXPECT_TRUE(may_pass(error));
  EXPECT_FALSE(parse_embedded_error({}, "<CopyObjectResult><ETag>x</ETag></CopyObjectResult>", error));
  EXPECT_FALSE(parse_embedded_error({}, "", error));
}

TEST(EmbeddedError, OfAnUnknownCodeIsTheServersTrouble) {
  ServerError error;
  ASSERT_TRUE(parse_embedded_error({}, "<Error><Code>Surprise</Code></Error>", error));
  EXPECT_EQ(error.status, 500);
}

TEST(Errno, FollowsTheCode) {
  EXPECT_EQ(errnum(404, "NoSuchKey"), ENOENT);
  EXPECT_EQ(errnum(404, "NoSuchBucket"), ENODEV);
  EXPECT_EQ(errnum(404, "NoSuchUpload"), EIO);
  EXPECT_EQ(errnum(403, "InvalidObjectState"), EREMOTEIO);
  EXPECT_EQ(errnum(409, "BucketAlreadyExists"), EEXIST);
  EXPECT_EQ(errnum(409, "BucketAlreadyOwnedByYou"), EEXIST);
  EXPECT_EQ(errnum(409, "BucketNotEmpty"), ENOTEMPTY);
  EXPECT_EQ(errnum(400, "KeyTooLong"), ENAMETOOLONG);
  EXPECT_EQ(errnum(400, "EntityTooLarge"), EFBIG);
  EXPECT_EQ(errnum(412, "PreconditionFailed"), ESTALE);
  EXPECT_EQ(errnum(501, "NotImplemented"), EOPNOTSUPP);
  EXPECT_EQ(errnum(507, "VaultQuotaExceeded"), ENOSPC);
}

TEST(Errno, FollowsTheStatusWhereTheCodeIsMissingOrUnknown) {
  EXPECT_EQ(errnum(404, ""), EIO);
  EXPECT_EQ(errnum(403, "Whatever"), EACCES);
  EXPECT_EQ(errnum(401, ""), EACCES);
  EXPECT_EQ(errnum(412, ""), ESTALE);
  EXPECT_EQ(errnum(503, ""), EIO);
  EXPECT_EQ(errnum(599, ""), EIO);
  EXPECT_EQ(errnum(0, ""), EIO);
}

TEST(StoreFault, OfAMissingKeyNeedsTheStoresOwnCode) {
  EXPECT_EQ(fault_of(parse_server_error(404, {}, "<Error><Code>NoSuchKey</Code></Error>")), Fault::no_key);
  for (const std::string_view body :
       {"", "<html><body>404 Not Found</body></html>", "{\"code\":\"NoSuchKey\"}", "NoSuchKey",
        "<html><Error><Code>NoSuchKey</Code></Error></html>", "<Error/>", "<Error><Code></Code></Error>"}) {
    const Error error = to_error("GET b/k", parse_server_error(404, {}, body));
    EXPECT_EQ(error.fault, Fault::not_a_store) << body;
    EXPECT_EQ(error.errnum, EIO) << body;
  }
}

TEST(StoreFault, TellsWhatIsMissing) {
  EXPECT_EQ(fault(404, "NoSuchKey"), Fault::no_key);
  EXPECT_EQ(fault(404, "NoSuchBucket"), Fault::no_bucket);
  EXPECT_EQ(fault(404, "NoSuchUpload"), Fault::no_upload);
  EXPECT_EQ(fault(404, "NoSuchVersion"), Fault::no_version);
  EXPECT_EQ(fault(404, "NoSuchTagSet"), Fault::refused);
  EXPECT_EQ(fault(500, "NoSuchKey"), Fault::trouble);
}

TEST(StoreFault, TellsWhatIsWrongWithTheCredentials) {
  EXPECT_EQ(fault(403, "AccessDenied"), Fault::denied);
  EXPECT_EQ(fault(403, ""), Fault::denied);
  EXPECT_EQ(fault(403, "InvalidAccessKeyId"), Fault::unknown_key_id);
  EXPECT_EQ(fault(403, "SignatureDoesNotMatch"), Fault::wrong_signature);
  EXPECT_EQ(fault(403, "RequestTimeTooSkewed"), Fault::wrong_clock);
  EXPECT_EQ(fault(400, "ExpiredToken"), Fault::wrong_token);
  EXPECT_EQ(fault(400, "InvalidToken"), Fault::wrong_token);
  EXPECT_EQ(fault(403, "InvalidSecurity"), Fault::credentials);
  EXPECT_EQ(fault(401, ""), Fault::credentials);
}

TEST(StoreFault, WithoutAccessIsEaccesAndNothingElseIs) {
  for (const int status : {400, 401, 403, 404, 405, 409, 412, 451, 500, 501, 503, 507})
    for (const auto* code : {"", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed",
                             "ExpiredToken", "AccountProblem", "NoSuchKey", "SlowDown", "QuotaExceeded"})
      EXPECT_EQ(no_access(fault(status, code)), errnum(status, code) == EACCES) << status << code;
}

TEST(StoreFault, UnsupportedIsTheStoresOwnWord) {
  EXPECT_EQ(fault(501, "NotImplemented"), Fault::unsupported);
  EXPECT_EQ(fault(405, "MethodNotAllowed"), Fault::unsupported);
  EXPECT_EQ(fault(501, ""), Fault::not_a_store);
  EXPECT_EQ(fault(405, ""), Fault::not_a_store);
}

TEST(StoreFault, OfARedirectIsNeverAMissingKeyWhateverItsCode) {
  for (const int status : {301, 302, 303, 307, 308})
    for (const auto* code : {"", "NoSuchKey", "PermanentRedirect"}) {
      EXPECT_EQ(fault(status, code), Fault::redirect) << status << code;
      EXPECT_EQ(errnum(status, code), EIO) << status << code;
    }
}

TEST(StoreFault, OfARedirectNamesWhereItLeadsWithoutTheQuery) {
  const http::Headers headers{{"Location", "https://other.example/b/k?X-Amz-Signature=abc"},
                              {"x-amz-bucket-region", "eu-west-1"}};
  const std::string context = to_error("GET b/k", parse_server_error(307, headers, "")).context;
  EXPECT_NE(context.find("https://other.example/b/k"), context.npos) << context;
  EXPECT_NE(context.find("eu-west-1"), context.npos) << context;
  EXPECT_NE(context.find("region="), context.npos) << context;
  EXPECT_EQ(context.find("abc"), context.npos) << context;
}

TEST(Errno, OfARetainedObjectIsEpermWhateverTheCode) {
  EXPECT_EQ(errnum(451, ""), EPERM);
  EXPECT_EQ(errnum(451, "AccessDenied"), EPERM);
}

TEST(LossError, OfAConnectionIsLostAndTellsWhatStoodInTheWay) {
  const auto loss = [](int from) {
    const Error error = loss_error("GET b/k", {from, "x"});
    EXPECT_EQ(error.fault, Fault::lost) << from;
    EXPECT_EQ(error.context, "GET b/k: x");
    return std::pair(error.errnum, loss_of(error));
  };
  EXPECT_EQ(loss(ETIMEDOUT), std::pair(ETIMEDOUT, Loss::silence));
  EXPECT_EQ(loss(ECONNREFUSED), std::pair(ECONNREFUSED, Loss::no_listener));
  EXPECT_EQ(loss(EHOSTUNREACH), std::pair(EHOSTUNREACH, Loss::no_way));
  EXPECT_EQ(loss(EPROTO), std::pair(EPROTO, Loss::no_trust));
  EXPECT_EQ(loss(ECONNRESET), std::pair(EIO, Loss::broken));
}

TEST(LossError, WhateverMayPassCountsAsLost) {
  for (int errnum = 1; errnum < 134; ++errnum) {
    if (!http::is_retryable_errnum(errnum)) continue;
    EXPECT_EQ(loss_error("GET b/k", {errnum, "x"}).fault, Fault::lost) << errnum;
  }
}

TEST(LossError, OfAStopIsStoppedAndEintr) {
  const Error error = loss_error("GET b/k", {ECANCELED, "cancelled"});
  EXPECT_EQ(error.fault, Fault::stopped);
  EXPECT_EQ(error.errnum, EINTR);
}

TEST(LossError, OfATokenThatIsRefusedIsTheCredentials) {
  EXPECT_EQ(loss_error("GET b/k", {EACCES, "x"}).fault, Fault::credentials);
}

TEST(LossError, OfAnAnswerThatIsTooLargeOrBrokenIsNoStores) {
  EXPECT_EQ(loss_error("GET b/k", {EMSGSIZE, "x"}).fault, Fault::not_a_store);
  EXPECT_EQ(loss_error("GET b/k", {EMSGSIZE, "x"}).errnum, EBADMSG);
  EXPECT_EQ(loss_error("GET b/k", {EBADMSG, "x"}).fault, Fault::not_a_store);
}

TEST(LossError, OfALocalFailureKeepsItsErrnoAndProvesNothing) {
  const Error error = loss_error("GET b/k", {ENOSPC, "x"});
  EXPECT_EQ(error.fault, Fault::none);
  EXPECT_EQ(error.errnum, ENOSPC);
}

TEST(Refusal, OfOneKeyOfManyIsAFaultByTheSameTable) {
  const Error denied = to_error(DeleteRefusal{"k", "AccessDenied", "no\x1b"});
  EXPECT_EQ(denied.fault, Fault::denied);
  EXPECT_EQ(denied.errnum, EACCES);
  EXPECT_NE(denied.context.find("AccessDenied"), denied.context.npos);
  EXPECT_EQ(denied.context.find('\x1b'), denied.context.npos);
  EXPECT_EQ(to_error(DeleteRefusal{"k", "InternalError", ""}).fault, Fault::trouble);
  EXPECT_EQ(to_error(DeleteRefusal{"k", "Surprise", ""}).fault, Fault::trouble);
  EXPECT_EQ(to_error(DeleteRefusal{"k", "Surprise", ""}).errnum, EIO);
}

TEST(Retry, IsForTroubleOfTheMoment) {
  for (const int status : {429, 500, 502, 503, 504, 509}) EXPECT_TRUE(may_pass(said(status, ""))) << status;
  EXPECT_TRUE(may_pass(said(400, "RequestTimeout")));
  EXPECT_TRUE(may_pass(said(400, "BadDigest")));
  EXPECT_TRUE(may_pass(said(409, "OperationAborted")));
  for (const int status : {400, 403, 404, 409, 411, 412, 416, 451, 501, 507})
    EXPECT_FALSE(may_pass(said(status, ""))) << status;
}

}  // namespace
}  // namespace pail::cos
