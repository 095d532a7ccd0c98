#include "simulation/others/clients.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pail::simulation::others {
namespace {

using namespace std::chrono_literals;

constexpr SteadyTime kBegin{1000h};

// The effects of so many clients within a virtual quarter of an hour.
std::vector<Effect> effects_of(std::uint64_t seed, unsigned count) {
  World world(seed, {}, kBegin, WallTime{});
  std::vector<Effect> effects;
  world.watch([&](const Effect& effect) { effects.push_back(effect); });
  Clients clients(seed, count, {}, world, kBegin);
  for (SteadyTime now = kBegin; now < kBegin + 15min; now = std::min(clients.next(), world.next())) {
    clients.begin(now);
    world.advance(now);
  }
  return effects;
}

std::string text_of_all(const std::vector<Effect>& effects) {
  std::string text;
  for (const Effect& effect : effects) text += text_of(effect) + "\n";
  return text;
}

TEST(OtherClients, DoTheSameWithTheSameSeed) {
  const std::string once = text_of_all(effects_of(7, 2));
  EXPECT_EQ(once, text_of_all(effects_of(7, 2)));
  EXPECT_NE(once, text_of_all(effects_of(8, 2)));
}

TEST(OtherClients, WriteDeleteAndCopyUnderTheNamesOfThePrograms) {
  std::set<Operation> operations;
  std::set<std::string> keys;
  for (const Effect& effect : effects_of(7, 2)) {
    EXPECT_EQ(effect.who.kind, Actor::Kind::other);
    operations.insert(effect.operation);
    keys.insert(effect.key);
  }
  EXPECT_THAT(operations,
              testing::IsSupersetOf({Operation::put, Operation::complete_upload, Operation::remove, Operation::copy}));
  EXPECT_THAT(keys, testing::IsSupersetOf({"f0", "d0/f1", "d1/"}));
}

// The keys that are changed soon after this request, in many tries.
std::set<std::string> keys_changed_after(const HttpRequest& request) {
  std::set<std::string> keys;
  World world(1, {}, kBegin, WallTime{});
  world.watch([&](const Effect& effect) { keys.insert(effect.key); });
  Programs::Settings deep;
  deep.depth = 1;  // none of the names below is drawn by chance
  Clients clients(1, 1, deep, world, kBegin);
  for (SteadyTime now = kBegin; now < kBegin + 500s; now += 1s) {
    clients.mount_sent(request, now);
    world.advance(now + 900ms);
  }
  return keys;
}

TEST(OtherClients, ChangeWhatTheMountCopies) {
  http::Headers headers;
  headers.set("x-amz-copy-source", "/bucket/d0/from%20here");
  EXPECT_THAT(keys_changed_after({"PUT", "http://store.sim/bucket/d1/to", headers, {}}),
              testing::IsSupersetOf({"d0/from here", "d1/to"}));
}

TEST(OtherClients, ChangeWhatTheMountLists) {
  EXPECT_THAT(keys_changed_after({"GET", "http://store.sim/bucket?list-type=2&prefix=d0%2F", {}, {}}),
              testing::IsSupersetOf({"d0/f0", "d0/f1", "d0/"}));
}

TEST(OtherClients, NobodyDoesNothing) {
  World world(1, {}, kBegin, WallTime{});
  Clients clients(1, 0, {}, world, kBegin);
  clients.mount_sent({"GET", "http://store.sim/bucket/f0", {}, {}}, kBegin);
  EXPECT_EQ(clients.next(), World::kNever);
  EXPECT_EQ(world.next(), World::kNever);
}

}  // namespace
}  // namespace pail::simulation::others
