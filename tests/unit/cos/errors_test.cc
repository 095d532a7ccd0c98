#include "cos/errors.h"

#include <gtest/gtest.h>

namespace pail::cos {
namespace {

constexpr std::string_view kDenied = R"(<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<Error><Code>AccessDenied</Code><Message>Access denied.</Message><Resource>/apiary/</Resource>
<RequestId>1234</RequestId><httpStatusCode>403</httpStatusCode></Error>)";

int errnum(int status, std::string_view code) {
  return errnum_of(ServerError{status, std::string(code), "", ""});
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
  const ServerError error{500, "X\nINFO all is well", "\x1b[31m", "\r\n"};
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
  EXPECT_EQ(errnum(404, "NoSuchBucket"), ENOENT);
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
  EXPECT_EQ(errnum(404, ""), ENOENT);
  EXPECT_EQ(errnum(403, "Whatever"), EACCES);
  EXPECT_EQ(errnum(401, ""), EACCES);
  EXPECT_EQ(errnum(412, ""), ESTALE);
  EXPECT_EQ(errnum(503, ""), EIO);
  EXPECT_EQ(errnum(599, ""), EIO);
  EXPECT_EQ(errnum(0, ""), EIO);
}

TEST(Errno, OfARetainedObjectIsEpermWhateverTheCode) {
  EXPECT_EQ(errnum(451, ""), EPERM);
  EXPECT_EQ(errnum(451, "AccessDenied"), EPERM);
}

TEST(Retry, IsForTroubleOfTheMoment) {
  for (const int status : {429, 500, 502, 503, 504, 509}) EXPECT_TRUE(may_pass({status, "", "", ""})) << status;
  EXPECT_TRUE(may_pass({400, "RequestTimeout", "", ""}));
  EXPECT_TRUE(may_pass({400, "BadDigest", "", ""}));
  EXPECT_TRUE(may_pass({409, "OperationAborted", "", ""}));
  for (const int status : {400, 403, 404, 409, 411, 412, 416, 451, 501, 507})
    EXPECT_FALSE(may_pass({status, "", "", ""})) << status;
}

}  // namespace
}  // namespace pail::cos
