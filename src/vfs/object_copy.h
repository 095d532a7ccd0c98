// Copies objects within the bucket, of any size.
#pragma once

#include <atomic>
#include <optional>
#include <string>

#include "cos/object_store.h"
#include "pailfs/base/stop.h"
#include "vfs/upload_notes.h"

namespace pail::vfs {

struct ObjectCopy {
  std::string from, to;
  cos::ETag etag;                               // the version that is copied
  ByteCount size;                               // of it
  std::optional<cos::ObjectHeaders> headers{};  // of the copy; none: those of the object
};

// Whether an object that was made by a copy has the bytes of the version that was to be copied.
enum class CopiedBytes { unknown, proven_same };

struct MadeCopy {
  cos::CopyResult object;
  CopiedBytes bytes = CopiedBytes::unknown;
};

// The bytes are proven by an equal ETag, or by a store that keeps to the condition on the version. Whether it does is
// found out once: the first copy of an object that was stored in parts, and so gets another ETag, is sent first under
// a condition that nobody can meet. Thread-safe.
class ObjectCopies {
 public:
  // Both must outlive it.
  ObjectCopies(cos::ObjectStore& store, UploadNotes& notes) : store_(store), notes_(notes) {}

  // Errors: what the store says, Fault::precondition when the version is not there any more.
  Result<MadeCopy> make(const ObjectCopy& copy, const StopToken& stop);

 private:
  enum class Condition { unknown, counts, ignored };

  Result<MadeCopy> make_by_proof(const ObjectCopy& copy, const StopToken& stop);

  cos::ObjectStore& store_;
  UploadNotes& notes_;
  std::atomic<Condition> condition_ = Condition::unknown;
};

}  // namespace pail::vfs
