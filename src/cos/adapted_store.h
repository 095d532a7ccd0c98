// An ObjectStore that asks of a store only what it can, so that its callers need not know.
//
// A write under Preconditions (put_object, create_upload, complete_upload) holds them as far as the
// store does: by its own conditions, or, where those are proven missing, by a look at the object
// just before it; a change between the two is then lost. Which of the two it is shows from proof,
// learnt once (Dialect):
//
// - A PUT that makes an object, or replaces one by at most kLargestRepeated bytes, is sent once more
//   when it succeeded, so that it must be refused, before the answer is given. If-None-Match: * is
//   missing when two repetitions succeed, for two keys: they do also where others remove the object.
// - A larger PUT that replaces an object is sent first under a condition that must fail. Where it
//   succeeds all the same, it is what was to be stored.
// - So is the end of an upload.
// - So is its begin. Where it is begun all the same, that is the upload.
// - The store's own word that it lacks a header counts when the same write without it succeeds.
//
// Each of these proofs is one attempt (Effort::once); one without a clear answer proves nothing, and
// the write goes on. As long as an ability is not known, the object is looked at before a PUT or the
// end of an upload, whose conditions are sent all the same. What a lost proof may have done shows in
// Error::may_have_happened of the write's own refusal.
//
// Copies of a version are those of version_copy.h.
//
// A refused condition is Fault::precondition, ESTALE, also where the key is gone. Copies of
// directory markers (empty objects under "name/") that the store refuses are written anew.
//
// Thread-safe. Destruction waits until all completions have been called: never inside of one.
#pragma once

#include <memory>

#include "cos/dialect.h"
#include "cos/object_store.h"

namespace pail::cos {

inline constexpr ByteCount kLargestRepeated = 64_KiB;

std::shared_ptr<ObjectStore> adapt(std::shared_ptr<ObjectStore> store, std::shared_ptr<Dialect> dialect);

}  // namespace pail::cos
