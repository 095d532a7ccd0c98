#include "vfs/old_objects.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include "base/log.h"
#include "cos/errors.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/fault.h"
#include "vfs/tree.h"

namespace pail::vfs {

namespace {

constexpr int kPasses = 3;  // over what is left, when the store refused some

constexpr std::uint64_t kMostTold = 20;  // objects that stay, in the log

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
      if (page.continuation.empty() || page.objects.empty()) break;
      after = page.objects.back().key;
    }
    if (only_ones_ > kMostTold) spdlog::warn("{}: {} more stay likewise", quote(prefix), only_ones_ - kMostTold);
    return std::move(left_);
  }

 private:
  struct Found {
    std::string key;
    cos::ETag copy;
  };
  using OnOtherSide = std::map<std::string, cos::ETag>;

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
    std::vector<Found> ours;
    std::vector<std::string> gone;
    for (const cos::ListedObject& object : page.objects) {
      PAIL_TRY(const CopiedObject* copied, copied_as(object));
      if (copied == nullptr) {
        left_.others = true;
      } else if (copied->modified == WallTime{}) {
        gone.push_back(object.key);  // a marker that was made has no other side
      } else {
        ours.push_back({object.key, copied->copy});
      }
    }
    if (other_ != OtherSide::known) PAIL_CHECK(leave_the_only_ones(ours));
    for (Found& each : ours) gone.push_back(std::move(each.key));
    if (gone.empty()) return Unit{};
    PAIL_TRY(const auto refusals, store_.delete_objects(gone, context_));
    for (const cos::DeleteRefusal& refusal : refusals) refused(refusal.key, cos::to_error(refusal));
    return Unit{};
  }

  Result<bool> other_directory_is_there() {
    if (other_ == OtherSide::known) return true;
    PAIL_TRY(const cos::ListPage page,
             store_.list_objects({.prefix = other_directory_ + "/", .max_keys = 1}, context_));
    return !page.objects.empty();
  }

  std::string other_of(const std::string& key) const { return other_directory_ + key.substr(directory_.size()); }

  // Of an object and its copy one stays. `found` and the listing of the other side are in the same order.
  Result<Unit> leave_the_only_ones(std::vector<Found>& found) {
    if (found.empty()) return Unit{};
    const std::string last = other_of(found.back().key);
    OnOtherSide others;
    while (seen_ < last) {
      PAIL_TRY(const cos::ListPage page,
               store_.list_objects({.prefix = other_directory_ + "/", .start_after = seen_}, context_));
      for (const cos::ListedObject& object : page.objects) others.insert_or_assign(object.key, object.etag);
      seen_ = page.continuation.empty() || page.objects.empty() ? last : page.objects.back().key;
    }
    seen_ = last;
    std::erase_if(found, [&](const Found& each) { return is_the_only_one(each, others); });
    return Unit{};
  }

  bool is_the_only_one(const Found& found, const OnOtherSide& others) {
    const std::string key = other_of(found.key);
    const auto other = others.find(key);
    if (other != others.end() && (other_ == OtherSide::any_object || other->second == found.copy)) return false;
    left_.others = true;
    if (++only_ones_ <= kMostTold)
      spdlog::warn("{}: stays, as {} {}", quote(found.key),
                   other == others.end() ? "nothing is left at" : "it has no copy any more at", quote(key));
    return true;
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
  std::string seen_;             // of the other side, up to here
  std::uint64_t only_ones_ = 0;  // stay, as the other side has nothing that would replace them
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
  auto outcome = Pass(store, std::move(*reader), what, OtherSide::any_object, context).run();
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
