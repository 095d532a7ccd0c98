#include "vfs/old_objects.h"

#include <fmt/format.h>

#include "base/log.h"
#include "pailfs/cos/fault.h"
#include "vfs/tree.h"

namespace pail::vfs {

namespace {

constexpr int kPasses = 3;  // over what is left, when the store refused some

enum class What { objects, copies, copies_but_marker };

// One pass over the old objects, or over the copies.
class Pass {
 public:
  Pass(cos::Client& store, const std::string& bucket, RenameJobReader reader, What what, const std::stop_token& stop)
      : store_(store),
        bucket_(bucket),
        what_(what),
        directory_(what == What::objects ? reader.keys().from : reader.keys().to),
        copied_(std::move(reader)),
        stop_(stop) {}

  Result<OldObjectsLeft> run() {
    if (what_ == What::objects) PAIL_CHECK(delete_markers());
    const std::string prefix = directory_ + "/";
    for (std::string after;;) {
      // Each page is listed anew: the listing that decides is never older than one delete.
      PAIL_TRY(const cos::ListPage page, store_.list_objects(bucket_, {.prefix = prefix, .start_after = after}, stop_));
      PAIL_CHECK(delete_page(page));
      if (page.continuation.empty() || page.objects.empty()) return std::move(left_);
      after = page.objects.back().key;
    }
  }

 private:
  // Markers beside the directory stand before everything in it.
  Result<Unit> delete_markers() {
    for (;; copied_.advance()) {
      PAIL_TRY(const CopiedObject* marker, copied_.get());
      if (marker == nullptr || marker->below.starts_with('/')) return Unit{};
      const std::string key = directory_ + marker->below;
      PAIL_TRY(const auto object, listed_object(store_, bucket_, key, stop_));
      if (!object) continue;
      if (!same_version(*object, *marker)) {
        left_.others = true;
      } else if (auto deleted = store_.delete_object(bucket_, key, stop_); !deleted) {
        refused(key, deleted.error());
      }
    }
  }

  Result<Unit> delete_page(const cos::ListPage& page) {
    std::vector<std::string> ours;
    for (const cos::ListedObject& object : page.objects) {
      PAIL_TRY(const bool copied, was_copied(object));
      if (copied) {
        ours.push_back(object.key);
      } else {
        left_.others = true;
      }
    }
    if (ours.empty()) return Unit{};
    PAIL_TRY(const auto refusals, store_.delete_objects(bucket_, ours, stop_));
    for (const cos::DeleteRefusal& refusal : refusals)
      if (refusal.code != "NoSuchKey") refused(refusal.key, reason(refusal));
    return Unit{};
  }

  // Listing and job are in the order of their keys: both are gone through once.
  Result<bool> was_copied(const cos::ListedObject& object) {
    const std::string_view below = std::string_view(object.key).substr(directory_.size());
    for (;; copied_.advance()) {
      PAIL_TRY(const CopiedObject* copied, copied_.get());
      if (copied == nullptr || copied->below > below) return false;
      if (copied->below == below) return same_version(object, *copied);
    }
  }

  bool same_version(const cos::ListedObject& now, const CopiedObject& then) const {
    if (now.size != then.size) return false;
    if (what_ == What::objects) return now.etag == then.etag && now.last_modified == then.modified;
    if (what_ == What::copies_but_marker && then.below == "/") return false;
    return now.etag == then.copy && now.last_modified == then.copied && then.copied != WallTime{};
  }

  static Error reason(const cos::DeleteRefusal& refusal) {
    std::string text = fmt::format("{} {}", quote(refusal.code), quote(refusal.message));
    if (refusal.code == "AccessDenied") return {EACCES, std::move(text), Fault::denied};
    return {EIO, std::move(text), Fault::trouble};
  }

  void refused(const std::string& key, const Error& why) {
    if (!left_.ours) left_.ours = Error{why.errnum, fmt::format("{}: {}", quote(key), why.context), why.fault};
  }

  cos::Client& store_;
  const std::string& bucket_;
  const What what_;
  const std::string directory_;
  RenameJobCursor copied_;
  const std::stop_token& stop_;
  OldObjectsLeft left_;
};

}  // namespace

OldObjectsLeft delete_old_objects(cos::Client& store, const std::string& bucket, const std::filesystem::path& job,
                                  const std::stop_token& stop) {
  OldObjectsLeft left;
  for (int pass = 0; pass < kPasses; ++pass) {
    auto reader = RenameJobReader::open(job);
    if (!reader) return {.others = true, .ours = reader.error()};
    auto outcome = Pass(store, bucket, std::move(*reader), What::objects, stop).run();
    if (!outcome) return {.others = true, .ours = outcome.error()};  // repeated by the client for as long as it may
    left = std::move(*outcome);
    if (!left.ours || left.ours->fault == Fault::denied) break;
  }
  return left;
}

OldObjectsLeft delete_copies(cos::Client& store, const std::string& bucket, const std::filesystem::path& job,
                             TargetMarker marker, const std::stop_token& stop) {
  auto reader = RenameJobReader::open(job);
  if (!reader) return {.others = true, .ours = reader.error()};
  const What what = marker == TargetMarker::keep ? What::copies_but_marker : What::copies;
  auto outcome = Pass(store, bucket, std::move(*reader), what, stop).run();
  if (!outcome) return {.others = true, .ours = outcome.error()};
  return std::move(*outcome);
}

Result<Unit> delete_folder_marker(cos::Client& store, const std::string& bucket, const std::string& directory,
                                  const std::stop_token& stop) {
  const std::string key = Tree::marker_key(directory + "/", cache::DirectoryForm::folder_marker);
  if (key.size() > cos::kMaxKeyBytes) return Unit{};
  auto deleted = store.delete_object(bucket, key, stop);
  if (deleted || deleted.error().errnum == EINTR) return deleted;
  // Stores over a local file system refuse names of more than 255 bytes, even to say that there is none.
  PAIL_TRY(const auto there, listed_object(store, bucket, key, stop));
  if (there) return deleted;
  return Unit{};
}

Result<std::optional<cos::ListedObject>> listed_object(cos::Client& store, const std::string& bucket,
                                                       const std::string& key, const std::stop_token& stop) {
  if (key.size() > cos::kMaxKeyBytes) return std::optional<cos::ListedObject>{};
  PAIL_TRY(cos::ListPage page, store.list_objects(bucket, {.prefix = key, .max_keys = 1}, stop));
  if (page.objects.empty() || page.objects.front().key != key) return std::optional<cos::ListedObject>{};
  return std::optional(std::move(page.objects.front()));
}

}  // namespace pail::vfs
