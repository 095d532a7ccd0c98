#include "fake_store/bucket.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/checksum.h"
#include "base/encoding.h"
#include "cos/errors.h"
#include "cos/wire.h"

namespace pail::fake {
namespace {

std::string text(std::string_view method, std::string_view key) {
  return fmt::format("{} {}", method, cos::readable(key));
}

std::string hex_of(std::string_view raw) {
  return to_hex(bytes_of(raw));
}

cos::ETag etag_of(const std::string& md5) {
  return {'"' + hex_of(md5) + '"'};
}

Result<Content> read(http::BodySource* body) {
  std::string bytes(body == nullptr ? 0 : body->size().n, '\0');
  for (std::size_t at = 0; at < bytes.size();) {
    PAIL_TRY(const std::size_t got,
             body->read_at({at}, std::as_writable_bytes(std::span(bytes).subspan(at))));
    if (got == 0) return Error{EIO, "the body ended before its size"};
    at += got;
  }
  return Content(std::move(bytes));
}

// Where a page ended: at a key, or behind all keys of a common prefix.
constexpr char kKey = 'k', kPrefix = 'p';

}  // namespace

// ---- what a request may meet ----

Error Bucket::refusal(const std::string& what, int status, std::string code) const {
  last_refusal_ = {status, code};
  cos::ServerError error;
  error.status = status;
  error.code = std::move(code);
  error.has_store_code = true;
  return cos::to_error(what, error);
}

Result<Unit> Bucket::check_digest(const std::string& what, const std::string& md5,
                                  const std::string& declared) const {
  if (declared.empty() || declared == to_base64(bytes_of(md5))) return Unit{};
  return refusal(what, 400, "BadDigest");
}

Result<Unit> Bucket::usable(const std::string& what, const std::string& key) const {
  PAIL_CHECK(cos::check_key(key));
  if (!rules.bucket_exists) return refusal(what, 404, "NoSuchBucket");
  return Unit{};
}

Result<const Bucket::Object*> Bucket::find(const std::string& what, const std::string& key) const {
  PAIL_CHECK(usable(what, key));
  const auto found = objects_.find(key);
  if (found == objects_.end()) return refusal(what, 404, "NoSuchKey");
  return &found->second;
}

Result<const Bucket::Object*> Bucket::source(const std::string& what,
                                             const cos::CopyRequest& request) const {
  PAIL_CHECK(usable(what, request.key));
  if (!request.source_bucket.empty()) return refusal(what, 404, "NoSuchBucket");
  PAIL_TRY(const Object* object, find(what, request.source_key));
  const bool checks = rules.copy_conditions != Support::ignored && !request.source_if_match.empty();
  if (checks && request.source_if_match != object->etag)
    return refusal(what, 412, "PreconditionFailed");
  return object;
}

Result<Unit> Bucket::check(const std::string& what, Support support,
                           const cos::Preconditions& conditions, const std::string& key) const {
  const bool any =
      !conditions.if_match.empty() || !conditions.if_none_match.empty() || conditions.if_absent;
  if (!any || support == Support::ignored) return Unit{};
  if (support == Support::refused) return refusal(what, 501, "NotImplemented");
  const auto found = objects_.find(key);
  const bool there = found != objects_.end();
  const bool holds =
      (conditions.if_match.empty() || (there && found->second.etag == conditions.if_match)) &&
      (conditions.if_none_match.empty() || !there ||
       found->second.etag != conditions.if_none_match) &&
      !(conditions.if_absent && there);
  if (holds) return Unit{};
  const bool no_key = rules.no_key_to_match && !there;
  return no_key ? refusal(what, 404, "NoSuchKey") : refusal(what, 412, "PreconditionFailed");
}

cos::ObjectInfo Bucket::info_of(const Object& object) {
  return {object.content.size(), object.etag, object.modified, object.headers, "", "", ""};
}

// ---- reading ----

Result<cos::ListPage> Bucket::list(const cos::ListRequest& request) const {
  const std::string what = text("LIST", request.prefix);
  if (!rules.bucket_exists) return refusal(what, 404, "NoSuchBucket");
  if (request.max_keys < 1 || request.max_keys > 1000) return refusal(what, 400, "InvalidArgument");
  auto next = objects_.lower_bound(request.prefix);
  const auto skip = [&](std::string_view prefix) {
    while (next != objects_.end() && next->first.starts_with(prefix)) ++next;
  };
  const auto go_to = [&](auto position) {
    if (next != objects_.end() && (position == objects_.end() || next->first < position->first))
      next = position;
  };
  if (!request.continuation.empty()) {
    const std::string last = request.continuation.substr(1);
    go_to(objects_.upper_bound(last));
    if (request.continuation.front() == kPrefix) skip(last);
  } else if (!request.start_after.empty()) {
    go_to(objects_.upper_bound(request.start_after));
  }
  cos::ListPage page;
  std::string last;
  const auto more = [&] {
    return next != objects_.end() && next->first.starts_with(request.prefix);
  };
  for (unsigned room = std::min(request.max_keys, rules.page); more() && room > 0; --room) {
    const auto& [key, object] = *next;
    const auto cut = request.delimiter.empty() ? std::string::npos
                                               : key.find(request.delimiter, request.prefix.size());
    if (cut == std::string::npos) {
      page.objects.push_back(
          {key, object.content.size(), object.etag, object.modified, "STANDARD"});
      last = kKey + key;
      ++next;
    } else {
      page.common_prefixes.push_back(key.substr(0, cut + request.delimiter.size()));
      last = kPrefix + page.common_prefixes.back();
      skip(page.common_prefixes.back());
    }
  }
  if (more()) page.continuation = last;
  return page;
}

Result<cos::ObjectInfo> Bucket::head(const std::string& key) const {
  PAIL_TRY(const Object* object, find(text("HEAD", key), key));
  return info_of(*object);
}

Result<Found> Bucket::get(const std::string& key) const {
  PAIL_TRY(const Object* object, find(text("GET", key), key));
  return Found{info_of(*object), object->content};
}

Result<Found> Bucket::get_range(const cos::GetRequest& request) const {
  const std::string what = text("GET", request.key);
  if (request.range.empty()) return Error{EINVAL, what + ": the range is empty"};
  PAIL_TRY(const Object* object, find(what, request.key));
  if (!request.if_match.empty() && request.if_match != object->etag)
    return refusal(what, 412, "PreconditionFailed");
  const ByteOffset end{std::min(request.range.end.n, object->content.size().n)};
  if (request.range.begin >= end) return refusal(what, 416, "InvalidRange");
  return Found{info_of(*object), object->content.slice({request.range.begin, end})};
}

// ---- writing ----

void Bucket::replace(const std::string& key, Object object) {
  const std::optional<Found> before = changed ? look(key) : std::nullopt;
  objects_[key] = std::move(object);
  if (changed) changed({key, before, look(key)});
}

void Bucket::erase(const std::string& key) {
  const std::optional<Found> before = look(key);
  objects_.erase(key);
  if (before && changed) changed({key, before, std::nullopt});
}

void Bucket::write(const std::string& key, Content content, cos::ObjectHeaders headers) {
  cos::ETag etag =
      rules.encrypts ? cos::ETag{fmt::format("\"{:032x}\"", ++encrypted_)} : etag_of(content.md5());
  replace(key, {std::move(content), std::move(etag), second(), std::move(headers)});
}

Result<cos::PutResult> Bucket::put(const cos::PutRequest& request) {
  const std::string what = text("PUT", request.key);
  PAIL_CHECK(usable(what, request.key));
  if (request.body && request.body->size() > rules.max_put)
    return refusal(what, 400, "EntityTooLarge");
  PAIL_TRY(Content content, read(request.body.get()));
  PAIL_CHECK(check_digest(what, content.md5(), request.content_md5));
  PAIL_CHECK(check(what, rules.put_conditions, request.conditions, request.key));
  write(request.key, std::move(content), request.headers);
  return cos::PutResult{objects_[request.key].etag, "", second()};
}

Result<cos::CopyResult> Bucket::copy(const cos::CopyRequest& request) {
  const std::string what = text("COPY", request.key);
  PAIL_TRY(const Object* from, source(what, request));
  const bool replace = request.directive == cos::MetadataDirective::replace;
  const bool in_vain = !replace && request.source_key == request.key;
  const bool marker = request.key.ends_with('/') && !rules.copies_markers;
  if (in_vain || marker || from->content.size() > rules.max_copy)
    return refusal(what, 400, "InvalidRequest");
  PAIL_CHECK(check(what, rules.copy_conditions, request.conditions, request.key));
  Content content = from->content;
  write(request.key, std::move(content), replace ? request.headers : from->headers);
  const auto copied =
      request.source_if_match.empty() ? cos::CopiedVersion::unknown : cos::CopiedVersion::asked_for;
  return cos::CopyResult{objects_[request.key].etag, second(), copied};
}

Result<Unit> Bucket::remove(const std::string& key) {
  PAIL_CHECK(usable(text("DELETE", key), key));
  erase(key);
  return Unit{};
}

// ---- in parts ----

Result<cos::UploadId> Bucket::create_upload(const std::string& key, cos::ObjectHeaders headers,
                                            cos::Preconditions conditions) {
  const std::string what = text("POST", key);
  PAIL_CHECK(usable(what, key));
  PAIL_CHECK(check(what, rules.create_conditions, conditions, key));
  cos::UploadId id{fmt::format("{:016x}{:016x}", random_(), random_())};
  uploads_[id.text] = {key, std::move(headers), std::move(conditions), {}};
  return id;
}

Result<Bucket::Upload*> Bucket::find_upload(const std::string& what, const std::string& key,
                                            const cos::UploadId& id) {
  PAIL_CHECK(usable(what, key));
  const auto found = uploads_.find(id.text);
  if (found == uploads_.end() || found->second.key != key)
    return refusal(what, 404, "NoSuchUpload");
  return &found->second;
}

Result<Unit> Bucket::check_part(const std::string& what, unsigned number, ByteCount size) const {
  if (number < 1 || number > cos::kMaxParts) return refusal(what, 400, "InvalidArgument");
  if (size > rules.max_part) return refusal(what, 400, "EntityTooLarge");
  return Unit{};
}

cos::CompletedPart Bucket::store(Upload& upload, unsigned number, Content content) {
  std::string md5 = content.md5();
  const cos::ETag etag = etag_of(md5);
  upload.parts[number] = {std::move(content), std::move(md5), etag};
  return {number, etag};
}

Result<cos::CompletedPart> Bucket::upload_part(const cos::UploadPart& part) {
  const std::string what = text("PUT", part.key) + fmt::format(" (part {})", part.number);
  PAIL_TRY(Upload * upload, find_upload(what, part.key, part.upload));
  PAIL_CHECK(check_part(what, part.number, part.body ? part.body->size() : ByteCount{}));
  PAIL_TRY(Content content, read(part.body.get()));
  PAIL_CHECK(check_digest(what, content.md5(), part.content_md5));
  return store(*upload, part.number, std::move(content));
}

Result<cos::CompletedPart> Bucket::upload_part_copy(const cos::UploadPartCopy& part) {
  const std::string what = text("PUT", part.key) + fmt::format(" (copy of part {})", part.number);
  PAIL_TRY(Upload * upload, find_upload(what, part.key, part.upload));
  PAIL_CHECK(check_part(what, part.number, part.range.size()));
  cos::CopyRequest copy = part.source;
  copy.key = part.key;
  PAIL_TRY(const Object* from, source(what, copy));
  if (part.range.empty() || part.range.end.n > from->content.size().n)
    return refusal(what, 400, "InvalidArgument");
  return store(*upload, part.number, from->content.slice(part.range));
}

// The parts that make the object.
Result<std::vector<const Bucket::Part*>> Bucket::chosen(const std::string& what,
                                                        const Upload& upload,
                                                        const cos::CompleteUpload& complete) const {
  std::vector<const Part*> parts;
  unsigned last = 0;
  for (const cos::CompletedPart& wanted : complete.parts) {
    const auto found = upload.parts.find(wanted.number);
    if (wanted.number <= last) return refusal(what, 400, "InvalidPartOrder");
    if (found == upload.parts.end() || found->second.etag != wanted.etag)
      return refusal(what, 400, "InvalidPart");
    if (!parts.empty() && parts.back()->content.size() < rules.min_part)
      return refusal(what, 400, "EntityTooSmall");
    parts.push_back(&found->second);
    last = wanted.number;
  }
  if (parts.empty()) return refusal(what, 400, "InvalidRequest");
  return parts;
}

Result<cos::PutResult> Bucket::complete_upload(const cos::CompleteUpload& complete) {
  const std::string what = text("POST", complete.key) + " (complete upload)";
  PAIL_TRY(Upload * upload, find_upload(what, complete.key, complete.upload));
  PAIL_TRY(const std::vector<const Part*> parts, chosen(what, *upload, complete));
  auto holds = check(what, rules.create_conditions, upload->conditions, complete.key);
  if (holds) holds = check(what, rules.complete_conditions, complete.conditions, complete.key);
  if (!holds && rules.ends_refused_uploads) uploads_.erase(complete.upload.text);
  if (!holds) return holds.error();
  Content content;
  Digest digest(DigestKind::md5);
  for (const Part* part : parts) {
    content.append(part->content);
    digest.update(bytes_of(part->md5));
  }
  const cos::ETag etag{fmt::format("\"{}-{}\"", hex_of(digest.result()), parts.size())};
  Object object{std::move(content), etag, second(), std::move(upload->headers)};
  uploads_.erase(complete.upload.text);
  replace(complete.key, std::move(object));
  return cos::PutResult{etag, "", second()};
}

Result<Unit> Bucket::abort_upload(const std::string& key, const cos::UploadId& id) {
  PAIL_CHECK(usable(text("DELETE", key), key));
  const auto found = uploads_.find(id.text);
  if (found != uploads_.end() && found->second.key == key) uploads_.erase(found);
  return Unit{};
}

// ---- without a request ----

bool Bucket::write_again(const std::string& from, const std::string& to) {
  const auto found = objects_.find(from);
  if (found == objects_.end()) return false;
  const Object object = found->second;
  write(to, object.content, object.headers);
  return true;
}

std::optional<Found> Bucket::look(const std::string& key) const {
  const auto found = objects_.find(key);
  if (found == objects_.end()) return std::nullopt;
  return Found{info_of(found->second), found->second.content};
}

bool Bucket::has_upload(const std::string& key, const cos::UploadId& id) const {
  const auto found = uploads_.find(id.text);
  return found != uploads_.end() && found->second.key == key;
}

std::vector<std::string> Bucket::keys() const {
  std::vector<std::string> keys;
  for (const auto& [key, object] : objects_) keys.push_back(key);
  return keys;
}

}  // namespace pail::fake
