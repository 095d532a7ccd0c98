// One bucket of an object store, as a file system needs it: every operation can be started and goes on by itself.
//
//   store.head_object("report.csv", stop, [](Result<cos::ObjectInfo> info) { ... });   // goes on
//   auto info = store.head_object("report.csv", stop);                                 // waits
//
// What operations mean, and their errors, is said in pailfs/cos/client.h. Thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/promise.h"
#include "cos/completion.h"
#include "pailfs/cos/client.h"

namespace pail::cos {

struct UploadPart {
  std::string key;
  UploadId upload;
  unsigned number = 0;  // 1..kMaxParts
  std::shared_ptr<http::BodySource> body;
  std::string content_md5;  // base64; computed from `body` when empty
};

struct UploadPartCopy {
  std::string key;
  UploadId upload;
  unsigned number = 0;
  CopyRequest source;
  Extent range;
};

struct CompleteUpload {
  std::string key;
  UploadId upload;
  std::vector<CompletedPart> parts;  // in order of their numbers
  Preconditions conditions;
};

class ObjectStore {
 public:
  virtual ~ObjectStore() = default;

  virtual void list_objects(ListRequest request, CallContext context, Completion<ListPage> then) = 0;
  virtual void head_object(std::string key, CallContext context, Completion<ObjectInfo> then) = 0;
  // Whole object, at most `limit` bytes.
  virtual void get_object(std::string key, ByteCount limit, CallContext context, Completion<std::string> then) = 0;
  // Streams a range; GetRequest::bucket is left empty.
  virtual void get_object_range(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) = 0;
  virtual void put_object(PutRequest request, CallContext context, Completion<PutResult> then) = 0;
  virtual void copy_object(CopyRequest request, CallContext context, Completion<CopyResult> then) = 0;
  virtual void delete_object(std::string key, CallContext context, Completion<Unit> then) = 0;
  virtual void delete_objects(std::vector<std::string> keys, CallContext context,
                              Completion<std::vector<DeleteRefusal>> then) = 0;

  virtual void create_upload(std::string key, ObjectHeaders headers, Preconditions conditions, CallContext context,
                             Completion<UploadId> then) = 0;
  virtual void upload_part(UploadPart part, CallContext context, Completion<CompletedPart> then) = 0;
  virtual void upload_part_copy(UploadPartCopy part, CallContext context, Completion<CompletedPart> then) = 0;
  virtual void complete_upload(CompleteUpload upload, CallContext context, Completion<PutResult> then) = 0;
  virtual void abort_upload(std::string key, UploadId upload, CallContext context, Completion<Unit> then) = 0;

  // Whether it is proven that what copies an object under CopyRequest::source_if_match copies that version or nothing.
  // At once.
  virtual bool keeps_to_source_version() const = 0;

  // ---- the same, waiting; not on a thread of the store ----
  Result<ListPage> list_objects(ListRequest request, CallContext context = {}) {
    return wait<ListPage>([&](auto then) { list_objects(std::move(request), std::move(context), std::move(then)); });
  }
  Result<ObjectInfo> head_object(std::string key, CallContext context = {}) {
    return wait<ObjectInfo>([&](auto then) { head_object(std::move(key), std::move(context), std::move(then)); });
  }
  Result<std::string> get_object(std::string key, ByteCount limit, CallContext context = {}) {
    return wait<std::string>(
        [&](auto then) { get_object(std::move(key), limit, std::move(context), std::move(then)); });
  }
  Result<PutResult> put_object(PutRequest request, CallContext context = {}) {
    return wait<PutResult>([&](auto then) { put_object(std::move(request), std::move(context), std::move(then)); });
  }
  Result<CopyResult> copy_object(CopyRequest request, CallContext context = {}) {
    return wait<CopyResult>([&](auto then) { copy_object(std::move(request), std::move(context), std::move(then)); });
  }
  Result<Unit> delete_object(std::string key, CallContext context = {}) {
    return wait<Unit>([&](auto then) { delete_object(std::move(key), std::move(context), std::move(then)); });
  }
  Result<std::vector<DeleteRefusal>> delete_objects(std::vector<std::string> keys, CallContext context = {}) {
    return wait<std::vector<DeleteRefusal>>(
        [&](auto then) { delete_objects(std::move(keys), std::move(context), std::move(then)); });
  }
  Result<UploadId> create_upload(std::string key, ObjectHeaders headers, Preconditions conditions,
                                 CallContext context = {}) {
    return wait<UploadId>([&](auto then) {
      create_upload(std::move(key), std::move(headers), std::move(conditions), std::move(context), std::move(then));
    });
  }
  Result<CompletedPart> upload_part(UploadPart part, CallContext context = {}) {
    return wait<CompletedPart>([&](auto then) { upload_part(std::move(part), std::move(context), std::move(then)); });
  }
  Result<CompletedPart> upload_part_copy(UploadPartCopy part, CallContext context = {}) {
    return wait<CompletedPart>(
        [&](auto then) { upload_part_copy(std::move(part), std::move(context), std::move(then)); });
  }
  Result<PutResult> complete_upload(CompleteUpload upload, CallContext context = {}) {
    return wait<PutResult>([&](auto then) { complete_upload(std::move(upload), std::move(context), std::move(then)); });
  }
  Result<Unit> abort_upload(std::string key, UploadId upload, CallContext context = {}) {
    return wait<Unit>(
        [&](auto then) { abort_upload(std::move(key), std::move(upload), std::move(context), std::move(then)); });
  }

 private:
  template <class T, class Start>
  static Result<T> wait(Start start) {
    const Promise<Result<T>> answer;
    start(Completion<T>([answer](Result<T> result) { answer.set(std::move(result)); }));
    return answer.wait();
  }
};

}  // namespace pail::cos
