#include "cos/client_object_store.h"

#include <utility>

#include "runtime/executor.h"

namespace pail::cos {
namespace {

constexpr unsigned kQuickThreads = 16;
constexpr unsigned kSlowThreads = 8;

class ClientObjectStore final : public ObjectStore {
 public:
  ClientObjectStore(std::shared_ptr<Client> client, std::string bucket)
      : client_(std::move(client)), bucket_(std::move(bucket)) {}

  void list_objects(ListRequest request, CallContext context, Completion<ListPage> then) override {
    quick_.run([this, request = std::move(request), context = std::move(context), then = std::move(then)] {
      then(list_objects(request, context));
    });
  }
  void head_object(std::string key, CallContext context, Completion<ObjectInfo> then) override {
    quick_.run([this, key = std::move(key), context = std::move(context), then = std::move(then)] {
      then(head_object(key, context));
    });
  }
  void get_object(std::string key, ByteCount limit, CallContext context, Completion<std::string> then) override {
    slow_.run([this, key = std::move(key), limit, context = std::move(context), then = std::move(then)] {
      then(get_object(key, limit, context));
    });
  }
  void get_object_range(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) override {
    request.bucket = bucket_;
    client_->get_object_async(std::move(request), std::move(handler), std::move(context));
  }
  void put_object(PutRequest request, CallContext context, Completion<PutResult> then) override {
    slow_.run([this, request = std::move(request), context = std::move(context), then = std::move(then)] {
      then(put_object(request, context));
    });
  }
  void copy_object(CopyRequest request, CallContext context, Completion<CopyResult> then) override {
    slow_.run([this, request = std::move(request), context = std::move(context), then = std::move(then)] {
      then(copy_object(request, context));
    });
  }
  void delete_object(std::string key, CallContext context, Completion<Unit> then) override {
    quick_.run([this, key = std::move(key), context = std::move(context), then = std::move(then)] {
      then(delete_object(key, context));
    });
  }
  void delete_objects(std::vector<std::string> keys, CallContext context,
                      Completion<std::vector<DeleteRefusal>> then) override {
    quick_.run([this, keys = std::move(keys), context = std::move(context), then = std::move(then)] {
      then(delete_objects(keys, context));
    });
  }
  void create_upload(std::string key, ObjectHeaders headers, Preconditions conditions, CallContext context,
                     Completion<UploadId> then) override {
    quick_.run([this, key = std::move(key), headers = std::move(headers), conditions = std::move(conditions),
                context = std::move(context),
                then = std::move(then)] { then(create_upload(key, headers, conditions, context)); });
  }
  void upload_part(UploadPart part, CallContext context, Completion<CompletedPart> then) override {
    slow_.run([this, part = std::move(part), context = std::move(context), then = std::move(then)] {
      then(upload_part(part, context));
    });
  }
  void upload_part_copy(UploadPartCopy part, CallContext context, Completion<CompletedPart> then) override {
    slow_.run([this, part = std::move(part), context = std::move(context), then = std::move(then)] {
      then(upload_part_copy(part, context));
    });
  }
  void complete_upload(CompleteUpload upload, CallContext context, Completion<PutResult> then) override {
    slow_.run([this, upload = std::move(upload), context = std::move(context), then = std::move(then)] {
      then(complete_upload(upload, context));
    });
  }
  void abort_upload(std::string key, UploadId upload, CallContext context, Completion<Unit> then) override {
    quick_.run([this, key = std::move(key), upload = std::move(upload), context = std::move(context),
                then = std::move(then)] { then(abort_upload(key, upload, context)); });
  }

  // ---- waiting ----

  Result<ListPage> list_objects(ListRequest request, CallContext context) override {
    return client_->list_objects(bucket_, request, std::move(context));
  }
  Result<ObjectInfo> head_object(std::string key, CallContext context) override {
    return client_->head_object(bucket_, key, std::move(context));
  }
  Result<std::string> get_object(std::string key, ByteCount limit, CallContext context) override {
    return client_->get_object(bucket_, key, limit, std::move(context));
  }
  Result<PutResult> put_object(PutRequest request, CallContext context) override {
    return client_->put_object(bucket_, request, std::move(context));
  }
  Result<CopyResult> copy_object(CopyRequest request, CallContext context) override {
    return client_->copy_object(bucket_, request, std::move(context));
  }
  Result<Unit> delete_object(std::string key, CallContext context) override {
    return client_->delete_object(bucket_, key, std::move(context));
  }
  Result<std::vector<DeleteRefusal>> delete_objects(std::vector<std::string> keys, CallContext context) override {
    return client_->delete_objects(bucket_, keys, std::move(context));
  }
  Result<UploadId> create_upload(std::string key, ObjectHeaders headers, Preconditions conditions,
                                 CallContext context) override {
    return client_->create_upload(bucket_, key, headers, conditions, std::move(context));
  }
  Result<CompletedPart> upload_part(UploadPart part, CallContext context) override {
    return client_->upload_part(bucket_, part.key, part.upload, part.number, std::move(part.body), part.content_md5,
                                std::move(context));
  }
  Result<CompletedPart> upload_part_copy(UploadPartCopy part, CallContext context) override {
    return client_->upload_part_copy(bucket_, part.key, part.upload, part.number, part.source, part.range,
                                     std::move(context));
  }
  Result<PutResult> complete_upload(CompleteUpload upload, CallContext context) override {
    return client_->complete_upload(bucket_, upload.key, upload.upload, upload.parts, upload.conditions,
                                    std::move(context));
  }
  Result<Unit> abort_upload(std::string key, UploadId upload, CallContext context) override {
    return client_->abort_upload(bucket_, key, upload, std::move(context));
  }

 private:
  const std::shared_ptr<Client> client_;
  const std::string bucket_;
  runtime::Executor quick_{kQuickThreads}, slow_{kSlowThreads};
};

}  // namespace

std::shared_ptr<ObjectStore> client_object_store(std::shared_ptr<Client> client, std::string bucket) {
  return std::make_shared<ClientObjectStore>(std::move(client), std::move(bucket));
}

}  // namespace pail::cos
