// Buckets themselves.
#pragma once

#include <string>

#include "cos/operations/operation.h"

namespace pail::cos::op {

struct CreateBucket {
  std::string bucket;
  std::string location;  // provisioning code, empty for the endpoint's own

  using Value = Unit;
  Result<Call> call(Service& service) const;
};
// Looks at the bucket when an attempt without answer may have made it.
void start(Service& service, CreateBucket operation, CallContext context, Completion<Unit> then);

struct HeadBucket {
  std::string bucket;

  using Value = Unit;
  Result<Call> call(Service& service) const;
};
// Asks for a listing when the answer does not tell whether it is the bucket that is missing.
void start(Service& service, HeadBucket operation, CallContext context, Completion<Unit> then);

struct DeleteBucket {
  std::string bucket;

  using Value = Unit;
  Result<Call> call(Service& service) const;
  Result<Unit> read(Answer answer) const;
};

struct BucketLocation {
  std::string bucket;

  using Value = std::string;
  Result<Call> call(Service& service) const;
  Result<std::string> read(Answer answer) const;
};

}  // namespace pail::cos::op
