#include "cos/bucket_store.h"

#include <utility>

#include "cos/adapted_store.h"
#include "cos/operations/copy.h"
#include "cos/operations/delete.h"
#include "cos/operations/listing.h"
#include "cos/operations/multipart.h"
#include "cos/operations/objects.h"
#include "cos/operations/ranged_get.h"

namespace pail::cos {
namespace {

class BucketStore final : public ObjectStore {
 public:
  BucketStore(std::shared_ptr<Service> service, std::string bucket)
      : service_(std::move(service)), bucket_(std::move(bucket)) {}
  ~BucketStore() override { running_.wait(); }

  bool keeps_to_source_version() const override { return false; }
  void list_objects(ListRequest request, CallContext context, Completion<ListPage> then) override {
    begin(op::ListObjects{bucket_, std::move(request)}, std::move(context), std::move(then));
  }
  void head_object(std::string key, CallContext context, Completion<ObjectInfo> then) override {
    begin(op::HeadObject{bucket_, std::move(key)}, std::move(context), std::move(then));
  }
  void get_object(std::string key, ByteCount limit, CallContext context, Completion<std::string> then) override {
    begin(op::GetObject{bucket_, std::move(key), limit}, std::move(context), std::move(then));
  }
  void get_object_range(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) override {
    request.bucket = bucket_;
    op::start_ranged_get(*service_, std::move(request), std::move(handler), std::move(context));
  }
  void put_object(PutRequest request, CallContext context, Completion<PutResult> then) override {
    begin(op::PutObject{bucket_, std::move(request)}, std::move(context), std::move(then));
  }
  void copy_object(CopyRequest request, CallContext context, Completion<CopyResult> then) override {
    begin(op::CopyObject{bucket_, std::move(request)}, std::move(context), std::move(then));
  }
  void delete_object(std::string key, CallContext context, Completion<Unit> then) override {
    begin(op::DeleteObject{bucket_, std::move(key)}, std::move(context), std::move(then));
  }
  void delete_objects(std::vector<std::string> keys, CallContext context,
                      Completion<std::vector<DeleteRefusal>> then) override {
    begin(op::DeleteObjects{bucket_, std::move(keys)}, std::move(context), std::move(then));
  }

  void create_upload(std::string key, ObjectHeaders headers, Preconditions conditions, CallContext context,
                     Completion<UploadId> then) override {
    begin(op::CreateUpload{bucket_, std::move(key), std::move(headers), std::move(conditions)}, std::move(context),
          std::move(then));
  }
  void upload_part(UploadPart part, CallContext context, Completion<CompletedPart> then) override {
    begin(op::UploadPart{bucket_, std::move(part)}, std::move(context), std::move(then));
  }
  void upload_part_copy(UploadPartCopy part, CallContext context, Completion<CompletedPart> then) override {
    begin(op::CopyPart{bucket_, std::move(part)}, std::move(context), std::move(then));
  }
  void complete_upload(CompleteUpload upload, CallContext context, Completion<PutResult> then) override {
    begin(op::CompleteUpload{bucket_, std::move(upload)}, std::move(context), std::move(then));
  }
  void abort_upload(std::string key, UploadId upload, CallContext context, Completion<Unit> then) override {
    begin(op::AbortUpload{bucket_, std::move(key), std::move(upload)}, std::move(context), std::move(then));
  }

 private:
  template <class Operation>
  void begin(Operation operation, CallContext context, Completion<typename Operation::Value> then) {
    start(*service_, std::move(operation), std::move(context),
          Completion<typename Operation::Value>(
              [running = running_.enter(), then = std::move(then)](auto value) { then(std::move(value)); }));
  }

  const std::shared_ptr<Service> service_;
  const std::string bucket_;
  RunningTransfers running_;  // completions that are still to be called
};

}  // namespace

std::shared_ptr<ObjectStore> open_bucket(const Client& client, std::string bucket) {
  const std::shared_ptr<Service> service = client.service();
  return adapt(std::make_shared<BucketStore>(service, std::move(bucket)), service->dialect());
}

}  // namespace pail::cos
