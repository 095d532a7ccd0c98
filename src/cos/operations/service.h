// What is asked of the service as a whole.
#pragma once

#include <string>

#include "cos/operations/operation.h"

namespace pail::cos::op {

struct ListBuckets {
  using Value = BucketsPage;
  Result<Call> call(Service& service) const;
  Result<BucketsPage> read(Answer answer) const;
};

// With locations and pages (IBM only).
struct ListBucketsExtended {
  std::string prefix, marker;  // may be empty

  using Value = BucketsPage;
  Result<Call> call(Service& service) const;
  Result<BucketsPage> read(Answer answer) const;
};

// Bills what a call makes to the service instance of the credentials.
void add_instance_id(Service& service, Call& call);

}  // namespace pail::cos::op
