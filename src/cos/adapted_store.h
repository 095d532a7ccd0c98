// An ObjectStore that asks of a store only what it can, so that its callers need not know.
//
// A write under Preconditions (put_object, create_upload, complete_upload) holds them as far as the
// store does: by its own conditions, or, where those are proven missing, by a look at the object
// just before it; a change between the two is then lost. Which of the two it is shows from proof,
// learnt once (Dialect):
//
// - A PUT of at most kLargestProof bytes that succeeded is sent once more, so that it must be
//   refused: in one attempt, before the answer is given.
// - The begin of an upload is sent first under a condition that must fail. Where it is begun all the
//   same, that is the upload.
// - So is its end, after a look at the object. Where it is completed all the same, it is what was to
//   be stored.
// - The store's own word that it lacks a header counts when the same write without it succeeds.
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

inline constexpr ByteCount kLargestProof = 64_KiB;

std::shared_ptr<ObjectStore> adapt(std::shared_ptr<ObjectStore> store, std::shared_ptr<Dialect> dialect);

}  // namespace pail::cos
