// The multipart half of the store.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>

#include "emulator/store.h"

namespace pail::emulator {
namespace {

constexpr std::size_t kLongestUploadId = 64;

// Parts of one upload lie together, in the order of their numbers.
std::string part_key(const std::string& id, unsigned number) {
  return id + big_endian(number);
}

// Ids sort by time, like those of the service: 0000015a-df89-51d0-2790-dee1ac994053.
std::string new_upload_id(std::int64_t now) {
  static std::atomic<std::uint64_t> counter{
      static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count())};
  const auto millis = static_cast<std::uint64_t>(now / 1'000'000);
  const std::uint64_t unique = counter++ * 0x9E3779B97F4A7C15u;  // odd factor: never the same twice
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", millis >> 32 & 0xffffffff, millis >> 16 & 0xffff,
                     millis & 0xffff, unique >> 48, unique & 0xffffffffffff);
}

ApiError no_such_upload() {
  return {"NoSuchUpload", "The specified multipart upload does not exist."};
}

}  // namespace

ApiResult<UploadRecord> Store::upload_in(const Txn& txn, std::uint64_t root, const std::string& key,
                                         const std::string& id) const {
  if (id.empty() || id.size() > kLongestUploadId || id.find('\0') != std::string::npos) return no_such_upload();
  PAIL_TRY(const auto found, uploads_->get(txn, root, upload_key(key, id)));
  if (!found) return no_such_upload();
  return decode_upload(*found);
}

ApiResult<std::vector<ListedPart>> Store::parts_in(const Txn& txn, const std::string& id, unsigned after,
                                                   std::size_t limit) const {
  std::vector<ListedPart> out;
  MDB_cursor* cursor = nullptr;
  if (const int status = mdb_cursor_open(txn.get(), parts_, &cursor); status != 0)
    return ApiError(lmdb_error(status, "parts"));
  const std::string first = part_key(id, after + 1);
  MDB_val key{first.size(), const_cast<char*>(first.data())}, value{};
  for (int status = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); status == 0 && out.size() < limit;
       status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const std::string_view name(static_cast<const char*>(key.mv_data), key.mv_size);
    if (!name.starts_with(id) || name.size() != id.size() + 8) break;
    out.push_back({static_cast<unsigned>(from_big_endian(name.substr(id.size()))),
                   decode_part({static_cast<const char*>(value.mv_data), value.mv_size})});
  }
  mdb_cursor_close(cursor);
  return out;
}

ApiResult<std::string> Store::create_upload(const std::string& bucket, const std::string& key,
                                            const UploadRecord& record) {
  PAIL_TRY(Txn txn, begin_growing());
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  std::string id = new_upload_id(record.initiated);
  PAIL_CHECK(uploads_->put(txn, owner.root, upload_key(key, id), encode(record)));
  PAIL_CHECK(txn.commit());
  return id;
}

ApiResult<UploadRecord> Store::upload(const std::string& bucket, const std::string& key, const std::string& id) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  return upload_in(txn, owner.root, key, id);
}

ApiResult<Unit> Store::put_part(const std::string& bucket, const std::string& key, const std::string& id,
                                unsigned number, PartRecord part, NewData& data) {
  PAIL_CHECK(data.close());
  part.file = data.file_.id;
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, begin_growing());
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_CHECK(upload_in(txn, owner.root, key, id));
  PAIL_TRY(const auto old, lmdb_get(txn, parts_, part_key(id, number)));
  if (old) PAIL_CHECK(drop_files_in(txn, {{decode_part(*old).file, 0, 0}}, unused));
  PAIL_CHECK(lmdb_put(txn, file_names_, big_endian(part.file), {}));
  PAIL_CHECK(lmdb_put(txn, parts_, part_key(id, number), encode(part)));
  PAIL_CHECK(txn.commit());
  data.file_.fd.reset();
  files_->remove(unused);
  return Unit{};
}

ApiResult<std::vector<ListedPart>> Store::parts(const std::string& bucket, const std::string& key,
                                                const std::string& id, unsigned after, std::size_t limit) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_CHECK(upload_in(txn, owner.root, key, id));
  return parts_in(txn, id, after, limit);
}

ApiResult<Unit> Store::drop_upload_in(Txn& txn, std::uint64_t root, const std::string& key, const std::string& id,
                                      std::vector<std::uint64_t>& unused) const {
  PAIL_TRY(const auto parts, parts_in(txn, id, 0, SIZE_MAX));
  for (const ListedPart& listed : parts) {
    PAIL_CHECK(drop_files_in(txn, {{listed.part.file, 0, 0}}, unused));
    PAIL_CHECK(lmdb_erase(txn, parts_, part_key(id, listed.number)));
  }
  PAIL_CHECK(uploads_->erase(txn, root, upload_key(key, id)));
  return Unit{};
}

ApiResult<Unit> Store::abort_upload(const std::string& bucket, const std::string& key, const std::string& id) {
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, Txn::begin(env_.get(), Txn::Kind::write));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_CHECK(upload_in(txn, owner.root, key, id));
  PAIL_CHECK(drop_upload_in(txn, owner.root, key, id, unused));
  PAIL_CHECK(txn.commit());
  files_->remove(unused);
  return Unit{};
}

ApiResult<Unit> Store::complete_upload(const std::string& bucket, const std::string& key, const std::string& id,
                                       const std::vector<CompletedPart>& chosen, const Conditions& conditions,
                                       const Finish& finish) {
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, begin_growing());
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_TRY(const UploadRecord upload, upload_in(txn, owner.root, key, id));
  PAIL_TRY(const auto stored, parts_in(txn, id, 0, SIZE_MAX));
  std::vector<ListedPart> joined;
  for (const CompletedPart& want : chosen) {
    const auto at = std::lower_bound(stored.begin(), stored.end(), want.number,
                                     [](const ListedPart& part, unsigned number) { return part.number < number; });
    if (at == stored.end() || at->number != want.number || at->part.etag != want.etag)
      return ApiError("InvalidPart", "One or more of the specified parts could not be found or its ETag differs.");
    joined.push_back(*at);
  }
  PAIL_TRY(ObjectRecord record, finish(upload, joined));
  for (const ListedPart& listed : joined) record.pieces.push_back({listed.part.file, 0, listed.part.size});
  if (check_write(Conditions::from(upload.conditions), [&]() -> std::optional<ObjectHead> {
        const auto old = objects_->get(txn, owner.root, key);
        if (!old || !*old) return std::nullopt;
        return decode_head(**old);
      }()) != Verdict::proceed)
    return ApiError("PreconditionFailed", "A precondition given when the upload was initiated no longer holds.");
  PAIL_CHECK(drop_upload_in(txn, owner.root, key, id, unused));
  PAIL_CHECK(replace_in(txn, owner.root, key, record, conditions, unused));
  PAIL_CHECK(txn.commit());
  std::erase_if(unused, [&](std::uint64_t file) {
    return std::any_of(record.pieces.begin(), record.pieces.end(),
                       [&](const Payload::Piece& piece) { return piece.file == file; });
  });
  files_->remove(unused);
  return Unit{};
}

ApiResult<ListPage> Store::list_uploads(const std::string& bucket, const ListQuery& query) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_TRY(ListPage page, list_page(txn, *uploads_, owner.root, query));
  return page;
}

}  // namespace pail::emulator
