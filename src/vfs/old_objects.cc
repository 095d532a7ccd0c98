#include "vfs/old_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "base/log.h"
#include "cos/errors.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/fault.h"
#include "vfs/tree.h"

namespace pail::vfs {

namespace {

constexpr int kPasses = 3;  // over what is left, when the store refused some

enum class What { objects, copies, copies_but_marker };

// One pass over the old objects, or over the copies.
class Pass {
 public:
  Pass(cos::ObjectStore& store, RenameJobReader reader, What what, OtherSide other, const cos::CallContext& context)
      : store_(store),
        what_(what),
        other_(other),
        directory_(what == What::objects ? reader.keys().from : reader.keys().to),
        other_directory_(what == What::objects ? reader.keys().to : reader.keys().from),
        copied_(std::move(reader)),
        context_(context) {}

  Result<OldObjectsLeft> run() {
    if (what_ == What::objects) PAIL_CHECK(delete_markers());
    const std::string prefix = directory_ + "/";
    for (std::string after;;) {
      // Each page is listed anew: the listing that decides is never older than one delete.
      PAIL_TRY(const cos::ListPage page, store_.list_objects({.prefix = prefix, .start_after = after}, context_));
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
      PAIL_TRY(const auto object, listed_object(store_, key, context_));
      if (!object) continue;
      PAIL_TRY(const bool moved, other_directory_is_there());
      if (!moved || !same_version(*object, *marker)) {
        left_.others = true;
      } else if (auto deleted = store_.delete_object(key, context_); !deleted) {
        refused(key, deleted.error());
      }
    }
  }

  Result<Unit> delete_page(const cos::ListPage& page) {
    std::vector<std::string> ours, made;
    for (const cos::ListedObject& object : page.objects) {
      PAIL_TRY(const CopiedObject* copied, copied_as(object));
      if (copied == nullptr) {
        left_.others = true;
      } else {
        (copied->modified == WallTime{} ? made : ours).push_back(object.key);
      }
    }
    if (other_ == OtherSide::to_be_seen) PAIL_CHECK(leave_the_only_ones(ours));
    ours.insert(ours.end(), made.begin(), made.end());  // has no other side
    if (ours.empty()) return Unit{};
    PAIL_TRY(const auto refusals, store_.delete_objects(ours, context_));
    for (const cos::DeleteRefusal& refusal : refusals) refused(refusal.key, cos::to_error(refusal));
    return Unit{};
  }

  Result<bool> other_directory_is_there() {
    if (other_ == OtherSide::known) return true;
    PAIL_TRY(const cos::ListPage page,
             store_.list_objects({.prefix = other_directory_ + "/", .max_keys = 1}, context_));
    return !page.objects.empty();
  }

  // Of an object and its copy one stays. `keys` and the listing of the other side are in the same order.
  Result<Unit> leave_the_only_ones(std::vector<std::string>& keys) {
    if (keys.empty()) return Unit{};
    const auto other_of = [&](const std::string& key) { return other_directory_ + key.substr(directory_.size()); };
    const std::string last = other_of(keys.back());
    std::set<std::string> others;
    while (seen_ < last) {
      PAIL_TRY(const cos::ListPage page,
               store_.list_objects({.prefix = other_directory_ + "/", .start_after = seen_}, context_));
      for (const cos::ListedObject& object : page.objects) others.insert(object.key);
      seen_ = page.continuation.empty() || page.objects.empty() ? last : page.objects.back().key;
    }
    seen_ = last;
    const auto left = std::erase_if(keys, [&](const std::string& key) { return !others.contains(other_of(key)); });
    left_.others = left_.others || left > 0;
    return Unit{};
  }

  // Listing and job are in the order of their keys: both are gone through once.
  Result<const CopiedObject*> copied_as(const cos::ListedObject& object) {
    const std::string_view below = std::string_view(object.key).substr(directory_.size());
    for (;; copied_.advance()) {
      PAIL_TRY(const CopiedObject* copied, copied_.get());
      if (copied == nullptr) return nullptr;
      if (!copied->below.starts_with('/')) continue;  // a marker beside the directory, out of this order
      if (copied->below > below) return nullptr;
      if (copied->below == below) return same_version(object, *copied) ? copied : nullptr;
    }
  }

  bool same_version(const cos::ListedObject& now, const CopiedObject& then) const {
    if (now.size != then.size) return false;
    if (what_ == What::objects) return now.etag == then.etag && now.last_modified == then.modified;
    if (what_ == What::copies_but_marker && then.below == "/") return false;
    return now.etag == then.copy && now.last_modified == then.copied && then.copied != WallTime{};
  }

  void refused(const std::string& key, const Error& why) {
    if (!left_.ours) left_.ours = Error{why.errnum, fmt::format("{}: {}", quote(key), why.context), why.fault};
  }

  cos::ObjectStore& store_;
  const What what_;
  const OtherSide other_;
  const std::string directory_, other_directory_;
  std::string seen_;  // of the other side, up to here
  RenameJobCursor copied_;
  const cos::CallContext& context_;
  OldObjectsLeft left_;
};

}  // namespace

OldObjectsLeft delete_old_objects(cos::ObjectStore& store, const std::filesystem::path& job, OtherSide copies,
                                  const cos::CallContext& context) {
  OldObjectsLeft left;
  for (int pass = 0; pass < kPasses; ++pass) {
    auto reader = RenameJobReader::open(job);
    if (!reader) return {.others = true, .ours = reader.error()};
    auto outcome = Pass(store, std::move(*reader), What::objects, copies, context).run();
    if (!outcome) return {.others = true, .ours = outcome.error()};  // the client has asked as often as it may
    left = std::move(*outcome);
    if (!left.ours || no_access(left.ours->fault)) break;
  }
  return left;
}

OldObjectsLeft delete_copies(cos::ObjectStore& store, const std::filesystem::path& job, TargetMarker marker,
                             const cos::CallContext& context) {
  auto reader = RenameJobReader::open(job);
  if (!reader) return {.others = true, .ours = reader.error()};
  const What what = marker == TargetMarker::keep ? What::copies_but_marker : What::copies;
  auto outcome = Pass(store, std::move(*reader), what, OtherSide::to_be_seen, context).run();
  if (!outcome) return {.others = true, .ours = outcome.error()};
  return std::move(*outcome);
}

int errnum_of_leftover(const Error& why) {
  static constexpr auto kSaysSomethingElse =
      std::to_array({Fault::none, Fault::no_key, Fault::no_version, Fault::exists, Fault::not_empty,
                     Fault::precondition, Fault::refused});
  return std::ranges::find(kSaysSomethingElse, why.fault) != kSaysSomethingElse.end() ? EIO : why.errnum;
}

Error old_objects_stay(std::string_view from, const Error& why) {
  Error error{errnum_of_leftover(why),
              fmt::format("{}: renamed, but the old objects could not all be deleted and stay under the old name; "
                          "remove them when that is possible again: {}",
                          quote(from), why.context)};
  spdlog::error("{}", error.context);
  return error;
}

Result<Unit> delete_folder_marker(cos::ObjectStore& store, const std::string& directory,
                                  const cos::CallContext& context) {
  const std::string key = Tree::marker_key(directory + "/", local::DirectoryForm::folder_marker);
  PAIL_TRY(const auto there, listed_object(store, key, context));
  if (!there || there->size.n > 0) return Unit{};  // none, or a file that only has such a name
  return store.delete_object(key, context);
}

Result<std::optional<cos::ListedObject>> listed_object(cos::ObjectStore& store, const std::string& key,
                                                       const cos::CallContext& context) {
  if (key.size() > cos::kMaxKeyBytes) return std::optional<cos::ListedObject>{};
  PAIL_TRY(cos::ListPage page, store.list_objects({.prefix = key, .max_keys = 1}, context));
  if (page.objects.empty() || page.objects.front().key != key) return std::optional<cos::ListedObject>{};
  return std::optional(std::move(page.objects.front()));
}

}  // namespace pail::vfs
