// Copies objects within the bucket, of any size.
#pragma once

#include <optional>
#include <string>

#include "cos/object_store.h"
#include "pailfs/base/stop.h"
#include "vfs/upload_aborts.h"
#include "vfs/upload_notes.h"

namespace pail::vfs {

struct ObjectCopy {
  std::string from, to;
  cos::ETag etag;                               // the version that is copied
  ByteCount size;                               // of it
  std::optional<cos::ObjectHeaders> headers{};  // of the copy; none: those of the object
};

// What copies hold. same: what was known of their originals. in_doubt: it may be of others.
enum class Contents { same, in_doubt };

struct MadeCopy {
  ObjectCopy of;
  cos::CopyResult object;
  bool has_same_bytes() const { return object.etag == of.etag || object.version == cos::CopiedVersion::asked_for; }
  // A store that ignores the version asked for has copied what lay there: nothing that was known of it, not even the
  // size, needs to be true of the copy. What is copied in parts, above 5 GiB, is looked at before it is put together.
  Contents contents() const {
    return has_same_bytes() || of.size > cos::kMaxSinglePut ? Contents::same : Contents::in_doubt;
  }
};

// The version of what was copied in parts is unknown.
// Errors: what the store says, Fault::precondition when the version is not there any more.
Result<cos::CopyResult> copy_object(cos::ObjectStore& store, UploadNotes& notes, UploadAborts& aborts,
                                    const ObjectCopy& copy, const StopToken& stop);

}  // namespace pail::vfs
