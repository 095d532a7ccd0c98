#include "fake_store/fake_store.h"

#include <algorithm>
#include <utility>

#include "cos/errors.h"

namespace pail::fake {
namespace {

std::string text_of(const Request& request) {
  return "request " + std::to_string(static_cast<int>(request.operation)) + " for " +
         cos::readable(request.key);
}

// A ranged read that was carried out, given to who asked for it.
void hand_over(const Found& found, const std::optional<Cut>& cut, cos::GetHandler& handler) {
  std::string bytes = found.content.bytes();
  if (cut) bytes.resize(std::min<std::size_t>(bytes.size(), cut->delivered.n));
  constexpr std::size_t kPiece = 64 << 10;  // as much as a network reads at a time
  for (std::size_t at = 0; at < bytes.size(); at += kPiece) {
    const std::string_view piece = std::string_view(bytes).substr(at, kPiece);
    if (!handler.on_data(std::as_bytes(std::span(piece))))
      return handler.on_done(error_of("GET", {.fault = Fault::stopped}));
  }
  if (cut) return handler.on_done(error_of("GET", {.fault = cut->fault}));
  handler.on_done(found.info);
}

cos::DeleteRefusal refusal_of(const std::string& key, Fault fault) {
  return {key, fault == Fault::denied ? "AccessDenied" : "InternalError", "refused by the script"};
}

}  // namespace

FakeStore::FakeStore(std::uint64_t seed, WallTime now) : bucket_(seed) {
  {
    const MutexLock lock(mutex_);
    bucket_.now = now;
  }
  thread_ = Thread("pailfs-fake", [this] { work(); });
}

FakeStore::~FakeStore() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
  }
  wake_->bump();
  thread_.join();
}

// ---- requests on their way ----

void FakeStore::begin(Going going) {
  going.on_stop =
      std::make_shared<StopCallback>(going.context.stop, [wake = wake_] { wake->bump(); });
  going.request.lane = going.context.lane;
  {
    const MutexLock lock(mutex_);
    requests_.push_back(going.request);
    going.plan = script_.plan(going.request.operation, going.request.key);
    going.way = way_of(going.plan.there);
    under_way_.emplace_back(std::move(going));
  }
  wake_->bump();
}

FakeStore::Way FakeStore::way_of(const Plan::Way& planned) const {
  for (const auto& gate : planned.gates) gate->arrive();
  return {planned.gates, bucket_.now + planned.delay};
}

bool FakeStore::is_over(const Going& going) const {
  return ending_ || going.context.stop.stop_requested();
}

bool FakeStore::may_pass(const Way& way, const Going& going) const {
  if (is_over(going)) return true;
  return bucket_.now >= way.due &&
         std::ranges::all_of(way.gates, [](const auto& gate) { return gate->is_open(); });
}

FakeStore::Returning FakeStore::carried_out(Going going) {
  Returning returning{{}, {}, going.refuse, {}};
  const auto& trouble = going.plan.trouble;
  if (is_over(going)) {
    going.undo = nullptr;
  } else if (trouble && trouble->at == Moment::before) {
    going.undo = nullptr;
    returning.instead = error_of(text_of(going.request), *trouble);
  } else {
    returning.deliver = going.carry_out(bucket_, script_, going.plan);
    if (trouble) returning.instead = error_of(text_of(going.request), *trouble);
  }
  // Only now: who waits for the request to come there finds the bucket changed.
  returning.way = way_of(going.plan.back);
  returning.going = std::move(going);
  return returning;
}

std::function<void()> FakeStore::answer_of(Returning returning) {
  if (is_over(returning.going)) {
    if (returning.going.undo) returning.going.undo(bucket_);
    returning.instead =
        error_of(text_of(returning.going.request), {.fault = Fault::stopped, .at = Moment::after});
  }
  return [returning = std::move(returning)] { returning.deliver(returning.instead); };
}

// Carries out what may be, and takes the first request whose answer may be given.
std::function<void()> FakeStore::next_answer() {
  const MutexLock lock(mutex_);
  for (auto flight = under_way_.begin(); flight != under_way_.end(); ++flight) {
    if (auto* going = std::get_if<Going>(&*flight); going && may_pass(going->way, *going)) {
      Returning returning = carried_out(std::move(*going));
      *flight = std::move(returning);
    }
    auto* returning = std::get_if<Returning>(&*flight);
    if (returning == nullptr || !may_pass(returning->way, returning->going)) continue;
    auto answer = answer_of(std::move(*returning));
    under_way_.erase(flight);
    return answer;
  }
  return nullptr;
}

void FakeStore::work() {
  for (;;) {
    const std::uint64_t seen = wake_->generation();
    if (const auto answer = next_answer()) {
      answer();
      continue;
    }
    {
      const MutexLock lock(mutex_);
      if (ending_ && under_way_.empty()) return;
    }
    wake_->wait_beyond(seen);
  }
}

// `carry` : (Bucket&, Script&) -> Result<T>.
template <class T, class Carry>
void FakeStore::start(Request request, cos::CallContext context, cos::Completion<T> then,
                      Carry carry) {
  Going going;
  going.request = std::move(request);
  going.context = std::move(context);
  going.refuse = [then](const std::optional<Error>& why) { then(*why); };
  going.carry_out = [then, carry = std::move(carry)](Bucket& bucket, Script& script,
                                                     const Plan&) -> Deliver {
    return [then, outcome = carry(bucket, script)](const std::optional<Error>& instead) {
      then(instead ? Result<T>(*instead) : outcome);
    };
  };
  begin(std::move(going));
}

// ---- operations ----

void FakeStore::list_objects(cos::ListRequest request, cos::CallContext context,
                             cos::Completion<cos::ListPage> then) {
  std::string prefix = request.prefix;
  start({Operation::list_objects, std::move(prefix)}, std::move(context), std::move(then),
        [request = std::move(request)](Bucket& bucket, Script&) { return bucket.list(request); });
}

void FakeStore::head_object(std::string key, cos::CallContext context,
                            cos::Completion<cos::ObjectInfo> then) {
  start({Operation::head_object, key}, std::move(context), std::move(then),
        [key](Bucket& bucket, Script&) { return bucket.head(key); });
}

void FakeStore::get_object(std::string key, ByteCount limit, cos::CallContext context,
                           cos::Completion<std::string> then) {
  start({Operation::get_object, key}, std::move(context), std::move(then),
        [key, limit](Bucket& bucket, Script&) -> Result<std::string> {
          PAIL_TRY(const Found found, bucket.get(key));
          if (found.content.size() > limit) return Error{EFBIG, "GET: larger than was asked for"};
          return found.content.bytes();
        });
}

void FakeStore::get_object_range(cos::GetRequest request, std::shared_ptr<cos::GetHandler> handler,
                                 cos::CallContext context) {
  Going going;
  going.request = {Operation::get_object_range, request.key};
  going.context = std::move(context);
  going.refuse = [handler](const std::optional<Error>& why) { handler->on_done(*why); };
  going.carry_out = [handler, request](Bucket& bucket, Script&, const Plan& plan) -> Deliver {
    return [handler, found = bucket.get_range(request),
            cut = plan.cut](const std::optional<Error>& instead) {
      if (instead || !found) return handler->on_done(instead ? *instead : found.error());
      hand_over(*found, cut, *handler);
    };
  };
  begin(std::move(going));
}

void FakeStore::put_object(cos::PutRequest request, cos::CallContext context,
                           cos::Completion<cos::PutResult> then) {
  std::string key = request.key;
  start({Operation::put_object, std::move(key)}, std::move(context), std::move(then),
        [request = std::move(request)](Bucket& bucket, Script&) { return bucket.put(request); });
}

void FakeStore::copy_object(cos::CopyRequest request, cos::CallContext context,
                            cos::Completion<cos::CopyResult> then) {
  std::string key = request.key;
  start({Operation::copy_object, std::move(key)}, std::move(context), std::move(then),
        [request = std::move(request)](Bucket& bucket, Script&) { return bucket.copy(request); });
}

void FakeStore::delete_object(std::string key, cos::CallContext context,
                              cos::Completion<Unit> then) {
  start({Operation::delete_object, key}, std::move(context), std::move(then),
        [key](Bucket& bucket, Script&) { return bucket.remove(key); });
}

void FakeStore::delete_objects(std::vector<std::string> keys, cos::CallContext context,
                               cos::Completion<std::vector<cos::DeleteRefusal>> then) {
  using Refusals = std::vector<cos::DeleteRefusal>;
  start({Operation::delete_objects, ""}, std::move(context), std::move(then),
        [keys = std::move(keys)](Bucket& bucket, Script& script) -> Result<Refusals> {
          if (keys.size() > cos::kMaxDeleteKeys) return Error{EINVAL, "too many keys"};
          Refusals refusals;
          for (const std::string& key : keys) {
            const auto trouble = script.trouble_of(key);
            if (trouble) refusals.push_back(refusal_of(key, trouble->fault));
            if (!trouble || trouble->at == Moment::after) PAIL_CHECK(bucket.remove(key));
          }
          return refusals;
        });
}

void FakeStore::create_upload(std::string key, cos::ObjectHeaders headers,
                              cos::Preconditions conditions, cos::CallContext context,
                              cos::Completion<cos::UploadId> then) {
  Going going;
  going.request = {Operation::create_upload, key};
  going.context = std::move(context);
  going.refuse = [then](const std::optional<Error>& why) { then(*why); };
  const auto made = std::make_shared<std::optional<cos::UploadId>>();
  going.carry_out = [=](Bucket& bucket, Script&, const Plan&) -> Deliver {
    auto id = bucket.create_upload(key, headers, conditions);
    if (id) *made = *id;
    return [then, id](const std::optional<Error>& instead) {
      then(instead ? Result<cos::UploadId>(*instead) : id);
    };
  };
  going.undo = [key, made](Bucket& bucket) {
    if (*made) (void)bucket.abort_upload(key, **made);
  };
  begin(std::move(going));
}

void FakeStore::upload_part(cos::UploadPart part, cos::CallContext context,
                            cos::Completion<cos::CompletedPart> then) {
  std::string key = part.key;
  start({Operation::upload_part, std::move(key)}, std::move(context), std::move(then),
        [part = std::move(part)](Bucket& bucket, Script&) { return bucket.upload_part(part); });
}

void FakeStore::upload_part_copy(cos::UploadPartCopy part, cos::CallContext context,
                                 cos::Completion<cos::CompletedPart> then) {
  std::string key = part.key;
  start(
      {Operation::upload_part_copy, std::move(key)}, std::move(context), std::move(then),
      [part = std::move(part)](Bucket& bucket, Script&) { return bucket.upload_part_copy(part); });
}

void FakeStore::complete_upload(cos::CompleteUpload upload, cos::CallContext context,
                                cos::Completion<cos::PutResult> then) {
  std::string key = upload.key;
  start({Operation::complete_upload, std::move(key)}, std::move(context), std::move(then),
        [upload = std::move(upload)](Bucket& bucket, Script&) {
          return bucket.complete_upload(upload);
        });
}

void FakeStore::abort_upload(std::string key, cos::UploadId upload, cos::CallContext context,
                             cos::Completion<Unit> then) {
  start({Operation::abort_upload, key}, std::move(context), std::move(then),
        [key, upload](Bucket& bucket, Script&) { return bucket.abort_upload(key, upload); });
}

// ---- what requests meet ----

void FakeStore::fail(Match match, Trouble trouble) {
  const MutexLock lock(mutex_);
  script_.add(std::move(match), trouble);
}

void FakeStore::cut(Match match, Cut cut) {
  const MutexLock lock(mutex_);
  script_.add(std::move(match), cut);
}

void FakeStore::delay(Match match, Moment moment, std::chrono::nanoseconds time) {
  const MutexLock lock(mutex_);
  script_.add(std::move(match), Script::Delay{moment, time});
}

Hold FakeStore::hold(Match match, Moment moment) {
  Hold hold(wake_);
  const MutexLock lock(mutex_);
  script_.add(std::move(match), Script::Wait{moment, hold.gate()});
  return hold;
}

void FakeStore::behave() {
  const MutexLock lock(mutex_);
  script_.clear();
}

void FakeStore::set(const Rules& rules) {
  const MutexLock lock(mutex_);
  bucket_.rules = rules;
}

void FakeStore::pass(std::chrono::nanoseconds time) {
  {
    const MutexLock lock(mutex_);
    bucket_.now += time;
  }
  wake_->bump();
}

// ---- which came ----

std::vector<Request> FakeStore::requests() const {
  const MutexLock lock(mutex_);
  return requests_;
}

unsigned FakeStore::count(Operation operation, std::string_view key) const {
  const MutexLock lock(mutex_);
  return static_cast<unsigned>(std::ranges::count_if(requests_, [&](const Request& request) {
    return request.operation == operation && (key.empty() || request.key == key);
  }));
}

void FakeStore::forget_requests() {
  const MutexLock lock(mutex_);
  requests_.clear();
}

// ---- other clients ----

void FakeStore::put(const std::string& key, std::string bytes, cos::ObjectHeaders headers) {
  const MutexLock lock(mutex_);
  bucket_.write(key, Content(std::move(bytes)), std::move(headers));
}

void FakeStore::put_zeros(const std::string& key, ByteCount size) {
  const MutexLock lock(mutex_);
  bucket_.write(key, Content::zeros(size), {});
}

void FakeStore::remove(const std::string& key) {
  const MutexLock lock(mutex_);
  bucket_.erase(key);
}

bool FakeStore::copy(const std::string& from, const std::string& to) {
  const MutexLock lock(mutex_);
  return bucket_.write_again(from, to);
}

bool FakeStore::touch(const std::string& key) {
  const MutexLock lock(mutex_);
  return bucket_.write_again(key, key);
}

std::optional<std::string> FakeStore::bytes(const std::string& key) const {
  const MutexLock lock(mutex_);
  const auto found = bucket_.look(key);
  return found ? std::optional(found->content.bytes()) : std::nullopt;
}

std::optional<cos::ObjectInfo> FakeStore::info(const std::string& key) const {
  const MutexLock lock(mutex_);
  const auto found = bucket_.look(key);
  return found ? std::optional(found->info) : std::nullopt;
}

std::vector<std::string> FakeStore::keys() const {
  const MutexLock lock(mutex_);
  return bucket_.keys();
}

std::size_t FakeStore::open_uploads() const {
  const MutexLock lock(mutex_);
  return bucket_.uploads();
}

void FakeStore::abort_uploads() {
  const MutexLock lock(mutex_);
  bucket_.abort_uploads();
}

}  // namespace pail::fake
