// A client of one object store endpoint: a typed function for each operation.
//
//   auto store = cos::Client::create(http, authorizer, {.url =
//   "https://s3.eu-de.cloud-object-storage.appdomain.cloud"}); auto info = (*store)->head_object("my-bucket",
//   "report.csv");
//
// Every call signs, sends, retries what may be retried within Options::deadline, and turns the server's answer into a
// value or an Error whose context names the operation, the key, the server's code and request id. A redirect is
// followed to the same resource of the same store, three times at most, and is an error where it leads elsewhere.
//
// Thread-safe. Calls block until answered, except get_object_async; a stop token ends the wait with EINTR.
//
// Error::fault says what happened (pailfs/cos/fault.h), the errno says it to programs: ENOENT the store has no such
// key, proven by its own answer; ENODEV no such bucket; EACCES refused; EPERM protected by retention or
// legal hold; ESTALE a precondition failed; EEXIST bucket exists; ENOTEMPTY; EREMOTEIO archived, restore it first;
// EINVAL bad argument; ENAMETOOLONG key; EFBIG too large; ENOSPC quota; ETIMEDOUT; ECONNREFUSED, EHOSTUNREACH,
// EPROTO (TLS); EBADMSG an answer that is not what the protocol says; EOPNOTSUPP the store lacks the operation; EIO.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "pailfs/auth/authorizer.h"
#include "pailfs/base/clock.h"
#include "pailfs/base/lane.h"
#include "pailfs/base/stop.h"
#include "pailfs/cos/fault.h"
#include "pailfs/cos/types.h"
#include "pailfs/http/budget.h"
#include "pailfs/http/client.h"

namespace pail::cos {

enum class Addressing { path, virtual_host };

// Where it stands that the store does not answer, and that it does again.
enum class Outages {
  logged,     // once, as a warning, beside the errors of the calls
  in_errors,  // nowhere else: for a program that ends with its first error and says it
};

struct ClientOptions {
  std::string url;  // scheme://host[:port], no path
  Addressing addressing = Addressing::path;
  ListVersion list_version = ListVersion::v2;
  // How long one operation may go on without progress: all its attempts, pauses, redirects and confirming look-ups
  // together. A body that moves is progress, so a large transfer lasts as long as it must; the same bytes sent again
  // are none. Copies and completed uploads, over which a store may be silent, get twice the time.
  std::chrono::milliseconds deadline{60'000};
  std::chrono::milliseconds first_byte{20'000};  // silence that ends one attempt
  unsigned retries = 9;                          // attempts after the first, while the deadline has not passed
  // For pauses and for what is known of the store; deadlines are the network's. Outlives the client.
  const Clock* clock = &system_clock();
  // Keeps what is learnt of the store, for the next process; its directory is there. Empty: nothing is kept.
  std::filesystem::path dialect_file;
  Outages outages = Outages::logged;
};

// While the store counts as down: from the moment an operation has used up its whole deadline without an answer, until
// any operation is answered.
enum class Effort {
  probe,  // one attempt of at most kProbeTime
  full,   // all attempts and the whole deadline: for bytes that would otherwise stay here
  once,   // one attempt of at most kProbeTime, whether the store is down or not: for what may as well be left undone
};
inline constexpr std::chrono::milliseconds kProbeTime{5'000};

// Who may end a call, how much it tries and how urgent it is. A stop token alone will do.
struct CallContext {
  CallContext() = default;
  CallContext(StopToken ends, Effort tries = Effort::probe, Lane urgency = Lane::demand)
      : stop(std::move(ends)), effort(tries), lane(urgency) {}
  CallContext(StopToken ends, Lane urgency) : CallContext(std::move(ends), Effort::probe, urgency) {}

  StopToken stop;
  Effort effort = Effort::probe;
  Lane lane = Lane::demand;              // of all attempts
  std::shared_ptr<http::Budget> budget;  // of a larger operation that the call is part of; null: its own
};

// Receives the bytes of one ranged GET, on a network thread; must return quickly.
class GetHandler {
 public:
  virtual ~GetHandler() = default;
  // Bytes that continue where the last call ended, starting at the range's begin. False cancels.
  virtual bool on_data(std::span<const std::byte> data) = 0;
  // Exactly once, last. With a value: every byte of the range (cut at the object's end) was delivered.
  virtual void on_done(Result<ObjectInfo> outcome) = 0;
};

struct GetRequest {
  std::string bucket, key;
  Extent range;   // not empty; may reach beyond the object's end, but not begin there (EINVAL, or no bytes)
  ETag if_match;  // empty: whatever is there; a retry within the call is pinned to the first answer's ETag
};

class Service;  // src/cos/service.h: what the library itself uses

class Client {
 public:
  static Result<std::unique_ptr<Client>> create(std::shared_ptr<http::Client> http,
                                                std::shared_ptr<auth::Authorizer> authorizer, ClientOptions options);
  virtual ~Client() = default;

  // ---- service ----
  // `extended` adds locations and pages (IBM only).
  virtual Result<BucketsPage> list_buckets(CallContext context = {}) = 0;
  virtual Result<BucketsPage> list_buckets_extended(std::string_view prefix, std::string_view marker,
                                                    CallContext context = {}) = 0;

  // ---- buckets ----
  // `location`: provisioning code such as "eu-de-smart", empty for the endpoint's own.
  virtual Result<Unit> create_bucket(std::string_view bucket, std::string_view location, CallContext context = {}) = 0;
  virtual Result<Unit> head_bucket(std::string_view bucket, CallContext context = {}) = 0;
  virtual Result<Unit> delete_bucket(std::string_view bucket, CallContext context = {}) = 0;
  virtual Result<std::string> bucket_location(std::string_view bucket, CallContext context = {}) = 0;

  // ---- objects ----
  virtual Result<ListPage> list_objects(std::string_view bucket, const ListRequest& request,
                                        CallContext context = {}) = 0;
  virtual Result<ObjectInfo> head_object(std::string_view bucket, std::string_view key, CallContext context = {}) = 0;
  // Whole object, at most `limit` bytes. Errors: EFBIG when it is larger.
  virtual Result<std::string> get_object(std::string_view bucket, std::string_view key, ByteCount limit,
                                         CallContext context = {}) = 0;
  // Streams a range. Interrupted transfers continue from the byte they reached.
  virtual void get_object_async(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context = {}) = 0;
  virtual Result<PutResult> put_object(std::string_view bucket, const PutRequest& request,
                                       CallContext context = {}) = 0;
  virtual Result<CopyResult> copy_object(std::string_view bucket, const CopyRequest& request,
                                         CallContext context = {}) = 0;
  // Deleting what is not there succeeds.
  virtual Result<Unit> delete_object(std::string_view bucket, std::string_view key, CallContext context = {}) = 0;
  // At most kMaxDeleteKeys keys. The value names the keys that were refused.
  virtual Result<std::vector<DeleteRefusal>> delete_objects(std::string_view bucket,
                                                            const std::vector<std::string>& keys,
                                                            CallContext context = {}) = 0;

  // ---- multipart uploads ----
  virtual Result<UploadId> create_upload(std::string_view bucket, std::string_view key, const ObjectHeaders& headers,
                                         const Preconditions& conditions, CallContext context = {}) = 0;
  // `content_md5` base64, computed from `body` when empty.
  virtual Result<CompletedPart> upload_part(std::string_view bucket, std::string_view key, const UploadId& id,
                                            unsigned number, std::shared_ptr<http::BodySource> body,
                                            std::string_view content_md5, CallContext context = {}) = 0;
  virtual Result<CompletedPart> upload_part_copy(std::string_view bucket, std::string_view key, const UploadId& id,
                                                 unsigned number, const CopyRequest& source, Extent range,
                                                 CallContext context = {}) = 0;
  virtual Result<PutResult> complete_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                            const std::vector<CompletedPart>& parts, const Preconditions& conditions,
                                            CallContext context = {}) = 0;
  virtual Result<Unit> abort_upload(std::string_view bucket, std::string_view key, const UploadId& id,
                                    CallContext context = {}) = 0;
  virtual Result<PartsPage> list_parts(std::string_view bucket, std::string_view key, const UploadId& id,
                                       unsigned after_part, CallContext context = {}) = 0;
  virtual Result<UploadsPage> list_uploads(std::string_view bucket, std::string_view prefix,
                                           std::string_view key_marker, std::string_view upload_id_marker,
                                           CallContext context = {}) = 0;

  // What this client works on, for what else shall share it.
  virtual std::shared_ptr<Service> service() const = 0;
};

// Where a bucket is, as a provisioning code, looked up among all buckets of the service instance: explains no_bucket
// from an endpoint of another location. None when the instance has no such bucket or the store does not tell locations.
Result<std::optional<std::string>> find_bucket_location(Client& client, std::string_view bucket, StopToken stop = {});

}  // namespace pail::cos
