#include "simulation/life_end.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

namespace pail::simulation {
namespace {

using testing::HasSubstr;
using testing::Optional;

const Ended kInOrder, kCannotBegin{"no room", {}, Ended::How::cannot_begin}, kStuck{"waits", {}, Ended::How::stuck};

TEST(LifeEndTest, ALifeMayEndInOrderOrAtItsStep) {
  EXPECT_EQ(wrong_with({.told = kInOrder}), std::nullopt);
  EXPECT_EQ(wrong_with({.status = SIGKILL, .told = {}, .may_die = true}), std::nullopt);
  EXPECT_THAT(wrong_with({.status = SIGKILL, .told = {}}), Optional(HasSubstr("by itself")));
}

TEST(LifeEndTest, AMountWhoseDiskFailsMaySayThatItCannotBegin) {
  EXPECT_EQ(wrong_with({.told = kCannotBegin, .disk_failed = true}), std::nullopt);
  EXPECT_THAT(wrong_with({.told = kCannotBegin}), Optional(HasSubstr("no room")));
}

TEST(LifeEndTest, ADiskThatFailsExcusesNoCrash) {
  for (const int signal : {SIGSEGV, SIGABRT, SIGBUS, SIGKILL})
    EXPECT_THAT(wrong_with({.status = signal, .told = {}, .disk_failed = true}), Optional(HasSubstr("by itself")));
  EXPECT_THAT(wrong_with({.told = {}, .disk_failed = true}), Optional(HasSubstr("by itself")));
}

TEST(LifeEndTest, ADiskThatFailsExcusesNoDeadlock) {
  EXPECT_THAT(wrong_with({.status = 1 << 8, .told = kStuck, .disk_failed = true}), Optional(HasSubstr("waits")));
}

}  // namespace
}  // namespace pail::simulation
