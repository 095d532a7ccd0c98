// The public client: every call starts an operation and waits for its end.
#include "cos/operations/buckets.h"
#include "cos/operations/copy.h"
#include "cos/operations/delete.h"
#include "cos/operations/listing.h"
#include "cos/operations/multipart.h"
#include "cos/operations/objects.h"
#include "cos/operations/ranged_get.h"
#include "cos/operations/service.h"

namespace pail::cos {
namespace {

std::string text(std::string_view view) {
  return std::string(view);
}

class BlockingClient final : public Client {
 public:
  explicit BlockingClient(std::shared_ptr<Service> service) : service_(std::move(service)) {}

  std::shared_ptr<Service> service() const override { return service_; }

  // ---- service and buckets ----

  Result<BucketsPage> list_buckets(CallContext context) override { return wait(op::ListBuckets{}, std::move(context)); }
  Result<BucketsPage> list_buckets_extended(std::string_view prefix, std::string_view marker,
                                            CallContext context) override {
    return wait(op::ListBucketsExtended{text(prefix), text(marker)}, std::move(context));
  }
  Result<Unit> create_bucket(std::string_view bucket, std::string_view location, CallContext context) override {
    return wait(op::CreateBucket{text(bucket), text(location)}, std::move(context));
  }
  Result<Unit> head_bucket(std::string_view bucket, CallContext context) override {
    return wait(op::HeadBucket{text(bucket)}, std::move(context));
  }
  Result<Unit> delete_bucket(std::string_view bucket, CallContext context) override {
    return wait(op::DeleteBucket{text(bucket)}, std::move(context));
  }
  Result<std::string> bucket_location(std::string_view bucket, CallContext context) override {
    return wait(op::BucketLocation{text(bucket)}, std::move(context));
  }

  // ---- objects ----

  Result<ListPage> list_objects(std::string_view bucket, const ListRequest& request, CallContext context) override {
    return wait(op::ListObjects{text(bucket), request}, std::move(context));
  }
  Result<ObjectInfo> head_object(std::string_view bucket, std::string_view key, CallContext context) override {
    return wait(op::HeadObject{text(bucket), text(key)}, std::move(context));
  }
  Result<std::string> get_object(std::string_view bucket, std::string_view key, ByteCount limit,
                                 CallContext context) override {
    return wait(op::GetObject{text(bucket), text(key), limit}, std::move(context));
  }
  void get_object_async(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) override {
    op::start_ranged_get(*service_, std::move(request), std::move(handler), std::move(context));
  }
  Result<PutResult> put_object(std::string_view bucket, const PutRequest& request, CallContext context) override {
    return wait(op::PutObject{text(bucket), request}, std::move(context));
  }
  Result<CopyResult> copy_object(std::string_view bucket, const CopyRequest& request, CallContext context) override {
    return wait(op::CopyObject{text(bucket), request}, std::move(context));
  }
  Result<Unit> delete_object(std::string_view bucket, std::string_view key, CallContext context) override {
    return wait(op::DeleteObject{text(bucket), text(key)}, std::move(context));
  }
  Result<std::vector<DeleteRefusal>> delete_objects(std::string_view bucket, const std::vector<std::string>& keys,
                                                    CallContext context) override {
    return wait(op::DeleteObjects{text(bucket), keys}, std::move(context));
  }

  // ---- multipart uploads ----

  Result<UploadId> create_upload(std::string_view bucket, std::string_view key, const ObjectHeaders& headers,
                                 const Preconditions& conditions, CallContext context) override {
    return wait(op::CreateUpload{text(bucket), text(key), headers, conditions}, std::move(context));
  }
  Result<CompletedPart> upload_part(std::string_view bucket, std::string_view key, const UploadId& id, unsigned number,
                                    std::shared_ptr<http::BodySource> body, std::string_view content_md5,
                                    CallContext context) override {
    UploadPart part{text(key), id, number, std::move(body), text(content_md5)};
    return wait(op::UploadPart{text(bucket), std::move(part)}, std::move(context));
  }
  Result<CompletedPart> upload_part_copy(std::string_view bucket, std::string_view key, const UploadId& id,
                                         unsigned number, const CopyRequest& source, Extent range,
                                         CallContext context) override {
    UploadPartCopy part{text(key), id, number, source, range};
    return wait(op::CopyPart{text(bucket), std::move(part)}, std::move(context));
  }
  Result<PutResult> complete_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                    const std::vector<CompletedPart>& parts, const Preconditions& conditions,
                                    CallContext context) override {
    CompleteUpload upload{text(key), id, parts, conditions};
    return wait(op::CompleteUpload{text(bucket), std::move(upload)}, std::move(context));
  }
  Result<Unit> abort_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                            CallContext context) override {
    return wait(op::AbortUpload{text(bucket), text(key), id}, std::move(context));
  }
  Result<PartsPage> list_parts(std::string_view bucket, std::string_view key, const UploadId& id, unsigned after_part,
                               CallContext context) override {
    return wait(op::ListParts{text(bucket), text(key), id, after_part}, std::move(context));
  }
  Result<UploadsPage> list_uploads(std::string_view bucket, std::string_view prefix, std::string_view key_marker,
                                   std::string_view upload_id_marker, CallContext context) override {
    return wait(op::ListUploads{text(bucket), text(prefix), text(key_marker), text(upload_id_marker)},
                std::move(context));
  }

 private:
  template <class Operation>
  Result<typename Operation::Value> wait(Operation operation, CallContext context) {
    return perform(*service_, std::move(operation), std::move(context));
  }

  const std::shared_ptr<Service> service_;
};

}  // namespace

Result<std::unique_ptr<Client>> Client::create(std::shared_ptr<http::Client> http,
                                               std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options) {
  PAIL_TRY(auto service, Service::create(std::move(http), std::move(authorizer), std::move(options)));
  return std::unique_ptr<Client>(std::make_unique<BlockingClient>(std::move(service)));
}

Result<std::optional<std::string>> find_bucket_location(Client& client, std::string_view bucket, StopToken stop) {
  // A prefix finds the bucket on the first page, unless a thousand others begin with its name.
  constexpr unsigned kPages = 10;
  std::string marker;
  for (unsigned page_number = 0; page_number < kPages; ++page_number) {
    PAIL_TRY(const BucketsPage page, client.list_buckets_extended(bucket, marker, stop));
    for (const BucketInfo& info : page.buckets)
      if (info.name == bucket && !info.location.empty()) return std::optional(info.location);
    if (page.next_marker.empty() || page.next_marker == marker) break;
    marker = page.next_marker;
  }
  return std::optional<std::string>();
}

}  // namespace pail::cos
