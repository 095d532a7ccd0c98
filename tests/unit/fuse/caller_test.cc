#include "fuse/caller.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdint>

namespace pail::fuse {
namespace {

std::uint64_t bit_of(int signal) {
  return std::uint64_t{1} << (signal - 1);
}

struct Signals {
  std::uint64_t pending = 0, shared = 0, blocked = 0, ignored = 0, caught = 0;
};

// /proc/TID/status, as far as it speaks of signals.
std::string status_with(const Signals& signals) {
  return fmt::format(
      "Name:\tcp\nState:\tD (disk sleep)\nSigQ:\t1/96365\nSigPnd:\t{:016x}\nShdPnd:\t{:016x}\n"
      "SigBlk:\t{:016x}\nSigIgn:\t{:016x}\nSigCgt:\t{:016x}\nCapInh:\t0000000000000000\n",
      signals.pending, signals.shared, signals.blocked, signals.ignored, signals.caught);
}

bool deadly(const Signals& signals) {
  return deadly_signal_pending(status_with(signals));
}

TEST(Caller, IsDyingWhenTheKernelHasDecidedToKillIt) {
  EXPECT_TRUE(deadly({.pending = bit_of(SIGKILL)}));
  EXPECT_TRUE(deadly({.shared = bit_of(SIGKILL), .caught = ~std::uint64_t{0}}));
  EXPECT_FALSE(deadly({}));
}

TEST(Caller, IsDyingOfASignalThatDumpsCore) {
  EXPECT_TRUE(deadly({.shared = bit_of(SIGQUIT)}));
  EXPECT_TRUE(deadly({.pending = bit_of(SIGSEGV), .caught = bit_of(SIGALRM)}));
}

TEST(Caller, LivesOnAfterASignalThatItHandlesBlocksOrIgnores) {
  EXPECT_FALSE(deadly({.shared = bit_of(SIGALRM), .caught = bit_of(SIGALRM)}));
  EXPECT_FALSE(deadly({.pending = bit_of(SIGQUIT), .blocked = bit_of(SIGQUIT)}));
  EXPECT_FALSE(deadly({.shared = bit_of(SIGQUIT), .ignored = bit_of(SIGQUIT)}));
}

TEST(Caller, LivesOnAfterASignalThatIsHarmlessByDefault) {
  for (const int signal : {SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGTSTP, SIGSTOP, SIGTTIN, SIGTTOU})
    EXPECT_FALSE(deadly({.shared = bit_of(signal)})) << signal;
}

TEST(Caller, CountsAsDyingWhenItsStatusDoesNotSay) {
  EXPECT_TRUE(deadly_signal_pending(""));
  EXPECT_TRUE(deadly_signal_pending("Name:\tcp\nGroups:\t1 2 3"));
}

TEST(Caller, IsFoundByTheNumberOfItsThread) {
  const auto self = Caller::find(gettid());
  ASSERT_TRUE(self);
  EXPECT_FALSE(self->dying());
  EXPECT_FALSE(Caller::find(0));  // it lives in another pid namespace
}

}  // namespace
}  // namespace pail::fuse
