#include "emulator/store.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>

#include "base/file.h"

namespace pail::emulator {
namespace {

// Address space, not disk: the index grows as it is filled.
constexpr std::size_t kMapBytes = std::size_t{256} << 30;
constexpr unsigned kReaders = 64;
// Disk that the index holds beyond its last page. Removing writes index pages before it frees any, so
// that without this nothing could be removed from a full disk. A removal needs some 50 KiB.
constexpr std::uint64_t kReserve = 1 << 20;

ApiError condition_failed() {
  return {"PreconditionFailed", "At least one of the preconditions you specified did not hold."};
}

}  // namespace

NewData::~NewData() {
  if (file_.fd.valid()) files_.remove({{file_.id}});
}

Result<Unit> NewData::spill() {
  PAIL_TRY(file_, files_.create());
  const Result<Unit> written = write_at(file_.fd.get(), {}, std::as_bytes(std::span(small_)));
  small_ = std::string();
  return written;
}

Result<Unit> NewData::append(std::span<const std::byte> bytes) {
  if (!file_.fd.valid()) {
    if (size_ + bytes.size() <= kSmallObject) {
      small_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      size_ += bytes.size();
      return Unit{};
    }
    PAIL_CHECK(spill());
  }
  PAIL_CHECK(write_at(file_.fd.get(), {size_}, bytes));
  size_ += bytes.size();
  return Unit{};
}

Result<Unit> NewData::close() {
  if (placement_ == Placement::always_file && !file_.fd.valid()) PAIL_CHECK(spill());
  return Unit{};
}

Store::~Store() = default;

Result<Unit> Store::open_index(const std::filesystem::path& dir) {
  MDB_env* env = nullptr;
  if (const int status = mdb_env_create(&env); status != 0) return lmdb_error(status, "create");
  env_.reset(env);
  mdb_env_set_mapsize(env, kMapBytes);
  mdb_env_set_maxdbs(env, 8);
  mdb_env_set_maxreaders(env, kReaders);
  // Without syncs a change is as safe as the kernel is, which is what the emulator promises.
  if (const int status = mdb_env_open(env, dir.c_str(), MDB_NOSYNC | MDB_NOTLS, 0600); status != 0)
    return lmdb_error(status, dir.string());
  PAIL_TRY(Txn txn, Txn::begin(env, Txn::Kind::write));
  const std::pair<const char*, MDB_dbi*> databases[] = {{"meta", &meta_},           {"buckets", &buckets_},
                                                        {"objects", &objects_dbi_}, {"uploads", &uploads_dbi_},
                                                        {"parts", &parts_},         {"files", &file_names_}};
  for (const auto& [name, dbi] : databases)
    if (const int status = mdb_dbi_open(txn.get(), name, MDB_CREATE, dbi); status != 0) return lmdb_error(status, name);
  PAIL_TRY(const auto format, lmdb_get(txn, meta_, "format"));
  if (format && *format != kRecordFormat)
    return Error{EINVAL, fmt::format("{}: written by another version of the emulator", dir.string())};
  if (!format) PAIL_CHECK(lmdb_put(txn, meta_, "format", kRecordFormat));
  PAIL_CHECK(txn.commit());
  objects_.emplace(objects_dbi_, meta_);
  uploads_.emplace(uploads_dbi_, meta_);
  return Unit{};
}

Result<Unit> Store::keep_reserve() {
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(env_.get(), &info);
  mdb_env_stat(env_.get(), &stat);
  const std::uint64_t end = (info.me_last_pgno + 1) * stat.ms_psize;
  if (end + kReserve <= reserved_end_) return Unit{};
  mdb_filehandle_t fd = -1;
  mdb_env_get_fd(env_.get(), &fd);
  const std::uint64_t size = 2 * kReserve;  // not at each change
  const auto from = static_cast<off_t>(end), length = static_cast<off_t>(size);
  // A file system that cannot reserve (EOPNOTSUPP) serves all the same, as long as it is not full.
  if (::fallocate(fd, FALLOC_FL_KEEP_SIZE, from, length) != 0 && (errno == ENOSPC || errno == EDQUOT))
    return errno_error(errno, "index: no space is left for more");
  reserved_end_ = end + size;
  return Unit{};
}

Result<Txn> Store::begin_growing() {
  PAIL_TRY(Txn txn, Txn::begin(env_.get(), Txn::Kind::write));
  PAIL_CHECK(keep_reserve());
  return txn;
}

Result<std::unique_ptr<Store>> Store::open(const std::filesystem::path& dir) {
  std::unique_ptr<Store> store(new Store);
  PAIL_CHECK(make_private_directory(dir));
  PAIL_TRY(store->lock_, open_file(dir / "lock", O_RDWR | O_CREAT));
  if (::flock(store->lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return Error{EBUSY, fmt::format("{}: another emulator serves this directory", dir.string())};
  PAIL_CHECK(make_private_directory(dir / "index"));
  PAIL_CHECK(store->open_index(dir / "index"));
  PAIL_TRY(const Txn txn, Txn::begin(store->env_.get(), Txn::Kind::read));
  const auto in_use = [&](std::uint64_t id) {
    const auto found = lmdb_get(txn, store->file_names_, big_endian(id));
    return !found || found->has_value();  // an index that cannot be read must not cost data
  };
  PAIL_TRY(store->files_, DataFiles::open_directory(dir / "data", in_use));
  return store;
}

ApiResult<BucketRecord> Store::bucket_in(const Txn& txn, const std::string& name) const {
  if (name.empty() || name.size() > 255) return ApiError("NoSuchBucket", "The specified bucket does not exist.");
  PAIL_TRY(const auto found, lmdb_get(txn, buckets_, name));
  if (!found) return ApiError("NoSuchBucket", "The specified bucket does not exist.");
  return decode_bucket(*found);
}

ApiResult<BucketRecord> Store::bucket(const std::string& name) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  return bucket_in(txn, name);
}

ApiResult<Unit> Store::create_bucket(const std::string& name, BucketRecord record) {
  PAIL_TRY(Txn txn, begin_growing());
  PAIL_TRY(const auto found, lmdb_get(txn, buckets_, name));
  if (found) return ApiError("BucketAlreadyExists", "The requested bucket name is not available.");
  PAIL_TRY(record.root, next_root(txn, meta_));
  PAIL_CHECK(lmdb_put(txn, buckets_, name, encode(record)));
  PAIL_CHECK(txn.commit());
  return Unit{};
}

ApiResult<Unit> Store::delete_bucket(const std::string& name) {
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, Txn::begin(env_.get(), Txn::Kind::write));
  PAIL_TRY(const BucketRecord record, bucket_in(txn, name));
  PAIL_TRY(const ListPage objects, list_page(txn, *objects_, record.root, {.limit = 1}));
  if (!objects.items.empty()) return ApiError("BucketNotEmpty", "The bucket you tried to delete is not empty.");
  PAIL_TRY(const ListPage uploads, list_page(txn, *uploads_, record.root, {.limit = SIZE_MAX}));
  for (const ListedKey& item : uploads.items) {
    const std::size_t nul = item.key.find('\0');
    PAIL_CHECK(drop_upload_in(txn, record.root, item.key.substr(0, nul), item.key.substr(nul + 1), unused));
  }
  PAIL_CHECK(lmdb_erase(txn, buckets_, name));
  PAIL_CHECK(txn.commit());
  files_->remove(unused);
  return Unit{};
}

ApiResult<std::vector<std::pair<std::string, BucketRecord>>> Store::buckets(const std::string& prefix,
                                                                            const std::string& after,
                                                                            std::size_t limit) const {
  std::vector<std::pair<std::string, BucketRecord>> out;
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  MDB_cursor* cursor = nullptr;
  if (const int status = mdb_cursor_open(txn.get(), buckets_, &cursor); status != 0)
    return ApiError(lmdb_error(status, "buckets"));
  MDB_val key{}, value{};
  for (int status = mdb_cursor_get(cursor, &key, &value, MDB_FIRST); status == 0 && out.size() < limit;
       status = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
    const std::string_view name(static_cast<const char*>(key.mv_data), key.mv_size);
    if (!name.starts_with(prefix) || name <= after) continue;
    out.emplace_back(name, decode_bucket({static_cast<const char*>(value.mv_data), value.mv_size}));
  }
  mdb_cursor_close(cursor);
  return out;
}

ApiResult<std::optional<ObjectRecord>> Store::object_in(const Txn& txn, std::uint64_t root,
                                                        const std::string& key) const {
  PAIL_TRY(const auto found, objects_->get(txn, root, key));
  if (!found) return std::optional<ObjectRecord>();
  return std::optional(decode_object(*found));
}

ApiResult<OpenObject> Store::open_object(const std::string& bucket, const std::string& key) {
  ApiResult<OpenObject> result = ApiError("NoSuchKey", "The specified key does not exist.");
  std::shared_ptr<DataFiles::Pin> pin = files_->pin([&]() -> std::vector<std::uint64_t> {
    auto find = [&]() -> ApiResult<OpenObject> {
      PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
      PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
      PAIL_TRY(auto found, object_in(txn, owner.root, key));
      if (!found) return ApiError("NoSuchKey", "The specified key does not exist.");
      return OpenObject{std::move(*found), nullptr};
    };
    result = find();
    std::vector<std::uint64_t> ids;
    if (result)
      for (const Payload::Piece& piece : result->record.pieces) ids.push_back(piece.file);
    return ids;
  });
  if (result) result->pin = std::move(pin);
  return result;
}

ApiResult<std::optional<ObjectHead>> Store::head(const std::string& bucket, const std::string& key) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_TRY(const auto found, objects_->get(txn, owner.root, key));
  if (!found) return std::optional<ObjectHead>();
  return std::optional(decode_head(*found));
}

ApiResult<Unit> Store::drop_files_in(Txn& txn, const std::vector<Payload::Piece>& pieces,
                                     std::vector<std::uint64_t>& unused) const {
  for (const Payload::Piece& piece : pieces) {
    PAIL_CHECK(lmdb_erase(txn, file_names_, big_endian(piece.file)));
    unused.push_back(piece.file);
  }
  return Unit{};
}

ApiResult<Unit> Store::replace_in(Txn& txn, std::uint64_t root, const std::string& key, const ObjectRecord& record,
                                  const Conditions& conditions, std::vector<std::uint64_t>& unused) {
  PAIL_TRY(const auto old, object_in(txn, root, key));
  const std::optional<ObjectHead> head = old ? std::optional<ObjectHead>(*old) : std::nullopt;
  if (check_write(conditions, head) != Verdict::proceed) return condition_failed();
  if (old) PAIL_CHECK(drop_files_in(txn, old->pieces, unused));
  for (const Payload::Piece& piece : record.pieces) PAIL_CHECK(lmdb_put(txn, file_names_, big_endian(piece.file), {}));
  PAIL_CHECK(objects_->put(txn, root, key, encode(record)));
  return Unit{};
}

ApiResult<Unit> Store::put(const std::string& bucket, const std::string& key, ObjectRecord record, NewData& data,
                           const Conditions& conditions) {
  PAIL_CHECK(data.close());
  if (data.file_.fd.valid()) {
    record.pieces = {{data.file_.id, 0, data.size_}};
  } else {
    record.small = std::move(data.small_);
  }
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, begin_growing());
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_CHECK(replace_in(txn, owner.root, key, record, conditions, unused));
  PAIL_CHECK(txn.commit());
  data.file_.fd.reset();
  files_->remove(unused);
  return Unit{};
}

ApiResult<Unit> Store::put_shared(const std::string& bucket, const std::string& key, ObjectRecord record,
                                  const OpenObject& source, const Conditions& conditions) {
  std::vector<std::uint64_t> links, unused;
  record.pieces = source.record.pieces;
  record.small = source.record.small;
  const auto link_and_put = [&]() -> ApiResult<Unit> {
    for (Payload::Piece& piece : record.pieces) {
      PAIL_TRY(piece.file, files_->link(piece.file));
      links.push_back(piece.file);
    }
    PAIL_TRY(Txn txn, begin_growing());
    PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
    PAIL_CHECK(replace_in(txn, owner.root, key, record, conditions, unused));
    PAIL_CHECK(txn.commit());
    return Unit{};
  };
  const ApiResult<Unit> done = link_and_put();
  files_->remove(done ? unused : links);
  return done;
}

ApiResult<Unit> Store::remove(const std::string& bucket, const std::string& key, const Conditions& conditions) {
  std::vector<std::uint64_t> unused;
  PAIL_TRY(Txn txn, Txn::begin(env_.get(), Txn::Kind::write));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_TRY(const auto old, object_in(txn, owner.root, key));
  const std::optional<ObjectHead> head = old ? std::optional<ObjectHead>(*old) : std::nullopt;
  if (check_write(conditions, head) != Verdict::proceed) return condition_failed();
  if (!old) return Unit{};
  PAIL_CHECK(drop_files_in(txn, old->pieces, unused));
  PAIL_CHECK(objects_->erase(txn, owner.root, key));
  PAIL_CHECK(txn.commit());
  files_->remove(unused);
  return Unit{};
}

ApiResult<ListPage> Store::list(const std::string& bucket, const ListQuery& query) const {
  PAIL_TRY(const Txn txn, Txn::begin(env_.get(), Txn::Kind::read));
  PAIL_TRY(const BucketRecord owner, bucket_in(txn, bucket));
  PAIL_TRY(ListPage page, list_page(txn, *objects_, owner.root, query));
  return page;
}

}  // namespace pail::emulator
