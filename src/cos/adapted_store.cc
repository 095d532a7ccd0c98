#include "cos/adapted_store.h"

#include <fmt/format.h>

#include <functional>
#include <optional>
#include <utility>

#include "cos/errors.h"
#include "cos/running_transfers.h"
#include "cos/version_copy.h"

namespace pail::cos {
namespace {

Error changed_by_others(const std::string& what) {
  return {ESTALE, fmt::format("{}: the object was changed by somebody else", what), Fault::precondition};
}

// How it is found out whether conditions on a kind of write count.
enum class Proof : std::uint8_t {
  repeated,    // after a look at the object; once it succeeded it is sent again under a condition that must fail
  first,       // it is sent first under a condition that must fail
  after_look,  // so, but first the object is looked at
};

// What became of the same write under a condition that nobody can meet.
enum class Earlier : std::uint8_t { none, in_doubt };

// One write under conditions, as far as the store keeps to them.
template <class T>
class ConditionalWrite final : public std::enable_shared_from_this<ConditionalWrite<T>> {
 public:
  using Send = std::function<void(Preconditions, CallContext, Completion<T>)>;

  struct Job {
    std::string what;  // safe text
    std::string key;
    Preconditions conditions;  // if_match or if_absent
    Ability ability;
    Proof proof;
    CallContext context;
    Send send;
  };

  ConditionalWrite(ObjectStore& store, Dialect& dialect, Job job, Completion<T> then)
      : store_(store), dialect_(dialect), job_(std::move(job)), then_(std::move(then)) {}

  void begin() {
    switch (dialect_.known(job_.ability)) {
      case Known::missing:
        return without_conditions();
      case Known::there:
        return with_conditions();
      case Known::unknown:
        return find_out();
    }
  }

 private:
  // A look stands in for conditions that may not count. A begin needs none: its end is looked at.
  void find_out() {
    if (job_.proof == Proof::first) return prove_or_write();
    look([self = this->shared_from_this()] { self->prove_or_write(); });
  }

  void prove_or_write() {
    if (!dialect_.take_proof(job_.ability)) return with_conditions();
    job_.proof == Proof::repeated ? write_and_repeat() : prove();
  }

  // Goes on while the object is the one that the write is based on.
  void look(std::function<void()> next) {
    store_.head_object(job_.key, job_.context,
                       [self = this->shared_from_this(), next = std::move(next)](Result<ObjectInfo> info) {
                         if (!info && info.error().fault != Fault::no_key) return self->then_(info.error());
                         const ETag& wanted = self->job_.conditions.if_match;
                         const bool as_expected = info ? info->etag == wanted : wanted.empty();
                         as_expected ? next() : self->then_(changed_by_others(self->job_.what));
                       });
  }

  void with_conditions(Earlier earlier = Earlier::none) {
    job_.send(job_.conditions, job_.context, [self = this->shared_from_this(), earlier](Result<T> written) {
      if (written) return self->then_(std::move(written));
      Error why = std::move(written).error();
      if (earlier == Earlier::in_doubt) why.may_have_happened = true;
      self->refused(std::move(why));
    });
  }

  void refused(Error why) {
    if (why.fault == Fault::unsupported) return without_conditions();
    // Nothing to match: some stores answer so instead of 412.
    const bool gone = why.fault == Fault::no_key && !job_.conditions.if_match.empty();
    then_(gone ? changed_by_others(why.context) : std::move(why));
  }

  void without_conditions() {
    look([self = this->shared_from_this()] {
      self->job_.send({}, self->job_.context, [self](Result<T> written) {
        if (written) self->dialect_.proven_missing(self->job_.ability);
        self->then_(std::move(written));
      });
    });
  }

  void write_and_repeat() {
    job_.send(job_.conditions, job_.context, [self = this->shared_from_this()](Result<T> written) {
      if (written) return self->repeat(*std::move(written), self->most_repetitions());
      self->dialect_.give_back_proof(self->job_.ability);
      self->refused(std::move(written).error());
    });
  }

  // Others may have removed the object before If-None-Match: * was asked again; an ETag that no object has never holds.
  unsigned most_repetitions() const { return job_.conditions.if_absent ? 2 : 1; }

  // The write has been carried out: what stands there now is it, or what others made of it.
  void repeat(T written, unsigned repetitions) {
    send_once(must_fail_again(),
              [self = this->shared_from_this(), written = std::move(written), repetitions](Result<T> again) {
                if (again && repetitions > 1) return self->repeat(*std::move(again), repetitions - 1);
                if (again) self->repetitions_succeeded();
                if (condition_failed(again)) self->dialect_.proven_there(self->job_.ability);
                self->then_(again ? std::move(again) : Result<T>(written));
              });
  }

  void repetitions_succeeded() {
    job_.conditions.if_absent ? dialect_.seems_missing(job_.ability, job_.key) : dialect_.proven_missing(job_.ability);
  }

  // After any failure but the caller's stop the write itself may fare better.
  void prove() {
    send_once({.if_match = {std::string(kNobodysETag)}, .if_none_match = {}},
              [self = this->shared_from_this()](Result<T> written) {
                if (written) self->dialect_.proven_missing(self->job_.ability);
                if (written || written.error().fault == Fault::stopped) return self->then_(std::move(written));
                // Nobody meets this condition, so no attempt of ours made it fail.
                const bool refused = condition_failed(written);
                if (refused) self->dialect_.proven_there(self->job_.ability);
                const bool in_doubt = !refused && written.error().may_have_happened;
                self->with_conditions(in_doubt ? Earlier::in_doubt : Earlier::none);
              });
  }

  void send_once(Preconditions conditions, Completion<T> then) {
    CallContext context = job_.context;
    context.effort = Effort::once;
    job_.send(std::move(conditions), std::move(context), std::move(then));
  }

  // Never the condition of the write itself: an object that others put there meanwhile must not fulfil it.
  Preconditions must_fail_again() const {
    if (job_.conditions.if_absent) return {.if_match = {}, .if_none_match = {}, .if_absent = true};
    return {.if_match = {std::string(kNobodysETag)}, .if_none_match = {}};
  }

  static bool condition_failed(const Result<T>& outcome) {
    return !outcome && (outcome.error().fault == Fault::precondition || outcome.error().fault == Fault::no_key);
  }

  ObjectStore& store_;
  Dialect& dialect_;
  const Job job_;
  const Completion<T> then_;
};

// The copy of a directory marker, which is nothing but its headers.
class MarkerCopy final : public std::enable_shared_from_this<MarkerCopy> {
 public:
  explicit MarkerCopy(CopyCall call) : call_(std::move(call)) {}

  void begin() {
    if (call_.dialect.known(Ability::marker_copy) == Known::missing) return look(std::nullopt);
    copy();
  }

 private:
  void copy() {
    copy_version({call_.store, call_.dialect, call_.request, call_.context,
                  [self = shared_from_this()](Result<CopyResult> copied) {
                    if (!copied && copied.error().fault == Fault::refused) return self->look(std::move(copied).error());
                    if (copied) self->call_.dialect.proven_there(Ability::marker_copy);
                    self->call_.then(std::move(copied));
                  }});
  }

  // `refusal` is what a copy was answered, none where it was not tried.
  void look(std::optional<Error> refusal) {
    auto found = [self = shared_from_this(), refusal = std::move(refusal)](Result<ObjectInfo> info) {
      if (!info) return self->call_.then(info.error());
      if (info->size.n == 0) return self->write(*info);
      // With bytes it is no marker.
      refusal ? self->call_.then(*refusal) : copy_version(self->call_);
    };
    call_.store.head_object(call_.request.source_key, call_.context, std::move(found));
  }

  void write(const ObjectInfo& source) {
    if (!call_.request.source_if_match.empty() && call_.request.source_if_match != source.etag)
      return call_.then(changed_by_others("COPY " + readable(call_.request.source_key)));
    const bool replace = call_.request.directive == MetadataDirective::replace;
    PutRequest put{.key = call_.request.key,
                   .body = nullptr,
                   .content_md5 = {},
                   .headers = replace ? call_.request.headers : source.headers,
                   .conditions = call_.request.conditions};
    call_.store.put_object(std::move(put), call_.context, [self = shared_from_this()](Result<PutResult> written) {
      if (!written) return self->call_.then(written.error());
      self->call_.dialect.proven_missing(Ability::marker_copy);
      const bool looked_at = !self->call_.request.source_if_match.empty();
      self->call_.then(CopyResult{written->etag, {}, looked_at ? CopiedVersion::asked_for : CopiedVersion::unknown});
    });
  }

  const CopyCall call_;
};

class AdaptedStore final : public ObjectStore {
 public:
  AdaptedStore(std::shared_ptr<ObjectStore> store, std::shared_ptr<Dialect> dialect)
      : store_(std::move(store)), dialect_(std::move(dialect)) {}
  ~AdaptedStore() override { running_.wait(); }

  bool keeps_to_source_version() const override { return dialect_->known(Ability::copy_source_match) == Known::there; }
  void list_objects(ListRequest request, CallContext context, Completion<ListPage> then) override {
    store_->list_objects(std::move(request), std::move(context), std::move(then));
  }
  void head_object(std::string key, CallContext context, Completion<ObjectInfo> then) override {
    store_->head_object(std::move(key), std::move(context), std::move(then));
  }
  void get_object(std::string key, ByteCount limit, CallContext context, Completion<std::string> then) override {
    store_->get_object(std::move(key), limit, std::move(context), std::move(then));
  }
  void get_object_range(GetRequest request, std::shared_ptr<GetHandler> handler, CallContext context) override {
    store_->get_object_range(std::move(request), std::move(handler), std::move(context));
  }
  void delete_object(std::string key, CallContext context, Completion<Unit> then) override {
    store_->delete_object(std::move(key), std::move(context), std::move(then));
  }
  void delete_objects(std::vector<std::string> keys, CallContext context,
                      Completion<std::vector<DeleteRefusal>> then) override {
    store_->delete_objects(std::move(keys), std::move(context), std::move(then));
  }
  void upload_part(UploadPart part, CallContext context, Completion<CompletedPart> then) override {
    store_->upload_part(std::move(part), std::move(context), std::move(then));
  }
  void upload_part_copy(UploadPartCopy part, CallContext context, Completion<CompletedPart> then) override {
    store_->upload_part_copy(std::move(part), std::move(context), std::move(then));
  }
  void abort_upload(std::string key, UploadId upload, CallContext context, Completion<Unit> then) override {
    store_->abort_upload(std::move(key), std::move(upload), std::move(context), std::move(then));
  }

  void put_object(PutRequest request, CallContext context, Completion<PutResult> then) override {
    if (!adaptable(request.conditions))
      return store_->put_object(std::move(request), std::move(context), std::move(then));
    const bool small = request.body == nullptr || request.body->size() <= kLargestRepeated;
    const bool creates = request.conditions.if_absent;
    begin<PutResult>({.what = "PUT " + readable(request.key),
                      .key = request.key,
                      .conditions = request.conditions,
                      .ability = creates ? Ability::put_if_absent : Ability::put_if_match,
                      .proof = creates || small ? Proof::repeated : Proof::after_look,
                      .context = std::move(context),
                      .send =
                          [this, request](Preconditions conditions, CallContext by, Completion<PutResult> end) {
                            PutRequest put = request;
                            put.conditions = std::move(conditions);
                            store_->put_object(std::move(put), std::move(by), std::move(end));
                          }},
                     std::move(then));
  }
  void copy_object(CopyRequest request, CallContext context, Completion<CopyResult> then) override {
    const bool marker = request.key.ends_with('/') && request.source_bucket.empty();
    CopyCall call{*store_, *dialect_, std::move(request), std::move(context), while_running(std::move(then))};
    marker ? std::make_shared<MarkerCopy>(std::move(call))->begin() : copy_version(std::move(call));
  }
  void create_upload(std::string key, ObjectHeaders headers, Preconditions conditions, CallContext context,
                     Completion<UploadId> then) override {
    if (!adaptable(conditions))
      return store_->create_upload(std::move(key), std::move(headers), std::move(conditions), std::move(context),
                                   std::move(then));
    begin<UploadId>({.what = fmt::format("POST {} (begin upload)", readable(key)),
                     .key = key,
                     .conditions = std::move(conditions),
                     .ability = Ability::upload_begin,
                     .proof = Proof::first,
                     .context = std::move(context),
                     .send =
                         [this, key, headers](Preconditions chosen, CallContext by, Completion<UploadId> end) {
                           store_->create_upload(key, headers, std::move(chosen), std::move(by), std::move(end));
                         }},
                    std::move(then));
  }
  void complete_upload(CompleteUpload upload, CallContext context, Completion<PutResult> then) override {
    if (!adaptable(upload.conditions))
      return store_->complete_upload(std::move(upload), std::move(context), std::move(then));
    begin<PutResult>({.what = fmt::format("POST {} (complete upload)", readable(upload.key)),
                      .key = upload.key,
                      .conditions = upload.conditions,
                      .ability = Ability::upload_end,
                      .proof = Proof::after_look,
                      .context = std::move(context),
                      .send =
                          [this, upload](Preconditions conditions, CallContext by, Completion<PutResult> end) {
                            CompleteUpload chosen = upload;
                            chosen.conditions = std::move(conditions);
                            store_->complete_upload(std::move(chosen), std::move(by), std::move(end));
                          }},
                     std::move(then));
  }

 private:
  // That of another version has no substitute.
  static bool adaptable(const Preconditions& conditions) {
    return conditions.if_none_match.empty() && conditions.if_match.empty() == conditions.if_absent;
  }
  template <class T>
  Completion<T> while_running(Completion<T> then) {
    return [running = running_.enter(), then = std::move(then)](Result<T> outcome) { then(std::move(outcome)); };
  }
  template <class T>
  void begin(typename ConditionalWrite<T>::Job job, Completion<T> then) {
    std::make_shared<ConditionalWrite<T>>(*store_, *dialect_, std::move(job), while_running(std::move(then)))->begin();
  }

  const std::shared_ptr<ObjectStore> store_;
  const std::shared_ptr<Dialect> dialect_;
  RunningTransfers running_;  // completions that are still to be called
};

}  // namespace

std::shared_ptr<ObjectStore> adapt(std::shared_ptr<ObjectStore> store, std::shared_ptr<Dialect> dialect) {
  return std::make_shared<AdaptedStore>(std::move(store), std::move(dialect));
}

}  // namespace pail::cos
