// The client that talks to a real store: Client over HTTP. Its operations are in buckets.cc, objects.cc, uploads.cc.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "cos/exchange.h"
#include "cos/ranged_get.h"
#include "cos/store_health.h"
#include "cos/wire.h"
#include "runtime/executor.h"
#include "runtime/timer.h"

namespace pail::cos {

// The bucket that lately showed itself to be there. Thread-safe.
class SeenBucket {
 public:
  void seen(std::string_view bucket) PAIL_EXCLUDES(mutex_);
  // So lately that a 404 of the store to a HEAD is about the key, and not about the bucket: within 2 seconds.
  bool lately(std::string_view bucket) const PAIL_EXCLUDES(mutex_);

 private:
  mutable Mutex mutex_;
  std::string bucket_ PAIL_GUARDED_BY(mutex_);
  SteadyTime when_ PAIL_GUARDED_BY(mutex_){};
};

class Store final : public Client {
 public:
  Store(Link link, Addresses addresses) : link_(std::move(link)), addresses_(std::move(addresses)) {}
  ~Store() override { running_.stop_all(); }

  Result<BucketsPage> list_buckets(CallContext context) override;
  Result<BucketsPage> list_buckets_extended(std::string_view prefix, std::string_view marker,
                                            CallContext context) override;

  Result<Unit> create_bucket(std::string_view bucket, std::string_view location, CallContext context) override;
  Result<Unit> head_bucket(std::string_view bucket, CallContext context) override;
  Result<Unit> delete_bucket(std::string_view bucket, CallContext context) override;
  Result<std::string> bucket_location(std::string_view bucket, CallContext context) override;

  Result<ListPage> list_objects(std::string_view bucket, const ListRequest& request, CallContext context) override;
  Result<ObjectInfo> head_object(std::string_view bucket, std::string_view key, CallContext context) override;
  Result<std::string> get_object(std::string_view bucket, std::string_view key, ByteCount limit,
                                 CallContext context) override;
  void get_object_async(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) override;
  Result<PutResult> put_object(std::string_view bucket, const PutRequest& request, CallContext context) override;
  Result<CopyResult> copy_object(std::string_view bucket, const CopyRequest& request, CallContext context) override;
  Result<Unit> delete_object(std::string_view bucket, std::string_view key, CallContext context) override;
  Result<std::vector<DeleteRefusal>> delete_objects(std::string_view bucket, const std::vector<std::string>& keys,
                                                    CallContext context) override;

  Result<UploadId> create_upload(std::string_view bucket, std::string_view key, const ObjectHeaders& headers,
                                 const Preconditions& conditions, CallContext context) override;
  Result<CompletedPart> upload_part(std::string_view bucket, std::string_view key, const UploadId& id, unsigned number,
                                    std::shared_ptr<http::BodySource> body, std::string_view content_md5,
                                    CallContext context) override;
  Result<CompletedPart> upload_part_copy(std::string_view bucket, std::string_view key, const UploadId& id,
                                         unsigned number, const CopyRequest& source, Extent range,
                                         CallContext context) override;
  Result<PutResult> complete_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                    const std::vector<CompletedPart>& parts, const Preconditions& conditions,
                                    CallContext context) override;
  Result<Unit> abort_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                            CallContext context) override;
  Result<PartsPage> list_parts(std::string_view bucket, std::string_view key, const UploadId& id, unsigned after_part,
                               CallContext context) override;
  Result<UploadsPage> list_uploads(std::string_view bucket, std::string_view prefix, std::string_view key_marker,
                                   std::string_view upload_id_marker, CallContext context) override;

 private:
  // A call on the service, a bucket or an object, without body.
  Call service_call(std::string_view method, const Query& query) const;
  Call bucket_call(std::string_view method, std::string_view bucket, const Query& query) const;
  Call object_call(std::string_view method, std::string_view bucket, std::string_view key, const Query& query) const;
  Answer send(Call call, CallContext context);

  void add_instance_id(Call& call) const;
  Result<ListPage> list_by(ListVersion version, std::string_view bucket, const ListRequest& request,
                           std::string_view continuation, CallContext context);

  // After a HEAD of `key` that was answered `refusal`, a 404. A value: the object is there after all. The error is
  // what was proven; no_key where it is the key that is missing.
  Result<Unit> prove_absence(const std::string& what, std::string_view bucket, std::string_view key,
                             const ServerError& refusal, CallContext context);

  // What a lost answer left in doubt: is the object now the one that was to be written?
  Result<PutResult> find_own_write(std::string_view bucket, std::string_view key, const ETag& expected,
                                   const ObjectHeaders& headers, Error failure, CallContext context);

  // Aborts the upload whose begin was answered so, after its caller had left.
  void end_late_upload(const std::string& bucket, const std::string& key, const http::Response& response);

  Link link_;
  Addresses addresses_;
  std::atomic<bool> knows_list_v2_{true};
  SeenBucket bucket_seen_;
  RunningTransfers running_;
  runtime::Timer timer_;
  runtime::Executor cleaner_{1};  // ends what nobody waits for
};

// A body with the MD5 that the wire and the server are checked against.
struct CheckedBody {
  std::string content_md5;  // base64
  std::string hex;          // of the same digest
};
// Reads the body once when `given` (base64) is empty. Errors: EINVAL `given` is no MD5; what the body's read returns.
Result<CheckedBody> check_body(http::BodySource* body, std::string_view given);

// A small XML document as the body of a call, with its length, type and MD5.
void set_xml_body(Call& call, std::string xml);

// Errors: EIO the store kept other bytes than were sent, as far as its ETag tells.
Result<Unit> compare_etag(std::string_view what, const http::Headers& headers, const CheckedBody& body);

// A result whose error names the call it belongs to.
template <class T>
Result<T> in_call(const std::string& what, Result<T> result) {
  if (!result) result.error().context = what + ": " + result.error().context;
  return result;
}

}  // namespace pail::cos
