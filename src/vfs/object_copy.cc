#include "vfs/object_copy.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/log.h"

namespace pail::vfs {
namespace {

constexpr ByteCount kPart{1ull << 30};
// Of a content that nobody knows: no object has it.
constexpr std::string_view kNobodysETag = "\"00000000000000000000000000000000\"";

cos::CopyRequest request_of(const ObjectCopy& copy) {
  const auto directive = copy.headers ? cos::MetadataDirective::replace : cos::MetadataDirective::copy;
  return {.source_bucket = {},
          .source_key = copy.from,
          .key = copy.to,
          .directive = directive,
          .headers = copy.headers.value_or(cos::ObjectHeaders{}),
          .source_if_match = copy.etag,
          .conditions = {}};
}

Result<cos::PutResult> copy_parts(cos::ObjectStore& store, const ObjectCopy& copy, const cos::UploadId& id,
                                  const StopToken& stop) {
  const cos::CopyRequest request = request_of(copy);
  const ByteCount part_size{std::max(kPart.n, (copy.size.n + cos::kMaxParts - 1) / cos::kMaxParts)};
  std::vector<cos::CompletedPart> parts;
  for (ByteOffset at{}; at.n < copy.size.n; at = at + part_size) {
    const Extent range{at, {std::min(at.n + part_size.n, copy.size.n)}};
    const auto number = static_cast<unsigned>(parts.size() + 1);
    PAIL_TRY(cos::CompletedPart part, store.upload_part_copy({copy.to, id, number, request, range}, stop));
    parts.push_back(std::move(part));
  }
  return store.complete_upload({copy.to, id, parts, {}}, stop);
}

// Parts do not carry the headers of the object along.
Result<cos::ObjectHeaders> headers_for_parts(cos::ObjectStore& store, const ObjectCopy& copy, const StopToken& stop) {
  if (copy.headers) return *copy.headers;
  PAIL_TRY(cos::ObjectInfo info, store.head_object(copy.from, stop));
  return std::move(info.headers);
}

Result<cos::CopyResult> copy_in_parts(cos::ObjectStore& store, UploadNotes& notes, const ObjectCopy& copy,
                                      const StopToken& stop) {
  PAIL_TRY(const cos::ObjectHeaders headers, headers_for_parts(store, copy, stop));
  PAIL_TRY(const cos::UploadId id, store.create_upload(copy.to, headers, {}, stop));
  notes.begun(0, copy.to, id);
  const auto copied = copy_parts(store, copy, id, stop);
  if (copied) notes.ended(id);
  if (copied) return cos::CopyResult{copied->etag, {}};
  const auto aborted = store.abort_upload(copy.to, id);
  if (aborted) notes.ended(id);
  if (!aborted)
    spdlog::warn("an unfinished copy stays in the bucket until the next mount: {}", aborted.error().context);
  return copied.error();
}

}  // namespace

Result<MadeCopy> ObjectCopies::make(const ObjectCopy& copy, const StopToken& stop) {
  if (copy.size > cos::kMaxSinglePut) {
    PAIL_TRY(auto object, copy_in_parts(store_, notes_, copy, stop));
    return MadeCopy{std::move(object), CopiedBytes::unknown};
  }
  const bool was_in_parts = copy.etag.text.find('-') != std::string::npos;
  if (was_in_parts && condition_ == Condition::unknown) return make_by_proof(copy, stop);
  const bool counts = condition_ == Condition::counts;
  PAIL_TRY(auto object, store_.copy_object(request_of(copy), stop));
  const bool same = counts || object.etag == copy.etag;
  return MadeCopy{std::move(object), same ? CopiedBytes::proven_same : CopiedBytes::unknown};
}

// Where the condition is ignored, what was sent for the proof is the copy; any failure but the proof is that of the
// copy.
Result<MadeCopy> ObjectCopies::make_by_proof(const ObjectCopy& copy, const StopToken& stop) {
  cos::CopyRequest proof = request_of(copy);
  proof.source_if_match = {std::string(kNobodysETag)};
  auto made = store_.copy_object(std::move(proof), stop);
  if (made) {
    condition_ = Condition::ignored;
    return MadeCopy{*std::move(made), CopiedBytes::unknown};
  }
  if (made.error().fault != Fault::precondition) return made.error();
  condition_ = Condition::counts;
  return make(copy, stop);
}

}  // namespace pail::vfs
