// Multipart uploads.
#pragma once

#include <string>

#include "cos/object_store.h"
#include "cos/operations/operation.h"

namespace pail::cos::op {

struct CreateUpload {
  std::string bucket, key;
  ObjectHeaders headers;
  Preconditions conditions;

  using Value = UploadId;
  // An upload whose caller has left before the answer is aborted.
  Result<Call> call(Service& service) const;
  Result<UploadId> read(Answer answer) const;
};

struct UploadPart {
  std::string bucket;
  cos::UploadPart part;

  using Value = CompletedPart;
};
// The MD5 of a body without one is computed inside of this call, not on a network thread.
void start(Service& service, UploadPart operation, CallContext context, Completion<CompletedPart> then);

struct CompleteUpload {
  std::string bucket;
  cos::CompleteUpload upload;

  using Value = PutResult;
  Result<Call> call(Service& service) const;
};
// Looks at the object when an attempt without answer may have completed the upload, but for
// Effort::once: an equal object that was there before would be taken for it.
void start(Service& service, CompleteUpload operation, CallContext context, Completion<PutResult> then);

struct AbortUpload {
  std::string bucket, key;
  UploadId upload;

  using Value = Unit;
  Result<Call> call(Service& service) const;
  Result<Unit> read(Answer answer) const;
};

struct ListParts {
  std::string bucket, key;
  UploadId upload;
  unsigned after_part = 0;

  using Value = PartsPage;
  Result<Call> call(Service& service) const;
  Result<PartsPage> read(Answer answer) const;
};

struct ListUploads {
  std::string bucket, prefix, key_marker, upload_id_marker;

  using Value = UploadsPage;
  Result<Call> call(Service& service) const;
  Result<UploadsPage> read(Answer answer) const;
};

// Errors: EINVAL no number of a part; EFBIG.
Result<Unit> check_part(unsigned number, ByteCount size);
// The request that stores a part, without its bytes.
Call part_call(const std::string& bucket, const std::string& key, const UploadId& upload, unsigned number);

}  // namespace pail::cos::op
