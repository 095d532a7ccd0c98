// Deletes of one key and of many.
#pragma once

#include <string>
#include <vector>

#include "cos/operations/operation.h"

namespace pail::cos::op {

struct DeleteObject {
  std::string bucket, key;

  using Value = Unit;
  Result<Call> call(Service& service) const;
  Result<Unit> read(Answer answer) const;
};

struct DeleteObjects {
  std::string bucket;
  std::vector<std::string> keys;

  using Value = std::vector<DeleteRefusal>;
};
// Keys that parsers of other servers would damage are deleted one by one, the others together.
void start(Service& service, DeleteObjects operation, CallContext context, Completion<std::vector<DeleteRefusal>> then);

}  // namespace pail::cos::op
