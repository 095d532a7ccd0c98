// A copy of an object in the version that the caller knows, on a store whose word on that is proven.
//
// Dialect::copy_source_match tells whether the store keeps to CopyRequest::source_if_match. It is learnt where the ETag
// of a copy says nothing of its bytes: of an object that was stored in parts before it is copied, of others when the
// copy has come back with another ETag, as on a store that encrypts. The copy is sent under a condition that nobody can
// meet. Where it is made all the same, that is the copy.
//
// On a store that does not keep to it the object is looked at when its copy is made: while it has the ETag asked for,
// and from before the second in which the copy was made, that is what was copied. A copy of an object onto itself
// leaves nothing to look at.
#pragma once

#include "cos/dialect.h"
#include "cos/object_store.h"

namespace pail::cos {

// `store` and `dialect` must stay until `then` was called.
struct CopyCall {
  ObjectStore& store;
  Dialect& dialect;
  CopyRequest request;
  CallContext context;
  Completion<CopyResult> then;
};

// CopyResult::version is `asked_for` only where one of the two says so. Errors: those of the copy.
void copy_version(CopyCall call);

}  // namespace pail::cos
