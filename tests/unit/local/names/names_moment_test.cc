// By which time confirmations are noted, over processes, suspensions, reboots and calendars that are set.
#include <chrono>

#include "local/names/index.h"
#include "names_fixture.h"

namespace pail::local {
namespace {

using namespace std::chrono_literals;

class MomentTest : public NamesTest {
 protected:
  // A confirmation: when a new directory was noted to be there.
  WallTime confirm(const std::string& name) { return inode(make_directory(kRoot, name)).checked; }
  bool trusted(WallTime confirmed) const { return confirmed >= names->trusted_from(); }
  std::chrono::nanoseconds age(WallTime confirmed) const { return names->moment() - confirmed; }
  void set_calendar(std::chrono::nanoseconds by) { clock.set_wall(clock.wall() + by); }
};

TEST_F(MomentTest, BetweenTwoProcessesAConfirmationAgesByWhatPassesThoughTheCalendarIsSet) {
  const WallTime confirmed = confirm("d");
  set_calendar(24h);
  clock.pass(5s);
  reopen();
  EXPECT_EQ(age(confirmed), 5s);
  set_calendar(-48h);
  clock.pass(5s);
  reopen();
  EXPECT_EQ(age(confirmed), 10s);
  EXPECT_TRUE(trusted(confirmed));
}

TEST_F(MomentTest, ASleepOfTheMachineCountsInAProcessAndBetweenTwo) {
  const WallTime confirmed = confirm("d");
  clock.suspend(1h);
  EXPECT_EQ(age(confirmed), 1h);
  reopen();
  clock.suspend(1h);
  reopen();
  EXPECT_EQ(age(confirmed), 2h);
}

TEST_F(MomentTest, AfterARebootTheCalendarTellsHowLongTheMachineWasOff) {
  const WallTime confirmed = confirm("d");
  clock.reboot();
  set_calendar(10min);
  reopen();
  EXPECT_EQ(age(confirmed), 10min);
  EXPECT_TRUE(trusted(confirmed));
}

TEST_F(MomentTest, AfterARebootACalendarThatIsBehindMakesNothingFreshNowOrLater) {
  const WallTime confirmed = confirm("d");
  clock.reboot();
  set_calendar(-24h);
  reopen();
  EXPECT_FALSE(trusted(confirmed));
  EXPECT_GE(age(confirmed), 0s);
  clock.pass(24h);
  EXPECT_FALSE(trusted(confirmed));
  reopen();
  EXPECT_FALSE(trusted(confirmed));
}

TEST_F(MomentTest, WhatIsConfirmedAfterThatAgesAsEver) {
  clock.reboot();
  set_calendar(-24h);
  reopen();
  const WallTime confirmed = confirm("d");
  clock.pass(7s);
  reopen();
  EXPECT_EQ(age(confirmed), 7s);
  EXPECT_TRUE(trusted(confirmed));
}

TEST_F(MomentTest, ACalendarThatWasAheadForOneRunOfTheMachineMakesNothingFreshInTheNext) {
  const WallTime before = confirm("a");
  clock.reboot();
  set_calendar(24h);
  reopen();
  EXPECT_GE(age(before), 24h);
  const WallTime ahead = confirm("b");
  clock.reboot();
  set_calendar(-24h);
  reopen();
  EXPECT_FALSE(trusted(before));
  EXPECT_FALSE(trusted(ahead));
}

TEST_F(MomentTest, ACalendarCountsAsBehindWhenAnyConfirmationIsAheadOfIt) {
  clock.pass(10min);
  const WallTime confirmed = confirm("d");  // long after the process began
  clock.reboot();
  set_calendar(-5min);
  reopen();
  EXPECT_FALSE(trusted(confirmed));
}

TEST_F(MomentTest, WhatWasConfirmedBeforeAMountThatFollowsAnUnfinishedRequestIsTrustedByNoLaterProcess) {
  const WallTime confirmed = confirm("d");
  clock.pass(1s);
  ASSERT_TRUE(names->mount_begun());
  EXPECT_TRUE(trusted(confirmed));
  ASSERT_TRUE(names->begun(3, {kRoot}));
  reopen();
  ASSERT_TRUE(names->mount_begun());
  EXPECT_FALSE(trusted(confirmed));
  reopen();
  EXPECT_FALSE(trusted(confirmed));
  clock.pass(1s);
  EXPECT_TRUE(trusted(confirm("e")));
}

TEST_F(MomentTest, WhatAnOlderVersionConfirmedIsNotTrusted) {
  const auto older = directory.path() / "older";
  {
    const auto index = Index::open(older, settings().identity, clock, *journal);
    ASSERT_TRUE(index) << index.error().context;
    auto records = (*index)->write();
    InodeRecord root = *records->inode(kRoot);
    root.listed = clock.wall();
    records->put(root);
    ASSERT_TRUE(records->commit());
  }
  clock.pass(1s);
  const auto store = NameStore::open(older, settings(), uses);
  ASSERT_TRUE(store) << store.error().context;
  EXPECT_LT((*store)->inode(kRoot)->listed, (*store)->trusted_from());
}

}  // namespace
}  // namespace pail::local
