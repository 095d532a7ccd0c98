// What becomes of requests in each weather, and that it is the same each time.
#include "simulation/world/world.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <set>

#include "requests.h"

namespace pail::simulation {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr SteadyTime kBegin{1'000s};
constexpr WallTime kWall{1'800'000'000s};

Weather only(Trouble trouble) {
  Weather weather;
  weather.kind = Kind::stormy;
  weather.chances = {{trouble, 1'000'000}};
  return weather;
}

class WorldTest : public testing::Test {
 protected:
  WorldTest() {
    world_.keep(Weather{}, now_);
    world_.watch([this](const Effect& effect) { effects_.push_back(effect); });
  }

  RequestId send(HttpRequest request) {
    world_.send(++last_, std::move(request), {}, now_);
    return last_;
  }
  // Until something is delivered; none: nothing more will be.
  std::optional<Delivery> next() {
    while (world_.next() != World::kNever) {
      now_ = world_.next();
      auto delivered = world_.advance(now_);
      if (!delivered.empty()) return delivered.front();
    }
    return std::nullopt;
  }
  Delivery ask(HttpRequest request) {
    send(std::move(request));
    return next().value_or(Delivery{});
  }
  Delivery ask_in(Trouble trouble, HttpRequest request) {
    world_.keep(only(trouble), now_);
    return ask(std::move(request));
  }
  void pass(std::chrono::nanoseconds time) {
    now_ += time;
    world_.advance(now_);
  }
  // Returns its id.
  std::string begin_upload(const std::string& key) {
    const std::string body = ask(request("POST", "/bucket/" + key + "?uploads")).answer.body;
    const auto at = body.find("<UploadId>") + std::string("<UploadId>").size();
    return body.substr(at, body.find('<', at) - at);
  }
  std::string stored(const std::string& key) {
    const auto found = world_.bucket().look(key);
    return found ? found->content.bytes() : "<none>";
  }

  SteadyTime now_ = kBegin;
  World world_{1, {}, kBegin, kWall};
  std::vector<Effect> effects_;
  RequestId last_ = 0;
};

TEST_F(WorldTest, InCalmWeatherEverythingIsAnsweredSoon) {
  EXPECT_EQ(ask(put("a", "hello")).answer.status, 200);
  const Delivery read = ask(get("a"));
  EXPECT_EQ(read.id, 2u);
  EXPECT_EQ(read.broken, 0);
  EXPECT_EQ(read.answer.body, "hello");
  EXPECT_LT(now_ - kBegin, 200ms);
  EXPECT_TRUE(world_.calm_since(kBegin));
  EXPECT_EQ(world_.next(), World::kNever);
  EXPECT_EQ(world_.under_way(), 0u);
}

TEST_F(WorldTest, AnEffectIsToldWithWhoWhenAndWhatStoodThere) {
  ask(put("a", "old"));
  HttpRequest replace = put("a", "new");
  replace.headers.add("If-Match", effects_[0].after->info.etag.text);
  ask(replace);
  ASSERT_EQ(effects_.size(), 2u);
  const Effect& effect = effects_[1];
  EXPECT_EQ(effect.operation, Operation::put);
  EXPECT_EQ(effect.key, "a");
  EXPECT_EQ(effect.who, (Actor{Actor::Kind::mount, 1}));
  EXPECT_EQ(effect.before->content.bytes(), "old");
  EXPECT_EQ(effect.after->content.bytes(), "new");
  EXPECT_EQ(effect.condition, "If-Match: " + effect.before->info.etag.text);
  EXPECT_FALSE(effect.abandoned);
  EXPECT_GT(effect.when, kBegin);
  EXPECT_LE(effect.when, now_);
}

TEST_F(WorldTest, UploadsHaveEffectsToo) {
  ask(request("POST", "/bucket/a?uploads"));
  ask(get("a"));
  ASSERT_EQ(effects_.size(), 1u);
  EXPECT_EQ(effects_[0].operation, Operation::create_upload);
  EXPECT_FALSE(effects_[0].after);
}

TEST_F(WorldTest, AnUploadIsUnknownWhoseIdWasNotTold) {
  ask(request("POST", "/bucket/told?uploads"));
  EXPECT_EQ(world_.unknown_uploads().size(), 0u);
  ask_in(Trouble::broken_after, request("POST", "/bucket/lost?uploads"));
  EXPECT_EQ(world_.unknown_uploads().size(), 1u);
}

TEST_F(WorldTest, AnUploadIsUnknownWhoseBeginnerWasKilledBeforeItNamedIt) {
  const std::string id = begin_upload("named");
  ask(request("POST", "/bucket/other?uploads"));
  ask(request("PUT", "/bucket/named?partNumber=1&uploadId=" + id));
  world_.life_ended(World::End::killed, now_);
  EXPECT_EQ(world_.bucket().uploads(), 2u);
  EXPECT_EQ(world_.unknown_uploads().size(), 1u);
}

TEST_F(WorldTest, AnUploadWhoseAbortWasRefusedIsLeftToTheNextMountAlone) {
  const HttpRequest abort = request("DELETE", "/bucket/a?uploadId=" + begin_upload("a"));
  ask_in(Trouble::proxy_denied, abort);
  world_.life_ended(World::End::orderly, now_);
  EXPECT_EQ(world_.refused_aborts().size(), 1u);
  world_.life_ended(World::End::orderly, now_);
  EXPECT_EQ(world_.refused_aborts().size(), 0u);
}

TEST_F(WorldTest, AnUploadWhoseAbortGotNoAnswerIsNotLeftToTheNextMount) {
  const HttpRequest abort = request("DELETE", "/bucket/a?uploadId=" + begin_upload("a"));
  for (const Trouble trouble : {Trouble::broken_before, Trouble::silent_before, Trouble::no_listener}) {
    ask_in(Trouble::proxy_denied, abort);
    ask_in(trouble, abort);
    world_.life_ended(World::End::orderly, now_);
    EXPECT_EQ(world_.refused_aborts().size(), 0u) << row_of(trouble).name;
  }
}

TEST_F(WorldTest, ARefusedRequestIsNotCarriedOut) {
  for (const Trouble trouble :
       {Trouble::no_listener, Trouble::no_way, Trouble::broken_before, Trouble::silent_before, Trouble::slow_down,
        Trouble::slow_down_until, Trouble::too_many, Trouble::internal_before, Trouble::conflict,
        Trouble::redirect_near, Trouble::redirect_away, Trouble::proxy_missing, Trouble::proxy_denied,
        Trouble::gateway_before}) {
    const SteadyTime before = now_;
    const Delivery delivery = ask_in(trouble, put("a", "hello"));
    EXPECT_EQ(delivery.trouble, trouble);
    EXPECT_TRUE(delivery.broken != 0 || delivery.answer.status >= 300) << row_of(trouble).name;
    EXPECT_FALSE(world_.calm_since(before)) << row_of(trouble).name;
    pass(1h);
    EXPECT_EQ(stored("a"), "<none>") << row_of(trouble).name;
  }
}

TEST_F(WorldTest, AnAnswerThatIsLostIsOfARequestThatWasCarriedOut) {
  for (const Trouble trouble : {Trouble::broken_after, Trouble::silent_after, Trouble::internal_after,
                                Trouble::gateway_after, Trouble::cut, Trouble::stalled}) {
    const std::string body(row_of(trouble).name);
    const Delivery delivery = ask_in(trouble, put("a", body));
    EXPECT_TRUE(delivery.broken != 0 || delivery.answer.status >= 500) << body;
    EXPECT_EQ(stored("a"), body);
  }
}

TEST_F(WorldTest, ALateRequestIsCarriedOutAfterItsClientSawAnError) {
  EXPECT_EQ(ask_in(Trouble::late, put("a", "late")).broken, ECONNRESET);
  EXPECT_EQ(stored("a"), "<none>");
  EXPECT_FALSE(world_.calm_since(now_));
  const SteadyTime told = now_ + 1ns;
  pass(10s);
  EXPECT_EQ(stored("a"), "late");
  EXPECT_TRUE(effects_.back().abandoned);
  EXPECT_TRUE(world_.calm_since(told));
}

TEST_F(WorldTest, ALateRequestIsNotCarriedOutAfterALaterOneHasShownWhatIsThere) {
  for (const HttpRequest& look : {request("HEAD", "/bucket/a"), request("GET", "/bucket?list-type=2")}) {
    EXPECT_EQ(ask_in(Trouble::late, put("a", "late")).broken, ECONNRESET);
    ask_in(Trouble::none, look);
    pass(10s);
    EXPECT_EQ(stored("a"), "<none>");
  }
}

TEST_F(WorldTest, SilenceEndsWithTheClientsPatience) {
  const SteadyTime sent = now_;
  EXPECT_EQ(ask_in(Trouble::silent_before, get("a")).broken, ETIMEDOUT);
  EXPECT_EQ(now_ - sent, Patience{}.first_byte);
}

TEST_F(WorldTest, AnAnswerAfterTheClientsPatienceIsNone) {
  Weather slow;
  slow.fastest = slow.slowest = 10s;
  world_.keep(slow, now_);
  world_.send(1, put("a", "hello"), {.first_byte = 5s}, now_);
  EXPECT_EQ(next()->broken, ETIMEDOUT);
  EXPECT_EQ(now_ - kBegin, 5s);
  EXPECT_FALSE(world_.calm_since(kBegin));
  pass(10s);
  EXPECT_EQ(stored("a"), "hello");
}

TEST_F(WorldTest, AFragmentIsTheHeadAndLessThanTheBody) {
  ask(put("a", "hello"));
  for (const auto& [trouble, broken] : {std::pair(Trouble::cut, ECONNRESET), std::pair(Trouble::stalled, ETIMEDOUT)}) {
    const Delivery delivery = ask_in(trouble, get("a"));
    EXPECT_EQ(delivery.broken, broken);
    EXPECT_EQ(delivery.answer.status, 200);
    EXPECT_EQ(field(delivery.answer.headers, "Content-Length"), "5");
    EXPECT_EQ(delivery.answer.body, "he");
  }
}

TEST_F(WorldTest, AConditionFailsWithoutCause) {
  EXPECT_EQ(ask_in(Trouble::precondition, put("a", "hello")).answer.status, 200);
  const HttpRequest absent = request("PUT", "/bucket/b", "If-None-Match", "*");
  EXPECT_EQ(ask_in(Trouble::precondition, absent).answer.status, 412);
  EXPECT_EQ(stored("b"), "<none>");
}

TEST_F(WorldTest, ASuccessHoldsAnError) {
  ask(put("a", "hello"));
  const Delivery delivery =
      ask_in(Trouble::error_inside, request("PUT", "/bucket/b", "x-amz-copy-source", "/bucket/a"));
  EXPECT_EQ(delivery.answer.status, 200);
  EXPECT_THAT(delivery.answer.body, testing::HasSubstr("<Code>InternalError</Code>"));
  EXPECT_EQ(stored("b"), "<none>");
}

TEST_F(WorldTest, OfManyKeysSomeAreNotDeletedAndTheAnswerNamesThem) {
  std::string body = "<Delete><Quiet>true</Quiet>";
  for (int number = 0; number < 20; ++number) {
    ask(put(fmt::format("key{}", number), "x"));
    body += fmt::format("<Object><Key>key{}</Key></Object>", number);
  }
  HttpRequest many = request("POST", "/bucket?delete", body + "</Delete>");
  many.headers.add("Content-MD5", md5_field(many.body));
  const Delivery delivery = ask_in(Trouble::some_refused, many);
  EXPECT_EQ(delivery.answer.status, 200);
  const auto left = world_.bucket().keys();
  EXPECT_GT(left.size(), 0u);
  EXPECT_LT(left.size(), 20u);
  for (int number = 0; number < 20; ++number) {
    const std::string key = fmt::format("key{}", number);
    const bool named = delivery.answer.body.find("<Key>" + key + "</Key>") != std::string::npos;
    EXPECT_EQ(named, stored(key) == "x") << key;
  }
}

TEST_F(WorldTest, WhoBelievesARedirectAsksAnEmptyStoreElsewhere) {
  ask(put("a", "hello"));
  HttpRequest redirected = get("a");
  redirected.url = field(ask_in(Trouble::redirect_near, get("a")).answer.headers, "Location");
  world_.keep(Weather{}, now_);
  EXPECT_EQ(ask(redirected).answer.body, "hello");
  EXPECT_EQ(world_.requests_elsewhere(), 0u);
  redirected.url = field(ask_in(Trouble::redirect_away, get("a")).answer.headers, "Location");
  EXPECT_EQ(ask(redirected).answer.status, 404);
  EXPECT_EQ(world_.requests_elsewhere(), 1u);
}

TEST_F(WorldTest, ACancelledRequestHasNoAnswerAndMayHaveItsEffect) {
  unsigned carried_out = 0;
  for (int times = 0; times < 100; ++times) {
    const std::string key = fmt::format("{}", times);
    world_.cancel(send(put(key, "x")), now_);
    EXPECT_FALSE(next());
    carried_out += stored(key) == "x";
  }
  EXPECT_GT(carried_out, 20u);
  EXPECT_LT(carried_out, 80u);
  for (const Effect& effect : effects_) EXPECT_TRUE(effect.abandoned);
  world_.cancel(last_, now_);  // ended long ago
}

TEST_F(WorldTest, AfterALifeNobodyIsAnsweredAndTheNextOneMayUseItsIds) {
  send(put("a", "first"));
  send(get("a"));
  world_.life_ended(World::End::killed, now_);
  world_.send(1, put("b", "second"), {}, now_);
  std::vector<RequestId> answered;
  while (const auto delivery = next()) answered.push_back(delivery->id);
  EXPECT_THAT(answered, ElementsAre(1));
  EXPECT_EQ(stored("b"), "second");
  for (const Effect& effect : effects_) EXPECT_EQ(effect.who.number, effect.key == "b" ? 2u : 1u);
}

TEST_F(WorldTest, WhatIsCarriedOutAfterItsClientGaveUpIsNoTrouble) {
  for (int times = 0; times < 20; ++times) world_.cancel(send(put(fmt::format("{}", times), "x")), now_);
  EXPECT_TRUE(world_.calm_since(kBegin));
  EXPECT_FALSE(next());
  EXPECT_GT(effects_.size(), 0u);
  EXPECT_TRUE(world_.calm_since(kBegin));
}

TEST_F(WorldTest, AClientThatIsKilledMeetsNoTrouble) {
  for (const Trouble trouble : {Trouble::slow_down, Trouble::broken_after, Trouble::silent_after, Trouble::late}) {
    world_.keep(only(trouble), now_);
    send(put("a", "x"));
    EXPECT_FALSE(world_.calm_since(now_)) << row_of(trouble).name;
    world_.life_ended(World::End::killed, now_);
    EXPECT_TRUE(world_.calm_since(kBegin)) << row_of(trouble).name;
    EXPECT_FALSE(next());
    EXPECT_TRUE(world_.calm_since(kBegin)) << row_of(trouble).name;
  }
}

TEST_F(WorldTest, WhatAClientSawBeforeItWasKilledWasTrouble) {
  ask_in(Trouble::slow_down, put("a", "x"));
  world_.life_ended(World::End::killed, now_);
  EXPECT_FALSE(world_.calm_since(kBegin));
}

TEST_F(WorldTest, OtherClientsActAtTheirTimeAndAreTold) {
  std::vector<std::string> seen;
  const auto see = [&](const cos::ListPage& page) {
    for (const cos::ListedObject& object : page.objects) seen.push_back(object.key);
  };
  world_.plan(7, OtherWrite{"a", "hello", {}, false}, now_ + 1s);
  world_.plan(7, OtherWrite{"u", "hello", {}, true}, now_ + 1s);
  world_.plan(7, OtherCopy{"a", "a", cos::ObjectHeaders{{}, {{"mode", "0600"}}}}, now_ + 2s);
  world_.plan(7, OtherCopy{"none", "b", {}}, now_ + 2s);
  world_.plan(8, OtherDelete{"u"}, now_ + 3s);
  world_.plan(8, OtherList{{}, see}, now_ + 4s);
  pass(1500ms);
  EXPECT_EQ(stored("a"), "hello");
  pass(1h);
  EXPECT_THAT(seen, ElementsAre("a"));
  ASSERT_EQ(effects_.size(), 4u);
  EXPECT_TRUE(effects_[1].after->info.etag.text.ends_with("-1\""));
  EXPECT_EQ(effects_[2].when, kBegin + 2s);
  EXPECT_EQ(effects_[2].after->content.bytes(), "hello");
  EXPECT_EQ(effects_[2].after->info.headers.metadata[0].value, "0600");
  EXPECT_EQ(effects_[3].who, (Actor{Actor::Kind::other, 8}));
  EXPECT_FALSE(effects_[3].after);
}

TEST_F(WorldTest, EachWeatherIsToldWhenItIsFirstMet) {
  std::vector<std::string> told;
  world_.watch_weather([&](const Weather& weather) { told.push_back(text_of(weather)); });
  ask_in(Trouble::slow_down, get("k"));
  world_.keep(Weather{}, now_);
  EXPECT_THAT(told, ElementsAre("stormy, answers in 0.1 to 50 ms; ppm of requests: slow_down 1000000",
                                "calm, answers in 0.1 to 50 ms"));
}

TEST_F(WorldTest, TheStoresClockJumpsAndShowsWholeSeconds) {
  Weather jumps;
  jumps.clock_jump = 5s;
  std::set<std::chrono::nanoseconds> skews;
  for (int times = 0; times < 50; ++times) {
    world_.keep(jumps, now_);
    skews.insert(world_.store_time(now_) - kWall);
  }
  EXPECT_GT(skews.size(), 10u);
  EXPECT_LT(*skews.begin(), 0ns);
  EXPECT_GT(*skews.rbegin(), 0ns);
  ask(put("a", "hello"));
  const WallTime modified = world_.bucket().look("a")->info.last_modified;
  EXPECT_EQ(modified, std::chrono::floor<std::chrono::seconds>(world_.store_time(effects_[0].when)));
}

TEST(World, WhatAClientHidesIsCalm) {
  World world(5, {{{Kind::hidden, 1}}, 1h, 1h}, kBegin, kWall);
  unsigned refused = 0;
  SteadyTime now = kBegin;
  for (RequestId id = 1; id <= 2000; ++id) {
    world.send(id, get("none"), {}, now);
    std::vector<Delivery> delivered;
    while (delivered.empty()) delivered = world.advance(now = world.next());
    EXPECT_EQ(delivered[0].broken, 0);
    refused += delivered[0].trouble != Trouble::none;
  }
  EXPECT_GT(refused, 1u);
  EXPECT_LE(refused, 1u + static_cast<unsigned>((now - kBegin) / 2min));
  EXPECT_TRUE(world.calm_since(kBegin));
}

// All that a random history sees of a world, as text.
std::string trace(std::uint64_t seed) {
  World world(seed, {}, kBegin, kWall);
  std::string text;
  world.watch([&](const Effect& effect) { text += text_of(effect) + "\n"; });
  Random choices(seed);
  SteadyTime now = kBegin;
  const auto deliver = [&](SteadyTime until) {
    now = until;
    for (const Delivery& delivery : world.advance(now))
      text += fmt::format("{}: {} {} {}\n", delivery.id, delivery.answer.status, delivery.broken,
                          delivery.answer.body.size());
  };
  for (RequestId id = 1; id <= 2000; ++id) {
    const std::string key = fmt::format("k{}", choices.below(4));
    world.send(id, choices.one_in(2) ? put(key, fmt::format("{}", id)) : get(key), {}, now);
    if (choices.one_in(20)) world.cancel(id, now);
    if (choices.one_in(100)) world.life_ended(World::End::killed, now);
    if (choices.one_in(10)) world.plan(1, OtherWrite{key, fmt::format("other {}", id), {}, false}, now + 1s);
    deliver(now + choices.magnitude(1ms, 10s));
    text += fmt::format("{}\n", world.calm_since(now));
  }
  while (world.next() != World::kNever) deliver(world.next());
  text += fmt::format("{} under way\n", world.under_way());
  return text;
}

TEST(World, IsTheSameForTheSameSeed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const std::string first = trace(seed);
    EXPECT_TRUE(first == trace(seed)) << seed;
    EXPECT_TRUE(first.ends_with("\n0 under way\n"));
    EXPECT_FALSE(first == trace(seed + 1)) << seed;
  }
}

TEST(World, HasEveryWeatherInItsTime) {
  World world(1, {}, kBegin, kWall);
  std::set<Kind> seen;
  for (SteadyTime now = kBegin; now < kBegin + 5h; now += 1s) seen.insert(world.weather(now).kind);
  EXPECT_EQ(seen.size(), kKinds.size());
}

}  // namespace
}  // namespace pail::simulation
