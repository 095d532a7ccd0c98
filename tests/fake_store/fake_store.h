// An object store in memory for tests of the file system: quick, deterministic, and with everything
// that goes wrong on request (fake_store/script.h).
//
//   auto store = std::make_shared<fake::FakeStore>();
//   auto fs = vfs::FileSystem::open(options, store, opens, Start::fresh);
//   store->put("a", "other clients write so");
//
// Requests are carried out one after the other on the store's own thread, which also gives the
// answers: in the order in which they came, but for those that are held or delayed. A stop token
// ends a request wherever it is; a bucket that was meanwhile changed by it stays changed, but an
// upload that was begun for nobody is aborted. Delays are of the store's own clock, which stands
// still until it is moved. Thread-safe. Its end answers what is under way with Fault::stopped.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/thread.h"
#include "fake_store/bucket.h"
#include "fake_store/script.h"

namespace pail::fake {

// A request as it came.
struct Request {
  Operation operation;
  std::string key;
  Lane lane = Lane::demand;
};

class FakeStore final : public cos::ObjectStore {
 public:
  // The clock begins at `now`.
  explicit FakeStore(std::uint64_t seed = 1, WallTime now = system_clock().wall());
  ~FakeStore() override;
  FakeStore(const FakeStore&) = delete;
  FakeStore& operator=(const FakeStore&) = delete;

  // ---- what requests meet ----
  void fail(Match match, Trouble trouble) PAIL_EXCLUDES(mutex_);
  void cut(Match match, Cut cut) PAIL_EXCLUDES(mutex_);
  void delay(Match match, Moment moment, std::chrono::nanoseconds time) PAIL_EXCLUDES(mutex_);
  [[nodiscard]] Hold hold(Match match, Moment moment) PAIL_EXCLUDES(mutex_);
  void behave() PAIL_EXCLUDES(mutex_);  // without the rules above; who is held stays there
  void set(const Rules& rules) PAIL_EXCLUDES(mutex_);
  void pass(std::chrono::nanoseconds time) PAIL_EXCLUDES(mutex_);  // of the store's clock

  // ---- which came, in their order ----
  std::vector<Request> requests() const PAIL_EXCLUDES(mutex_);
  unsigned count(Operation operation, std::string_view key = {}) const PAIL_EXCLUDES(mutex_);
  void forget_requests() PAIL_EXCLUDES(mutex_);

  // ---- other clients, and tests that look: at once, past all rules and uncounted ----
  void put(const std::string& key, std::string bytes, cos::ObjectHeaders headers = {})
      PAIL_EXCLUDES(mutex_);
  void put_zeros(const std::string& key, ByteCount size) PAIL_EXCLUDES(mutex_);
  void remove(const std::string& key) PAIL_EXCLUDES(mutex_);
  // False: there is no such key.
  bool copy(const std::string& from, const std::string& to) PAIL_EXCLUDES(mutex_);
  // Writes the same bytes and headers again, with the time of now. An object that was uploaded in
  // parts gets another ETag, as with a copy. False: there is no such key.
  bool touch(const std::string& key) PAIL_EXCLUDES(mutex_);
  std::optional<std::string> bytes(const std::string& key) const PAIL_EXCLUDES(mutex_);
  std::optional<cos::ObjectInfo> info(const std::string& key) const PAIL_EXCLUDES(mutex_);
  std::vector<std::string> keys() const PAIL_EXCLUDES(mutex_);
  std::size_t open_uploads() const PAIL_EXCLUDES(mutex_);
  void abort_uploads() PAIL_EXCLUDES(mutex_);

  // ---- cos::ObjectStore ----
  using ObjectStore::abort_upload, ObjectStore::complete_upload, ObjectStore::copy_object;
  using ObjectStore::create_upload, ObjectStore::delete_object, ObjectStore::delete_objects;
  using ObjectStore::get_object, ObjectStore::head_object, ObjectStore::list_objects;
  using ObjectStore::put_object, ObjectStore::upload_part, ObjectStore::upload_part_copy;
  void list_objects(cos::ListRequest request, cos::CallContext context,
                    cos::Completion<cos::ListPage> then) override;
  void head_object(std::string key, cos::CallContext context,
                   cos::Completion<cos::ObjectInfo> then) override;
  void get_object(std::string key, ByteCount limit, cos::CallContext context,
                  cos::Completion<std::string> then) override;
  void get_object_range(cos::GetRequest request, std::shared_ptr<cos::GetHandler> handler,
                        cos::CallContext context) override;
  void put_object(cos::PutRequest request, cos::CallContext context,
                  cos::Completion<cos::PutResult> then) override;
  void copy_object(cos::CopyRequest request, cos::CallContext context,
                   cos::Completion<cos::CopyResult> then) override;
  void delete_object(std::string key, cos::CallContext context,
                     cos::Completion<Unit> then) override;
  void delete_objects(std::vector<std::string> keys, cos::CallContext context,
                      cos::Completion<std::vector<cos::DeleteRefusal>> then) override;
  void create_upload(std::string key, cos::ObjectHeaders headers, cos::Preconditions conditions,
                     cos::CallContext context, cos::Completion<cos::UploadId> then) override;
  void upload_part(cos::UploadPart part, cos::CallContext context,
                   cos::Completion<cos::CompletedPart> then) override;
  void upload_part_copy(cos::UploadPartCopy part, cos::CallContext context,
                        cos::Completion<cos::CompletedPart> then) override;
  void complete_upload(cos::CompleteUpload upload, cos::CallContext context,
                       cos::Completion<cos::PutResult> then) override;
  void abort_upload(std::string key, cos::UploadId upload, cos::CallContext context,
                    cos::Completion<Unit> then) override;
  bool keeps_to_source_version() const override { return false; }

 private:
  // Gives the answer, or an error in its place.
  using Deliver = std::function<void(const std::optional<Error>& instead)>;
  // Carries a request out.
  using Effect = std::function<Deliver(Bucket&, Script&, const Plan&)>;

  // One way of a request, and what it waits for.
  struct Way {
    std::vector<std::shared_ptr<Gate>> gates;
    WallTime due{};
  };
  struct Going {
    Request request;
    Plan plan;
    cos::CallContext context;
    std::shared_ptr<StopCallback> on_stop;
    Way way;
    Effect carry_out;
    Deliver refuse;
    std::function<void(Bucket&)> undo;  // null: nothing, when nobody waits for the answer any more
  };
  struct Returning {
    Going going;
    Way way;
    Deliver deliver;
    std::optional<Error> instead;
  };

  template <class T, class Carry>
  void start(Request request, cos::CallContext context, cos::Completion<T> then, Carry carry);
  void begin(Going going) PAIL_EXCLUDES(mutex_);
  void work() PAIL_EXCLUDES(mutex_);
  std::function<void()> next_answer() PAIL_EXCLUDES(mutex_);
  bool is_over(const Going& going) const PAIL_REQUIRES(mutex_);
  bool may_pass(const Way& way, const Going& going) const PAIL_REQUIRES(mutex_);
  Returning carried_out(Going going) PAIL_REQUIRES(mutex_);
  Way way_of(const Plan::Way& planned) const PAIL_REQUIRES(mutex_);
  std::function<void()> answer_of(Returning returning) PAIL_REQUIRES(mutex_);

  const std::shared_ptr<Wake> wake_ = std::make_shared<Wake>();
  mutable Mutex mutex_;
  Bucket bucket_ PAIL_GUARDED_BY(mutex_);
  Script script_ PAIL_GUARDED_BY(mutex_);
  std::vector<Request> requests_ PAIL_GUARDED_BY(mutex_);
  std::list<std::variant<Going, Returning>> under_way_ PAIL_GUARDED_BY(mutex_);
  bool ending_ PAIL_GUARDED_BY(mutex_) = false;
  Thread thread_;  // last: it uses the others
};

}  // namespace pail::fake
