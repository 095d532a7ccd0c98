// Copies that the store makes by itself.
#pragma once

#include <string>

#include "cos/object_store.h"
#include "cos/operations/operation.h"

namespace pail::cos::op {

struct CopyObject {
  std::string bucket;
  CopyRequest request;

  using Value = CopyResult;
  Result<Call> call(Service& service) const;
};
// Looks at the object when an attempt without answer may have made the conditions fail.
void start(Service& service, CopyObject operation, CallContext context, Completion<CopyResult> then);

struct CopyPart {
  std::string bucket;
  UploadPartCopy part;

  using Value = CompletedPart;
  Result<Call> call(Service& service) const;
  Result<CompletedPart> read(Answer answer) const;
};

}  // namespace pail::cos::op
