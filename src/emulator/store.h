// Buckets, objects and uploads in one directory: an LMDB index and data files.
//
// A change is visible and lasting as soon as its function returns: it survives the death of the process at any moment.
// It is not synced, so it may not survive the death of the machine. Thread-safe; changes are made one after the other.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/api_error.h"
#include "emulator/conditions.h"
#include "emulator/data_files.h"
#include "emulator/key_map.h"
#include "emulator/listing.h"
#include "emulator/record.h"

namespace pail::emulator {

// Objects up to this size are kept in the index.
inline constexpr std::size_t kSmallObject = 16 * 1024;

// Bytes on their way into the store. Small ones stay in memory; what is dropped unstored leaves no file behind.
class NewData {
 public:
  enum class Placement { small_in_index, always_file };
  NewData(DataFiles& files, Placement placement) : files_(files), placement_(placement) {}
  ~NewData();
  NewData(const NewData&) = delete;
  NewData& operator=(const NewData&) = delete;

  Result<Unit> append(std::span<const std::byte> bytes);
  // After the last append(): makes the file that Placement asks for.
  Result<Unit> close();
  std::uint64_t size() const { return size_; }

 private:
  friend class Store;
  Result<Unit> spill();

  DataFiles& files_;
  Placement placement_;
  std::string small_;
  DataFiles::Created file_{};
  std::uint64_t size_ = 0;
};

// An object as a reader holds it: its record and its bytes, both of one version.
struct OpenObject {
  ObjectRecord record;
  std::shared_ptr<DataFiles::Pin> pin;
};

struct ListedPart {
  unsigned number;
  PartRecord part;
};

// What complete_upload() is asked to join.
struct CompletedPart {
  unsigned number;
  std::string etag;  // without quotes
};

class Store {
 public:
  // Errors: EBUSY another process serves this directory; those of the disk.
  static Result<std::unique_ptr<Store>> open(const std::filesystem::path& dir);
  ~Store();

  ApiResult<BucketRecord> bucket(const std::string& name) const;  // NoSuchBucket
  ApiResult<Unit> create_bucket(const std::string& name, BucketRecord record);
  ApiResult<Unit> delete_bucket(const std::string& name);
  // By name, at most `limit` from the first that is greater than `after` and starts with `prefix`.
  ApiResult<std::vector<std::pair<std::string, BucketRecord>>> buckets(const std::string& prefix,
                                                                       const std::string& after,
                                                                       std::size_t limit) const;

  std::unique_ptr<NewData> new_data(NewData::Placement placement) {
    return std::make_unique<NewData>(*files_, placement);
  }

  // Errors: NoSuchBucket, NoSuchKey.
  ApiResult<OpenObject> open_object(const std::string& bucket, const std::string& key);
  // None when the key is absent. Errors: NoSuchBucket.
  ApiResult<std::optional<ObjectHead>> head(const std::string& bucket, const std::string& key) const;
  // Stores or replaces, if the conditions hold at that moment. Errors: PreconditionFailed, NoSuchBucket.
  ApiResult<Unit> put(const std::string& bucket, const std::string& key, ObjectRecord record, NewData& data,
                      const Conditions& conditions);
  // Stores a copy that shares the bytes of `source`.
  ApiResult<Unit> put_shared(const std::string& bucket, const std::string& key, ObjectRecord record,
                             const OpenObject& source, const Conditions& conditions);
  // Absent keys are fine, unless the conditions want one. Errors: PreconditionFailed, NoSuchBucket.
  ApiResult<Unit> remove(const std::string& bucket, const std::string& key, const Conditions& conditions);
  ApiResult<ListPage> list(const std::string& bucket, const ListQuery& query) const;

  ApiResult<std::string> create_upload(const std::string& bucket, const std::string& key, const UploadRecord& record);
  ApiResult<UploadRecord> upload(const std::string& bucket, const std::string& key, const std::string& id) const;
  ApiResult<Unit> put_part(const std::string& bucket, const std::string& key, const std::string& id, unsigned number,
                           PartRecord part, NewData& data);
  ApiResult<std::vector<ListedPart>> parts(const std::string& bucket, const std::string& key, const std::string& id,
                                           unsigned after, std::size_t limit) const;
  ApiResult<Unit> abort_upload(const std::string& bucket, const std::string& key, const std::string& id);
  // Joins parts into an object. `finish` turns the upload and its chosen parts into the object's record (headers, ETag,
  // checksum) or refuses; it runs inside the change, so it must not call the store.
  using Finish = std::function<ApiResult<ObjectRecord>(const UploadRecord&, const std::vector<ListedPart>&)>;
  ApiResult<Unit> complete_upload(const std::string& bucket, const std::string& key, const std::string& id,
                                  const std::vector<CompletedPart>& chosen, const Conditions& conditions,
                                  const Finish& finish);
  // Uploads of a bucket; items' keys are object key, a NUL and the upload id.
  ApiResult<ListPage> list_uploads(const std::string& bucket, const ListQuery& query) const;
  static std::string upload_key(const std::string& key, const std::string& id) { return key + '\0' + id; }

 private:
  struct CloseEnv {
    void operator()(MDB_env* env) const { mdb_env_close(env); }
  };
  Store() = default;
  Result<Unit> open_index(const std::filesystem::path& dir);
  // A change that adds. It leaves enough disk for those that remove. Errors: ENOSPC.
  Result<Txn> begin_growing();
  Result<Unit> keep_reserve();
  ApiResult<BucketRecord> bucket_in(const Txn& txn, const std::string& name) const;
  ApiResult<UploadRecord> upload_in(const Txn& txn, std::uint64_t root, const std::string& key,
                                    const std::string& id) const;
  ApiResult<std::vector<ListedPart>> parts_in(const Txn& txn, const std::string& id, unsigned after,
                                              std::size_t limit) const;
  ApiResult<std::optional<ObjectRecord>> object_in(const Txn& txn, std::uint64_t root, const std::string& key) const;
  // Replaces an object inside a change and collects the files that nothing names any more.
  ApiResult<Unit> replace_in(Txn& txn, std::uint64_t root, const std::string& key, const ObjectRecord& record,
                             const Conditions& conditions, std::vector<std::uint64_t>& unused);
  ApiResult<Unit> drop_files_in(Txn& txn, const std::vector<Payload::Piece>& pieces,
                                std::vector<std::uint64_t>& unused) const;
  ApiResult<Unit> drop_upload_in(Txn& txn, std::uint64_t root, const std::string& key, const std::string& id,
                                 std::vector<std::uint64_t>& unused) const;

  UniqueFd lock_;
  std::unique_ptr<MDB_env, CloseEnv> env_;
  std::atomic<std::uint64_t> reserved_end_{0};  // of the index's file; changed inside a change only
  MDB_dbi meta_ = 0, buckets_ = 0, objects_dbi_ = 0, uploads_dbi_ = 0, parts_ = 0, file_names_ = 0;
  std::optional<KeyMap> objects_, uploads_;
  std::unique_ptr<DataFiles> files_;
};

}  // namespace pail::emulator
