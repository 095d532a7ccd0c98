// Brings a local file into the bucket: one PUT, or a multipart upload in parallel that a new process can continue.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cos/object_store.h"
#include "local/names/name_store.h"
#include "pailfs/base/stop.h"
#include "runtime/counters.h"
#include "runtime/executor.h"
#include "vfs/types.h"
#include "vfs/upload_aborts.h"
#include "vfs/upload_notes.h"

namespace pail::vfs {

struct UploadJob {
  InodeNumber number = 0;
  std::string key;
  int descriptor = -1;  // of the local file; its bytes must not change during the upload
  ByteCount size;
  cos::ObjectHeaders headers;
  cos::ETag replaces;  // the version it was based on; empty: the key must be free
  // ETags of earlier uploads of ours to this key whose outcome is not known, as announced: replacing one of those is
  // replacing our own.
  std::string attempted;
  Lane lane = Lane::demand;
};

struct Uploaded {
  cos::ETag etag;
  std::vector<std::uint64_t> checksums;  // XXH3 of the file's blocks, for the block cache
  local::WriteWindow window;             // when the store wrote it
  WallTime confirmed{};                  // when it was asked to
};

// Thread-safe; jobs of one inode one after the other.
class Uploader {
 public:
  // `parallel` parts are on their way at a time; uploads at the same time take turns, part by part.
  // `clock` and `notes` outlive it.
  Uploader(local::NameStore& names, UploadNotes& notes, cos::ObjectStore& store, const Clock& clock,
           ByteCount part_size, unsigned parallel, runtime::Counters& counters);

  // When it returns a value the object is in the bucket, with this content.
  // Before an object may come into being its ETag is recorded as attempted with the inode, until it is known that none
  // did: an error need not say so, and the process may die.
  // Errors: ESTALE somebody else wrote the key in the meantime; EFBIG; EINTR; what the store says. A multipart upload
  // that failed stays recorded, and a later call for the same content and attributes goes on with it.
  Result<Uploaded> upload(const UploadJob& job, const StopToken& stop);
  // Stores a small object under a key that must be free. Errors: EEXIST it is not.
  Result<Uploaded> create(const std::string& key, const std::string& body, const cos::ObjectHeaders& headers,
                          const StopToken& stop);
  // Nobody goes on with the recorded upload of the inode, if there is one. It is aborted, but not waited for: see
  // UploadAborts.
  void let_go(InodeNumber number);
  // The same for all that earlier mounts began. Before this mount begins one.
  void let_go_left();
  // The same for those that no inode has recorded: the process before this one had let them go. Before this process
  // begins one.
  void let_go_unrecorded();
  // What is let go is aborted by these, from their begin() on.
  UploadAborts& aborts() { return aborts_; }

  std::uint64_t bytes_uploaded() const { return uploaded_.value(); }  // told as "uploaded_bytes"

 private:
  struct Part;
  class Parts;

  Result<Uploaded> put(UploadJob job, const StopToken& stop);
  Result<Uploaded> multipart(UploadJob job, const StopToken& stop);
  Result<local::UploadRecord> begin(const UploadJob& job, const StopToken& stop);
  Result<local::UploadRecord> begin_replacing(UploadJob& job, const StopToken& stop);
  Result<std::vector<Part>> send_parts(const UploadJob& job, const local::UploadRecord& upload, const StopToken& stop);
  using SendPart = std::function<Result<Part>(Part)>;
  void send_next(Lane lane, const std::shared_ptr<Parts>& parts, const SendPart& send);
  // Aborts the recorded upload of the inode, so that another one may begin. What cannot be aborted now is let go.
  // Errors: EINTR, and it stays recorded.
  Result<Unit> abandon(InodeNumber number, const StopToken& stop);
  Result<Part> send_part(const UploadJob& job, const cos::UploadId& upload, Part part, const StopToken& stop);
  // Makes sure that the next mount knows of it. False: it would not.
  bool note(InodeNumber number, const local::UploadRecord& upload);
  enum class Announced { now, before };
  Result<Announced> announce(const UploadJob& job, const std::string& etag);
  void take_back(Announced announced, const UploadJob& job, const std::string& etag, const Error& failure);
  // A refused precondition may be our own earlier success. Done: the object is what was sent, as `etag` tells. Again:
  // it is what an earlier upload of ours sent, and may be replaced.
  enum class Verdict { done, again };
  Result<Verdict> judge(UploadJob& job, const std::string& etag, const Error& refused, const cos::CallContext& context);

  local::NameStore& names_;
  UploadNotes& notes_;
  cos::ObjectStore& store_;
  const Clock& clock_;
  const ByteCount part_size_;
  const unsigned parallel_;
  const runtime::Counters::Counter uploaded_;
  UploadAborts aborts_;
  runtime::Executor senders_;
};

}  // namespace pail::vfs
