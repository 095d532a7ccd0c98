// Listings of the objects of a bucket.
#pragma once

#include <string>

#include "cos/operations/operation.h"

namespace pail::cos::op {

struct ListObjects {
  std::string bucket;
  ListRequest request;

  using Value = ListPage;
};
// By version 2 of the protocol; by version 1 where the store is proven not to know it.
void start(Service& service, ListObjects operation, CallContext context, Completion<ListPage> then);

}  // namespace pail::cos::op
