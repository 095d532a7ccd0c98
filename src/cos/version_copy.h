// A copy of an object in the version that the caller knows, on a store whose word on that is proven.
//
// Dialect::copy_source_match tells whether the store keeps to CopyRequest::source_if_match. It is learnt from a copy of
// an object that was stored in parts: there the ETag of the copy says nothing of its bytes. The copy is sent first
// under a condition that nobody can meet. Where it is made all the same, that is the copy.
#pragma once

#include "cos/dialect.h"
#include "cos/object_store.h"

namespace pail::cos {

// CopyResult::version is `asked_for` only where the store is proven to keep to the condition. `store` and `dialect`
// must stay until `then` was called. Errors: those of the copy.
void copy_version(ObjectStore& store, Dialect& dialect, CopyRequest request, CallContext context,
                  Completion<CopyResult> then);

}  // namespace pail::cos
