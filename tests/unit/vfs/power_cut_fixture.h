// The machine stops: of the journal what was synced is left, of the index nothing, and of staging files what is there.
#pragma once

#include <functional>
#include <vector>

#include "fake_store_fixture.h"
#include "local/journal/journal_state.h"
#include "local/staging/kept.h"

namespace pail::vfs {

// One at a time in a process.
class PowerCutTest : public FakeStoreTest {
 protected:
  void SetUp() override;
  void TearDown() override;

  // All records reach the disk, as they do by themselves after some seconds: what is journalled synced now.
  void wait_for_the_journal();
  // The process is killed now, or the machine stops: a later start() finds what that leaves. What is under way fails
  // without reaching the store any more; `end_it` waits for that.
  enum class Stops { process, machine };
  void stop(
      Stops what, const std::function<void()>& end_it = [] {});
  void lose_power() {
    stop(Stops::machine);
    start();
  }
  // The same while `work` has one of its requests on the way, which never arrives.
  void stop_during(Stops what, fake::Match at, const std::function<int()>& work);
  // What the journal promises after all that was under way has ended.
  local::LiveEntries promised();
  std::vector<local::KeptDescription> kept_descriptions();

 private:
  int stops_ = 0;
};

}  // namespace pail::vfs
