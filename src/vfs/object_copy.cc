#include "vfs/object_copy.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/log.h"
#include "pailfs/cos/fault.h"

namespace pail::vfs {
namespace {

constexpr ByteCount kPart{1ull << 30};

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

// A store that ignores the version asked for may have copied parts of several.
Result<Unit> check_still_there(cos::ObjectStore& store, const ObjectCopy& copy, const StopToken& stop) {
  PAIL_TRY(const cos::ObjectInfo info, store.head_object(copy.from, stop));
  if (info.etag == copy.etag) return Unit{};
  return Error{ESTALE, fmt::format("{}: was changed while it was copied", quote(copy.from)), Fault::precondition};
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
  PAIL_CHECK(check_still_there(store, copy, stop));
  return store.complete_upload({copy.to, id, parts, {}}, stop);
}

// Parts do not carry the headers of the object along.
Result<cos::ObjectHeaders> headers_for_parts(cos::ObjectStore& store, const ObjectCopy& copy, const StopToken& stop) {
  if (copy.headers) return *copy.headers;
  PAIL_TRY(cos::ObjectInfo info, store.head_object(copy.from, stop));
  return std::move(info.headers);
}

Result<cos::CopyResult> copy_in_parts(cos::ObjectStore& store, UploadNotes& notes, UploadAborts& aborts,
                                      const ObjectCopy& copy, const StopToken& stop) {
  PAIL_TRY(const cos::ObjectHeaders headers, headers_for_parts(store, copy, stop));
  PAIL_TRY(const cos::UploadId id, aborts.begin_upload(0, copy.to, headers, {}, stop));
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

Result<cos::CopyResult> copy_object(cos::ObjectStore& store, UploadNotes& notes, UploadAborts& aborts,
                                    const ObjectCopy& copy, const StopToken& stop) {
  if (copy.size > cos::kMaxSinglePut) return copy_in_parts(store, notes, aborts, copy, stop);
  return store.copy_object(request_of(copy), stop);
}

}  // namespace pail::vfs
