// What an object store that has no trouble makes of requests to one bucket, in memory.
//
// Keys are in byte order. ETags are the MD5 of the content as with S3, those of uploads in parts
// end with "-N"; a copy of such an object has that of its content. Last-Modified is in whole
// seconds. Refusals come from the client's own table of codes. There are no versions, tags or
// locks.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cos/object_store.h"
#include "fake_store/content.h"

namespace pail::fake {

// Of a header with a condition: it is kept to, or not known and ignored, or refused as not
// implemented.
enum class Support { yes, ignored, refused };

// What this store can and allows.
struct Rules {
  bool bucket_exists = true;
  Support put_conditions = Support::yes;
  Support create_conditions = Support::yes;  // those of an upload's begin hold again at its end
  Support complete_conditions = Support::yes;
  Support copy_conditions = Support::yes;
  bool no_key_to_match = false;  // If-Match of a key that is not there: NoSuchKey instead of 412
  bool ends_refused_uploads = false;  // an upload whose end is refused for a condition is gone
  bool copies_markers = true;         // false: a copy of a key that ends with '/' is refused
  bool encrypts = false;  // each write and copy has an ETag of its own that no content gives
  ByteCount max_put = cos::kMaxSinglePut;
  ByteCount max_copy = cos::kMaxSinglePut;
  ByteCount max_part = cos::kMaxPartSize;
  ByteCount min_part = cos::kMinPartSize;  // of all but the last
  unsigned page = 1000;                    // most entries of one page of a listing
};

// What a whole-object or ranged read finds.
struct Found {
  cos::ObjectInfo info;
  Content content;
};

// One object that was written, replaced or removed.
struct Change {
  std::string key;
  std::optional<Found> before, after;  // none: it was or is not there
};

// How a server words a refusal.
struct Refusal {
  int status = 0;
  std::string code;
};

// One thread at a time.
class Bucket {
 public:
  // The same seed gives the same upload ids.
  explicit Bucket(std::uint64_t seed) : random_(seed) {}

  Rules rules;
  WallTime now{};                              // the store's own clock
  std::function<void(const Change&)> changed;  // told of each change that was made; null: nobody is

  Result<cos::ListPage> list(const cos::ListRequest& request) const;
  Result<cos::ObjectInfo> head(const std::string& key) const;
  Result<Found> get(const std::string& key) const;
  // `range` is cut at the object's end. Errors: as a store answers 412 and 416.
  Result<Found> get_range(const cos::GetRequest& request) const;
  Result<cos::PutResult> put(const cos::PutRequest& request);
  Result<cos::CopyResult> copy(const cos::CopyRequest& request);
  Result<Unit> remove(const std::string& key);

  Result<cos::UploadId> create_upload(const std::string& key, cos::ObjectHeaders headers,
                                      cos::Preconditions conditions);
  Result<cos::CompletedPart> upload_part(const cos::UploadPart& part);
  Result<cos::CompletedPart> upload_part_copy(const cos::UploadPartCopy& part);
  Result<cos::PutResult> complete_upload(const cos::CompleteUpload& complete);
  Result<Unit> abort_upload(const std::string& key, const cos::UploadId& id);
  // Of the last of these requests that was refused.
  const Refusal& last_refusal() const { return last_refusal_; }

  // ---- without a request: other clients, and tests that look ----
  void write(const std::string& key, Content content, cos::ObjectHeaders headers);
  // The same bytes and headers under the same or another key, with the time of now, as a copy has
  // them. False: there is no such key.
  bool write_again(const std::string& from, const std::string& to);
  void erase(const std::string& key);
  std::optional<Found> look(const std::string& key) const;
  std::vector<std::string> keys() const;
  std::size_t uploads() const { return uploads_.size(); }
  bool has_upload(const std::string& key, const cos::UploadId& id) const;
  void abort_uploads() { uploads_.clear(); }

 private:
  struct Object {
    Content content;
    cos::ETag etag;
    WallTime modified{};
    cos::ObjectHeaders headers;
  };
  struct Part {
    Content content;
    std::string md5;  // 16 bytes
    cos::ETag etag;
  };
  struct Upload {
    std::string key;
    cos::ObjectHeaders headers;
    cos::Preconditions conditions;
    std::map<unsigned, Part> parts;
  };

  Error refusal(const std::string& what, int status, std::string code) const;
  Result<Unit> check_digest(const std::string& what, const std::string& md5,
                            const std::string& declared) const;
  Result<Unit> usable(const std::string& what, const std::string& key) const;
  Result<const Object*> find(const std::string& what, const std::string& key) const;
  Result<const Object*> source(const std::string& what, const cos::CopyRequest& request) const;
  Result<Upload*> find_upload(const std::string& what, const std::string& key,
                              const cos::UploadId& id);
  Result<Unit> check(const std::string& what, Support support, const cos::Preconditions& conditions,
                     const std::string& key) const;
  Result<std::vector<const Part*>> chosen(const std::string& what, const Upload& upload,
                                          const cos::CompleteUpload& complete) const;
  Result<Unit> check_part(const std::string& what, unsigned number, ByteCount size) const;
  cos::CompletedPart store(Upload& upload, unsigned number, Content content);
  void replace(const std::string& key, Object object);
  WallTime second() const { return std::chrono::floor<std::chrono::seconds>(now); }
  static cos::ObjectInfo info_of(const Object& object);

  std::map<std::string, Object> objects_;
  std::map<std::string, Upload> uploads_;  // by id
  std::mt19937_64 random_;
  std::uint64_t encrypted_ = 0;
  mutable Refusal last_refusal_;
};

}  // namespace pail::fake
