#include "pailfs/http/budget.h"

#include <gtest/gtest.h>

#include "../../manual_clock.h"

namespace pail::http {
namespace {

using std::chrono::seconds;

class BudgetTest : public ::testing::Test {
 protected:
  ManualClock clock_;
  Budget budget_{seconds(60), clock_};
};

TEST_F(BudgetTest, IsUsedUpAfterItsBound) {
  clock_.pass(seconds(45));
  EXPECT_EQ(budget_.left(), seconds(15));
  clock_.pass(seconds(45));
  EXPECT_EQ(budget_.left(), seconds(0));
}

TEST_F(BudgetTest, CountsFromTheLastProgress) {
  for (std::uint64_t mebibytes = 1; mebibytes <= 100; ++mebibytes) {
    clock_.pass(seconds(50));
    budget_.sent(ByteCount{mebibytes << 20});
    EXPECT_EQ(budget_.left(), seconds(60));
  }
}

TEST_F(BudgetTest, IsNotRenewedByBytesThatAnEarlierAttemptHadSentToo) {
  budget_.sent(5_MiB);
  clock_.pass(seconds(40));
  budget_.sent(1_MiB);
  budget_.sent(5_MiB);
  EXPECT_EQ(budget_.left(), seconds(20));
}

TEST_F(BudgetTest, CountsBothDirectionsApart) {
  budget_.sent(5_MiB);
  clock_.pass(seconds(40));
  budget_.received(1_KiB);
  EXPECT_EQ(budget_.left(), seconds(60));
}

TEST_F(BudgetTest, LeavesOutTimeThatIsNotTheServers) {
  clock_.pass(seconds(50));
  budget_.excuse(seconds(50));
  EXPECT_EQ(budget_.left(), seconds(60));
}

}  // namespace
}  // namespace pail::http
