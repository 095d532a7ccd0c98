// The object store of a simulation and the way to it: virtual time, weather, and other clients of the bucket.
//
//   World world(seed, {}, now, wall);
//   world.send(1, request, {}, now);             // a life sends it
//   now = world.next();                          // when something happens
//   for (Delivery& delivery : world.advance(now)) give_to_the_life(delivery);
//
// A request is carried out at one moment between its sending and its answer, or later when its client has gone; but not
// when a later one has changed the same key, or has shown what is there: no client could know of it. The same seed and
// calls give the same answers, byte for byte. One thread.
#pragma once

#include <functional>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "fake_store/bucket.h"
#include "simulation/world/effect.h"
#include "simulation/world/message.h"
#include "simulation/world/weather.h"

namespace pail::simulation {

using RequestId = std::uint64_t;  // the life's own name for a request

// How long a client bears silence before it breaks the connection (ETIMEDOUT).
struct Patience {
  std::chrono::nanoseconds first_byte = std::chrono::seconds(20);
  std::chrono::nanoseconds stall = std::chrono::seconds(20);
};

struct Delivery {
  RequestId id = 0;
  HttpAnswer answer;                // where the connection broke, what came before: status 0: nothing
  int broken = 0;                   // an errno as http::Client has it; 0: the answer is whole
  Trouble trouble = Trouble::none;  // for traces
  Asked asked;                      // what it answers
};

// ---- what other clients do ----

struct OtherWrite {
  std::string key;
  std::string bytes;
  cos::ObjectHeaders headers;
  bool as_upload = false;  // in one part: its ETag is no MD5 of the bytes
};
struct OtherDelete {
  std::string key;
};
struct OtherCopy {
  std::string from, to;
  std::optional<cos::ObjectHeaders> headers;  // none: those of the source. Onto itself with others: a chmod
};
struct OtherList {
  cos::ListRequest request;
  std::function<void(const cos::ListPage&)> seen;
};
using OtherAction = std::variant<OtherWrite, OtherDelete, OtherCopy, OtherList>;

class World {
 public:
  static constexpr SteadyTime kNever = SteadyTime::max();
  // The URL that a client of this store is given.
  static constexpr std::string_view kUrl = "http://store.sim";

  // `now` and `wall` are when it begins: the store's clock shows `wall` then, and may jump from there.
  World(std::uint64_t seed, Climate climate, SteadyTime now, WallTime wall);
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  // Told of each effect at its moment, in their order.
  void watch(std::function<void(const Effect&)> observer) { observer_ = std::move(observer); }
  // Told of each weather when a request or a clock first meets it.
  void watch_weather(std::function<void(const Weather&)> observer) { weather_observer_ = std::move(observer); }
  fake::Bucket& bucket() { return bucket_; }

  // ---- a life ----
  void send(RequestId id, HttpRequest request, Patience patience, SteadyTime now);
  // The client has gone: there is no answer, and the effect may or may not come. Unknown ids are ignored.
  void cancel(RequestId id, SteadyTime now);
  // The same for all; the next life begins. A life that was killed may not have read the last answers.
  enum class End { orderly, killed };
  void life_ended(End end, SteadyTime now);

  // ---- other clients ----
  // advance() carries it out, at a time still to come. What the store refuses, as a copy of nothing, has no effect.
  void plan(unsigned client, OtherAction action, SteadyTime at);

  // ---- time ----
  SteadyTime next() const { return agenda_.empty() ? kNever : agenda_.begin()->first.at; }
  // Carries out what is due at `now`, which never goes back.
  std::vector<Delivery> advance(SteadyTime now);
  WallTime store_time(SteadyTime now);

  // ---- weather ----
  void keep(Weather weather, SteadyTime now);  // from now on; Weather{} is calm
  void let_change(SteadyTime now);             // after keep(): as the seed has it
  const Weather& weather(SteadyTime now);
  // Since then, and now, no client that was there to see it met what it may not hide: refused, lost, damaged, or slower
  // than Weather::slow. What is carried out after its client has gone is an effect and no trouble, and a client that
  // was killed saw nothing.
  bool calm_since(SteadyTime time) const;

  // Ids of uploads that lie open and that no life can know of: the answer to their begin was lost, or its reader
  // killed.
  std::set<std::string> unknown_uploads() const;
  // Those that the life which ended last asked to abort, and was answered with an error in the end: the next mount asks
  // again. Without an answer the same mount must.
  std::set<std::string> refused_aborts() const;
  std::size_t under_way() const { return under_way_.size(); }  // with those that nobody waits for any more
  std::uint64_t requests() const { return requests_; }
  // Requests that went to another host, as a redirect told: the client must not believe it.
  std::uint64_t requests_elsewhere() const { return elsewhere_requests_; }

 private:
  using Number = std::uint64_t;  // of a request, over all lives

  struct UnderWay {
    RequestId id = 0;
    Actor who;
    HttpRequest request;
    Trouble trouble = Trouble::none;
    bool troubled = false;  // calm_since() counts it, until its client has seen it
    bool awaited = true;    // its client has not gone
    bool too_late = false;  // it will have, before the answer
    Patience patience;
    HttpAnswer answer;
    std::string begun;                              // the id of the upload that it began
    SteadyTime effect = kNever, delivery = kNever;  // not yet; kNever: neither
  };
  struct Moment {
    SteadyTime at;
    std::uint64_t order;
    auto operator<=>(const Moment&) const = default;
  };
  struct CarryOut {
    Number number;
  };
  struct Deliver {
    Number number;
  };
  struct Planned {
    unsigned client;
    OtherAction action;
  };
  using Event = std::variant<CarryOut, Deliver, Planned>;
  using Agenda = std::map<Moment, Event>;

  void begin(Weather weather);
  Trouble draw_trouble(const HttpRequest& request, SteadyTime now);
  bool spared(const HttpRequest& request, SteadyTime now);
  std::chrono::nanoseconds draw_latency();
  void schedule(Number number, UnderWay& going, SteadyTime now);
  void abandon(Number number, SteadyTime now);
  void end_trouble(UnderWay& going, SteadyTime now);
  void postpone(Number number, UnderWay& going, SteadyTime now);
  void forget_if_over(Number number);
  void at(SteadyTime time, Event event) { agenda_.emplace(Moment{time, ++order_}, std::move(event)); }
  bool is_elsewhere(const HttpRequest& request) const;
  bool is_overtaken(Number number, const UnderWay& going) const;
  void note_seen(Number number, const HttpRequest& request, const Asked& asked);
  void note_told(const Delivery& delivery);

  void happen(SteadyTime now, CarryOut event, std::vector<Delivery>& out);
  void happen(SteadyTime now, Deliver event, std::vector<Delivery>& out);
  void happen(SteadyTime now, Planned& event, std::vector<Delivery>& out);
  Delivery delivery_of(Number number, UnderWay& going, SteadyTime now);
  void carry_out(SteadyTime now, Number number, UnderWay& going);
  Operation act(const OtherAction& action);
  void tell(const Effect& effect) const;

  Random choices_, skies_;  // of requests; of weathers
  Climate climate_;
  fake::Bucket bucket_, elsewhere_;
  std::function<void(const Effect&)> observer_;
  std::function<void(const Weather&)> weather_observer_;
  const SteadyTime began_;
  const WallTime began_wall_;
  std::chrono::nanoseconds skew_{0};

  Weather weather_;
  SteadyTime weather_ends_;
  std::map<std::string, SteadyTime> refused_;  // by method and URL, in hidden weather
  bool recovering_ = false;                    // no request was answered since one was troubled
  SteadyTime last_trouble_ = SteadyTime::min();

  unsigned life_ = 1;
  Number requests_ = 0;
  std::uint64_t elsewhere_requests_ = 0;
  std::uint64_t order_ = 0;
  Agenda agenda_;
  std::map<Number, UnderWay> under_way_;
  std::map<RequestId, Number> awaited_;  // of this life
  // The last requests of a mount about each key, and its last listings, by prefix.
  std::map<std::string, Number> last_seen_, last_listed_;
  struct BegunUpload {
    std::string key;
    bool told = false;  // its life has its id
  };
  std::map<std::string, BegunUpload> unnamed_uploads_;  // by id: those that no request was about yet
  struct RefusedAbort {
    std::string key;
    unsigned life;
  };
  std::map<std::string, RefusedAbort> refused_aborts_;  // by upload id
};

}  // namespace pail::simulation
