// Whole objects, and what HEAD says of them.
#pragma once

#include <optional>
#include <string>

#include "cos/operations/operation.h"

namespace pail::cos::op {

struct HeadObject {
  std::string bucket, key;

  using Value = ObjectInfo;
};
// A 404 without a word of what is missing is looked into: no_key is proven.
void start(Service& service, HeadObject operation, CallContext context, Completion<ObjectInfo> then);

struct GetObject {
  std::string bucket, key;
  ByteCount limit;

  using Value = std::string;
  Result<Call> call(Service& service) const;
  Result<std::string> read(Answer answer) const;
};

// The MD5 of a body without one is computed inside of start(), not on a network thread.
struct PutObject {
  std::string bucket;
  PutRequest request;

  using Value = PutResult;
};
// Looks at the object when an attempt without answer may have made the conditions fail.
void start(Service& service, PutObject operation, CallContext context, Completion<PutResult> then);

// What a lost answer left in doubt: is the object now the one that was to be written? Otherwise the
// outcome is `failure`, with that sentence.
struct OwnWrite {
  std::string bucket, key;
  ETag expected;
  ObjectHeaders headers;
  Error failure;
};
void find_own_write(Service& service, OwnWrite write, CallContext context, Completion<PutResult> then);

// A body with the MD5 that the wire and the server are checked against.
struct CheckedBody {
  std::string content_md5;  // base64
  std::string hex;          // of the same digest
};
// Reads the body once when `given` (base64) is empty. Errors: EINVAL `given` is no MD5; what the
// body's read returns.
Result<CheckedBody> check_body(http::BodySource* body, std::string_view given);

// Errors: EIO the store kept other bytes than were sent, as far as its ETag tells.
Result<Unit> compare_etag(const http::Headers& headers, const CheckedBody& body);

}  // namespace pail::cos::op
