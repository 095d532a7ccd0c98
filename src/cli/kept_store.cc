#include "cli/kept_store.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/log.h"
#include "cos/bucket_store.h"
#include "vfs/object_metadata.h"

namespace pail::cli {
namespace {

constexpr ByteCount kLargestPut = 16_MiB;
constexpr ByteCount kSmallestPart = 16_MiB;

cos::ObjectHeaders headers_of(const local::KeptDescription& description) {
  local::InodeRecord record;
  record.permissions = description.permissions;
  record.uid = description.uid;
  record.gid = description.gid;
  record.modified = description.modified;
  record.accessed = description.accessed;
  record.headers = description.headers;
  return vfs::to_headers(record);
}

// One file on its way to one key.
class Transfer {
 public:
  Transfer(cos::Client& store, const local::KeptFile& file, const std::string& key, Overwrite overwrite)
      : bucket_(file.description->bucket),
        key_(key),
        store_(cos::open_bucket(store, bucket_)),
        size_(file.size),
        headers_(headers_of(*file.description)),
        overwrite_(overwrite) {}

  Result<Unit> run(const std::filesystem::path& path) {
    PAIL_TRY(data_, open_file(path, O_RDONLY));
    const auto free = check_free();
    if (!free) return explained(free);
    return explained(size_ <= kLargestPut ? put() : multipart());
  }

 private:
  Result<Unit> put() {
    PAIL_CHECK(store_->put_object({.key = key_,
                                   .body = http::body_from_file(data_.get(), {{}, {size_.n}}),
                                   .content_md5 = {},
                                   .headers = headers_,
                                   .conditions = conditions()}));
    return Unit{};
  }

  Result<Unit> multipart() {
    PAIL_TRY(const cos::UploadId id, store_->create_upload(key_, headers_, {}));
    const auto stored = send(id);
    if (stored) return stored;
    if (const auto aborted = store_->abort_upload(key_, id); !aborted)
      spdlog::warn("an unfinished upload stays in the bucket: {}", aborted.error().context);
    return stored;
  }

  Result<Unit> send(const cos::UploadId& id) {
    const ByteCount part_size{std::max(kSmallestPart.n, (size_.n + cos::kMaxParts - 1) / cos::kMaxParts)};
    std::vector<cos::CompletedPart> parts;
    for (ByteOffset at{}; at.n < size_.n; at = at + part_size) {
      const Extent piece{at, {std::min(at.n + part_size.n, size_.n)}};
      const auto number = static_cast<unsigned>(parts.size() + 1);
      PAIL_TRY(auto part, store_->upload_part({key_, id, number, http::body_from_file(data_.get(), piece), {}}));
      parts.push_back(std::move(part));
    }
    PAIL_CHECK(store_->complete_upload({key_, id, parts, conditions()}));
    return Unit{};
  }

  // A store that ignores conditions without a word would be found out too late.
  Result<Unit> check_free() {
    if (overwrite_ == Overwrite::yes) return Unit{};
    const auto there = store_->head_object(key_);
    if (there) return Error{EEXIST, key_, Fault::exists};
    if (there.error().fault != Fault::no_key) return there.error();
    return Unit{};
  }

  cos::Preconditions conditions() const {
    return {.if_match = {}, .if_none_match = {}, .if_absent = overwrite_ == Overwrite::no};
  }

  Result<Unit> explained(Result<Unit> outcome) const {
    const bool taken =
        !outcome && (outcome.error().fault == Fault::precondition || outcome.error().fault == Fault::exists);
    if (!taken) return outcome;
    return Error{EEXIST, fmt::format("{}: there is an object of this name in {}; store under another one with --as "
                                     "KEY, or replace it with --overwrite",
                                     quote(key_), bucket_)};
  }

  const std::string bucket_, key_;
  const std::shared_ptr<cos::ObjectStore> store_;
  const ByteCount size_;
  const cos::ObjectHeaders headers_;
  const Overwrite overwrite_;
  UniqueFd data_;
};

}  // namespace

Result<Unit> store_kept(cos::Client& store, const local::KeptFile& file, const std::string& key, Overwrite overwrite) {
  return Transfer(store, file, key, overwrite).run(file.path);
}

}  // namespace pail::cli
