#include "simulation/world/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <cerrno>

#include "simulation/world/face.h"

namespace pail::simulation {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kNoAnswerAtAll{100'000};  // until a connection is refused
constexpr std::chrono::minutes kSameRequest{2};              // a client repeats a refused request within
constexpr std::size_t kMostRefused = 1000;                   // remembered

std::string condition_of(const http::Headers& headers) {
  std::string text;
  for (const auto* name : {"If-Match", "If-None-Match", "x-amz-copy-source-if-match"})
    if (const auto value = headers.find(name)) text += fmt::format("{}{}: {}", text.empty() ? "" : ", ", name, *value);
  return text;
}

// A listing of this prefix, with a delimiter, shows whether the key is there: as itself, or as the first one of a
// directory.
bool lists(const std::string& prefix, const std::string& key, const fake::Bucket& bucket) {
  if (!key.starts_with(prefix)) return false;
  const auto slash = key.find('/', prefix.size());
  if (slash == std::string::npos || slash + 1 == key.size()) return true;
  const std::string directory = key.substr(0, slash + 1);
  return std::ranges::none_of(bucket.keys(), [&](const std::string& each) { return each.starts_with(directory); });
}

std::string upload_begun_by(const HttpAnswer& answer) {
  constexpr std::string_view kBegin = "<UploadId>", kEnd = "</UploadId>";
  const auto begin = answer.body.find(kBegin) + kBegin.size();
  return answer.body.substr(begin, answer.body.find(kEnd, begin) - begin);
}

bool touches_upload(Operation operation) {
  return operation == Operation::create_upload || operation == Operation::upload_part ||
         operation == Operation::copy_part || operation == Operation::abort_upload;
}

cos::CopyRequest copy_request(const OtherCopy& copy) {
  cos::CopyRequest request;
  request.source_key = copy.from;
  request.key = copy.to;
  if (copy.headers) {
    request.directive = cos::MetadataDirective::replace;
    request.headers = *copy.headers;
  }
  return request;
}

void write_as_upload(fake::Bucket& bucket, const OtherWrite& write) {
  const auto id = bucket.create_upload(write.key, write.headers, {});
  if (!id) return;
  const auto part = bucket.upload_part({write.key, *id, 1, http::body_from_string(write.bytes), ""});
  if (part) (void)bucket.complete_upload({write.key, *id, {*part}, {}});
}

// What came before the connection broke: the head, and half of the body.
HttpAnswer fragment_of(HttpAnswer answer) {
  if (answer.body.empty()) return {};
  answer.body.resize(answer.body.size() / 2);
  return answer;
}

}  // namespace

World::World(std::uint64_t seed, Climate climate, SteadyTime now, WallTime wall)
    : choices_(seed * 2),
      skies_(seed * 2 + 1),
      climate_(std::move(climate)),
      bucket_(seed),
      elsewhere_(seed),
      began_(now),
      began_wall_(wall),
      weather_ends_(now) {}

// ---- weather ----

const Weather& World::weather(SteadyTime now) {
  while (now >= weather_ends_) {
    const SteadyTime began = weather_ends_;
    weather_ends_ = began + skies_.magnitude(climate_.shortest, climate_.longest);
    std::uint64_t sum = 0;
    for (const auto& [kind, weight] : climate_.weights) sum += weight;
    std::uint64_t drawn = skies_.below(sum);
    auto chosen = climate_.weights.begin();
    for (; drawn >= chosen->second; ++chosen) drawn -= chosen->second;
    begin(draw(chosen->first, skies_));
  }
  return weather_;
}

void World::begin(Weather weather) {
  weather_ = std::move(weather);
  if (weather_observer_) weather_observer_(weather_);
  if (weather_.clock_jump > 0ns && skies_.one_in(2)) skew_ += skies_.between(-weather_.clock_jump, weather_.clock_jump);
}

void World::keep(Weather weather, SteadyTime now) {
  this->weather(now);
  weather_ends_ = kNever;
  begin(std::move(weather));
}

void World::let_change(SteadyTime now) {
  if (weather_ends_ == kNever) weather_ends_ = now;
}

WallTime World::store_time(SteadyTime now) {
  weather(now);
  return began_wall_ + (now - began_) + skew_;
}

bool World::calm_since(SteadyTime time) const {
  const auto troubled = [](const auto& entry) { return entry.second.troubled; };
  return last_trouble_ < time && std::ranges::none_of(under_way_, troubled);
}

// ---- what becomes of a request is drawn when it is sent ----

Trouble World::draw_trouble(const HttpRequest& request, SteadyTime now) {
  for (const Chance& chance : weather_.chances)
    if (choices_.per_million(chance.per_million) && can_meet(chance.trouble, request))
      return spared(request, now) ? Trouble::none : chance.trouble;
  return Trouble::none;
}

// In hidden weather a request is refused once only, and none while a client may still take the store for dead.
bool World::spared(const HttpRequest& request, SteadyTime now) {
  if (weather_.kind != Kind::hidden) return false;
  if (recovering_) return true;
  const auto is_old = [now](const auto& entry) { return entry.second + kSameRequest < now; };
  if (refused_.size() >= kMostRefused) std::erase_if(refused_, is_old);
  const auto [last, first_time] = refused_.try_emplace(request.method + ' ' + request.url, now);
  if (!first_time && !is_old(*last)) return true;
  last->second = now;
  return false;
}

std::chrono::nanoseconds World::draw_latency() {
  if (choices_.per_million(weather_.very_slow)) return choices_.magnitude(weather_.slowest, Weather::slowest_answer);
  return choices_.magnitude(weather_.fastest, weather_.slowest);
}

bool World::is_elsewhere(const HttpRequest& request) const {
  return understand(request).host == kForeignHost;
}

void World::send(RequestId id, HttpRequest request, Patience patience, SteadyTime now) {
  assert(!awaited_.contains(id));
  weather(now);
  const Number number = ++requests_;
  awaited_[id] = number;
  UnderWay& going = under_way_[number];
  going.id = id;
  going.who = {Actor::Kind::mount, life_};
  going.patience = patience;
  const bool elsewhere = is_elsewhere(request);
  elsewhere_requests_ += elsewhere;
  going.trouble = elsewhere ? Trouble::none : draw_trouble(request, now);
  unnamed_uploads_.erase(understand(request).parameter("uploadId"));
  going.request = std::move(request);
  schedule(number, going, now);
}

void World::schedule(Number number, UnderWay& going, SteadyTime now) {
  const TroubleRow& row = row_of(going.trouble);
  const std::chrono::nanoseconds latency = draw_latency();
  const bool never_sent = row.seen == Seen::broken && row.number != ECONNRESET;
  const SteadyTime answered = now + (never_sent ? kNoAnswerAtAll : latency);
  const SteadyTime impatient = now + going.patience.first_byte;

  if (row.happens == Happens::before_answer) going.effect = choices_.between(0ns, latency) + now;
  if (row.happens == Happens::late)
    going.effect = answered + choices_.magnitude(100ms, std::max<std::chrono::nanoseconds>(weather_.latest, 1s));
  going.delivery = row.seen == Seen::silence ? impatient : std::min(answered, impatient);
  const bool hidden = going.trouble == Trouble::none || weather_.kind == Kind::hidden;
  going.too_late = answered >= impatient;
  if (going.trouble == Trouble::stalled && !going.too_late) going.delivery += going.patience.stall;
  going.troubled = !hidden || latency >= Weather::slow || going.too_late;
  recovering_ = recovering_ || going.troubled;
  if (going.effect != kNever) at(going.effect, CarryOut{number});
  at(going.delivery, Deliver{number});
}

// ---- clients that have gone ----

void World::cancel(RequestId id, SteadyTime now) {
  const auto found = awaited_.find(id);
  if (found == awaited_.end()) return;
  const Number number = found->second;
  awaited_.erase(found);
  end_trouble(under_way_.at(number), now);
  abandon(number, now);
}

void World::life_ended(End end, SteadyTime now) {
  for (const auto& [id, number] : awaited_) {
    under_way_.at(number).troubled = false;
    abandon(number, now);
  }
  awaited_.clear();
  if (end == End::killed)
    for (auto& [id, upload] : unnamed_uploads_) upload.told = false;
  ++life_;
}

void World::abandon(Number number, SteadyTime now) {
  UnderWay& going = under_way_.at(number);
  going.awaited = false;
  going.delivery = kNever;
  if (going.effect != kNever) postpone(number, going, now);
  forget_if_over(number);
}

// The server may see that the connection is closed, go on, or have it wait in a queue.
void World::postpone(Number number, UnderWay& going, SteadyTime now) {
  const bool seen = choices_.one_in(2);
  const bool queued = !seen && weather(now).latest > 0ns && choices_.one_in(4);
  if (seen) going.effect = kNever;
  if (queued) {
    going.effect = std::max(going.effect, now + choices_.magnitude(100ms, weather_.latest));
    at(going.effect, CarryOut{number});
  }
}

// Its client has seen it.
void World::end_trouble(UnderWay& going, SteadyTime now) {
  if (going.troubled) last_trouble_ = std::max(last_trouble_, now);
  going.troubled = false;
}

void World::forget_if_over(Number number) {
  const auto found = under_way_.find(number);
  const UnderWay& going = found->second;
  if (going.effect != kNever || going.delivery != kNever) return;
  under_way_.erase(found);
}

std::set<std::string> World::unknown_uploads() const {
  std::set<std::string> ids;
  for (const auto& [id, upload] : unnamed_uploads_)
    if (!upload.told && bucket_.has_upload(upload.key, cos::UploadId{id})) ids.insert(id);
  return ids;
}

std::set<std::string> World::refused_aborts() const {
  std::set<std::string> ids;
  for (const auto& [id, refused] : refused_aborts_)
    if (refused.life + 1 == life_ && bucket_.has_upload(refused.key, cos::UploadId{id})) ids.insert(id);
  return ids;
}

// ---- time ----

std::vector<Delivery> World::advance(SteadyTime now) {
  std::vector<Delivery> out;
  while (next() <= now) {
    auto event = agenda_.extract(agenda_.begin());
    const SteadyTime when = event.key().at;
    std::visit([&](auto& what) { happen(when, what, out); }, event.mapped());
  }
  return out;
}

void World::happen(SteadyTime now, CarryOut event, std::vector<Delivery>&) {
  const auto found = under_way_.find(event.number);
  if (found == under_way_.end() || found->second.effect != now) return;  // withdrawn or postponed
  UnderWay& going = found->second;
  going.effect = kNever;
  if (going.awaited || !is_overtaken(event.number, going)) carry_out(now, event.number, going);
  forget_if_over(event.number);
}

void World::happen(SteadyTime now, Deliver event, std::vector<Delivery>& out) {
  const auto found = under_way_.find(event.number);
  if (found == under_way_.end() || found->second.delivery != now) return;
  UnderWay& going = found->second;
  going.delivery = kNever;
  going.awaited = false;
  awaited_.erase(going.id);
  out.push_back(delivery_of(event.number, going, now));
  const bool whole = out.back().broken == 0 && out.back().answer.status < 300;
  if (const auto upload = unnamed_uploads_.find(going.begun); upload != unnamed_uploads_.end())
    upload->second.told = whole;
  note_told(out.back());
  if (going.troubled || going.trouble == Trouble::none) recovering_ = going.troubled;
  end_trouble(going, now);
  forget_if_over(event.number);
}

void World::note_told(const Delivery& delivery) {
  if (delivery.asked.operation != Operation::abort_upload) return;
  const std::string id = delivery.asked.parameter("uploadId");
  refused_aborts_.erase(id);
  if (delivery.broken == 0 && delivery.answer.status >= 300) refused_aborts_[id] = {delivery.asked.key, life_};
}

Delivery World::delivery_of(Number number, UnderWay& going, SteadyTime now) {
  const TroubleRow& row = row_of(going.trouble);
  Delivery delivery{going.id, {}, going.too_late ? ETIMEDOUT : 0, going.trouble, understand(going.request)};
  if (going.too_late) return delivery;
  switch (row.seen) {
    case Seen::answer:
      delivery.answer = std::move(going.answer);
      break;
    case Seen::refusal:
    case Seen::page:
      delivery.answer = answer_of(row, going.request, store_time(now), number, choices_);
      break;
    case Seen::broken:
    case Seen::silence:
      delivery.broken = row.number;
      break;
    case Seen::fragment:
      delivery.answer = fragment_of(std::move(going.answer));
      delivery.broken = row.number;
      break;
  }
  return delivery;
}

// ---- effects ----

bool World::is_overtaken(Number number, const UnderWay& going) const {
  const auto is_later = [number](const auto& seen) { return seen.second > number; };
  return std::ranges::any_of(keys_changed_by(going.request), [&](const std::string& key) {
    const auto last = last_seen_.find(key);
    return (last != last_seen_.end() && is_later(*last)) || std::ranges::any_of(last_listed_, [&](const auto& seen) {
             return is_later(seen) && lists(seen.first, key, bucket_);
           });
  });
}

void World::note_seen(Number number, const HttpRequest& request, const Asked& asked) {
  const auto note = [number](Number& last) { last = std::max(last, number); };
  for (const std::string& key : keys_changed_by(request)) note(last_seen_[key]);
  if (asked.operation == Operation::head || asked.operation == Operation::get) note(last_seen_[asked.key]);
  if (asked.operation == Operation::list) note(last_listed_[asked.parameter("prefix")]);
}

void World::tell(const Effect& effect) const {
  if (observer_) observer_(effect);
}

void World::carry_out(SteadyTime now, Number number, UnderWay& going) {
  HttpAnswer& answer = going.answer;
  const WallTime wall = store_time(now);
  if (is_elsewhere(going.request)) {
    answer = simulation::answer(elsewhere_, going.request, wall, number);
    return;
  }
  const Asked asked = understand(going.request);
  if (going.who.kind == Actor::Kind::mount) note_seen(number, going.request, asked);
  Effect effect{
      now,           wall, going.who, number, asked.operation, asked.key, {}, {}, condition_of(going.request.headers),
      !going.awaited};
  bucket_.changed = [&](const fake::Change& change) {
    effect.key = change.key;
    effect.before = change.before;
    effect.after = change.after;
    tell(effect);
  };
  const auto some = [this](const std::string&) { return choices_.one_in(2); };
  answer = simulation::answer(bucket_, going.request, wall, number,
                              going.trouble == Trouble::some_refused ? KeepsKey(some) : nullptr);
  bucket_.changed = nullptr;
  if (asked.operation == Operation::create_upload && answer.status < 300) {
    going.begun = upload_begun_by(answer);
    unnamed_uploads_[going.begun] = {asked.key};
  }
  if (touches_upload(asked.operation) && answer.status < 300) {
    effect.before = effect.after = bucket_.look(asked.key);
    tell(effect);
  }
}

void World::plan(unsigned client, OtherAction action, SteadyTime at_time) {
  at(at_time, Planned{client, std::move(action)});
}

void World::happen(SteadyTime now, Planned& event, std::vector<Delivery>&) {
  bucket_.now = store_time(now);
  Effect effect{now, bucket_.now, {Actor::Kind::other, event.client}, ++requests_, Operation::unknown, {}, {}, {}, {}};
  std::vector<fake::Change> changes;
  bucket_.changed = [&](const fake::Change& change) { changes.push_back(change); };
  effect.operation = act(event.action);
  bucket_.changed = nullptr;
  for (const fake::Change& change : changes) {
    effect.key = change.key;
    effect.before = change.before;
    effect.after = change.after;
    tell(effect);
  }
}

Operation World::act(const OtherAction& action) {
  if (const auto* write = std::get_if<OtherWrite>(&action)) {
    if (write->as_upload)
      write_as_upload(bucket_, *write);
    else
      (void)bucket_.put({write->key, http::body_from_string(write->bytes), "", write->headers, {}});
    return write->as_upload ? Operation::complete_upload : Operation::put;
  }
  if (const auto* gone = std::get_if<OtherDelete>(&action)) {
    (void)bucket_.remove(gone->key);
    return Operation::remove;
  }
  if (const auto* copy = std::get_if<OtherCopy>(&action)) {
    (void)bucket_.copy(copy_request(*copy));
    return Operation::copy;
  }
  const auto& list = std::get<OtherList>(action);
  if (const auto page = bucket_.list(list.request)) list.seen(*page);
  return Operation::list;
}

}  // namespace pail::simulation
