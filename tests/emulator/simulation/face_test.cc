// The simulated store does, to the client and through sockets, what every ObjectStore does.
#include "simulation/world/face.h"

#include "fake_store/object_store_suite.h"
#include "served.h"

namespace pail::simulation {
namespace {

std::shared_ptr<cos::ObjectStore> as_one(std::shared_ptr<Served> served) {
  cos::ObjectStore* store = &served->store();
  return {std::move(served), store};
}

std::shared_ptr<cos::ObjectStore> without_weather(cos::ListVersion version) {
  const auto bucket = std::make_shared<fake::Bucket>(1);
  const auto ask = [bucket, number = std::uint64_t{0}](const HttpRequest& request) mutable {
    return Delivery{0, answer(*bucket, request, system_clock().wall(), ++number)};
  };
  return as_one(std::make_shared<Served>(ask, version));
}

std::shared_ptr<cos::ObjectStore> by_v1() {
  return without_weather(cos::ListVersion::v1);
}

std::shared_ptr<cos::ObjectStore> by_v2() {
  return without_weather(cos::ListVersion::v2);
}

// A world whose time passes at once. Names of hosts do not resolve here, so that redirects lead nowhere.
class Hurry {
 public:
  explicit Hurry(std::uint64_t seed) : world_(seed, {}, SteadyTime{}, system_clock().wall()) {}

  void keep(Weather weather) { world_.keep(std::move(weather), now_); }
  Delivery ask(const HttpRequest& request) {
    world_.send(++last_, request, {}, now_);
    std::vector<Delivery> delivered;
    while (delivered.empty()) delivered = world_.advance(now_ = world_.next());
    return delivered.front();
  }

 private:
  World world_;
  SteadyTime now_{};
  RequestId last_ = 0;
};

AnswerOne in(const std::shared_ptr<Hurry>& hurry) {
  return [hurry](const HttpRequest& request) { return hurry->ask(request); };
}

std::shared_ptr<cos::ObjectStore> in_hidden_weather() {
  static std::uint64_t seed = 0;
  const auto hurry = std::make_shared<Hurry>(++seed);
  Weather weather;
  weather.kind = Kind::hidden;
  for (const Trouble trouble : {Trouble::slow_down, Trouble::too_many, Trouble::internal_before})
    weather.chances.push_back({trouble, 200'000});
  hurry->keep(weather);
  return as_one(std::make_shared<Served>(in(hurry)));
}

TEST(SimulatedStorm, NeverHidesAnObjectFromTheClient) {
  const auto hurry = std::make_shared<Hurry>(1);
  Served served(in(hurry));
  ASSERT_TRUE(served.store().put_object({.key = "a", .body = http::body_from_string("hello")}));
  Weather storm;
  storm.kind = Kind::stormy;
  for (const Trouble trouble : all_troubles()) storm.chances.push_back({trouble, 30'000});
  hurry->keep(storm);
  const cos::CallContext once({}, cos::Effort::once);
  unsigned whole = 0, failed = 0;
  for (int times = 0; times < 500; ++times) {
    const auto bytes = served.store().get_object("a", 1_KiB, once);
    const auto info = served.store().head_object("a", once);
    EXPECT_NE(fault_of(bytes), Fault::no_key);
    EXPECT_NE(fault_of(info), Fault::no_key);
    EXPECT_TRUE(!bytes || *bytes == "hello") << *bytes;
    (bytes && info ? whole : failed) += 1;
  }
  EXPECT_GT(whole, 50u);
  EXPECT_GT(failed, 50u);
}

}  // namespace
}  // namespace pail::simulation

namespace pail::cos {

INSTANTIATE_TEST_SUITE_P(Simulated, ObjectStoreSuite, testing::Values(simulation::by_v1, simulation::by_v2));
INSTANTIATE_TEST_SUITE_P(Hidden, ObjectStoreSuite, testing::Values(simulation::in_hidden_weather));

}  // namespace pail::cos
