#include "cos/dialect.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "../../manual_clock.h"
#include "../temporary_directory.h"
#include "base/file.h"

namespace pail::cos {
namespace {

using namespace std::chrono_literals;

constexpr char kEndpoint[] = "https://store.example";

class DialectTest : public ::testing::Test {
 protected:
  // What another process would know.
  Known kept(Ability ability, const std::string& endpoint = kEndpoint) {
    return Dialect(endpoint, file_, clock_).known(ability);
  }
  void write(std::string_view text) { ASSERT_TRUE(write_file_atomically(file_, text)); }

  ManualClock clock_{WallTime(1h)};
  const TemporaryDirectory directory_;
  const std::filesystem::path file_ = directory_.path() / "dialect";
};

TEST_F(DialectTest, WhatIsProvenIsKnownForThirtyDays) {
  Dialect dialect(kEndpoint, {}, clock_);
  EXPECT_EQ(dialect.known(Ability::list_v2), Known::unknown);
  dialect.proven_missing(Ability::list_v2);
  EXPECT_EQ(dialect.known(Ability::list_v2), Known::missing);
  EXPECT_EQ(dialect.known(Ability::put_if_match), Known::unknown);
  clock_.pass(Dialect::kValid - 1s);
  EXPECT_EQ(dialect.known(Ability::list_v2), Known::missing);
  clock_.pass(1s);
  EXPECT_EQ(dialect.known(Ability::list_v2), Known::unknown);
}

TEST_F(DialectTest, ProofOfTheContraryCountsAtOnce) {
  Dialect dialect(kEndpoint, {}, clock_);
  dialect.proven_there(Ability::put_if_match);
  dialect.proven_missing(Ability::put_if_match);
  EXPECT_EQ(dialect.known(Ability::put_if_match), Known::missing);
  dialect.proven_there(Ability::put_if_match);
  EXPECT_EQ(dialect.known(Ability::put_if_match), Known::there);
}

TEST_F(DialectTest, WhatSeemsMissingToTheWritesOfTwoKeysIs) {
  Dialect dialect(kEndpoint, {}, clock_);
  for (const char* key : {"a", "b"}) {
    EXPECT_EQ(dialect.known(Ability::put_if_absent), Known::unknown);
    EXPECT_TRUE(dialect.take_proof(Ability::put_if_absent));
    dialect.seems_missing(Ability::put_if_absent, key);
  }
  EXPECT_EQ(dialect.known(Ability::put_if_absent), Known::missing);
}

TEST_F(DialectTest, WhatSeemsMissingToOneKeyIsAskedOnceAnHour) {
  Dialect dialect(kEndpoint, {}, clock_);
  for (int writes = 0; writes < 2; ++writes) {
    ASSERT_TRUE(dialect.take_proof(Ability::put_if_absent));
    dialect.seems_missing(Ability::put_if_absent, "a");
  }
  EXPECT_FALSE(dialect.take_proof(Ability::put_if_absent));
  EXPECT_EQ(dialect.known(Ability::put_if_absent), Known::unknown);
  clock_.pass(Dialect::kProofPause);
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_absent));
}

TEST_F(DialectTest, WhatIsProvenDoesNotSeemMissing) {
  Dialect dialect(kEndpoint, {}, clock_);
  dialect.seems_missing(Ability::put_if_absent, "a");
  dialect.proven_there(Ability::put_if_absent);
  for (const char* key : {"a", "b"}) dialect.seems_missing(Ability::put_if_absent, key);
  EXPECT_EQ(dialect.known(Ability::put_if_absent), Known::there);
}

TEST_F(DialectTest, WhatSeemedMissingBeforeItWasProvenCountsNoMore) {
  Dialect dialect(kEndpoint, {}, clock_);
  dialect.seems_missing(Ability::put_if_absent, "a");
  dialect.proven_there(Ability::put_if_absent);
  clock_.pass(Dialect::kValid);
  dialect.seems_missing(Ability::put_if_absent, "b");
  EXPECT_EQ(dialect.known(Ability::put_if_absent), Known::unknown);
}

TEST_F(DialectTest, OneCallerAnHourIsToProveWhatIsNotKnown) {
  Dialect dialect(kEndpoint, {}, clock_);
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_match));
  EXPECT_FALSE(dialect.take_proof(Ability::put_if_match));
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_absent));
  clock_.pass(Dialect::kProofPause);
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_match));
  dialect.proven_there(Ability::put_if_match);
  clock_.pass(Dialect::kProofPause);
  EXPECT_FALSE(dialect.take_proof(Ability::put_if_match));
  clock_.pass(Dialect::kValid);
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_match));
}

TEST_F(DialectTest, AProofThatIsGivenBackIsTheNextCallers) {
  Dialect dialect(kEndpoint, {}, clock_);
  ASSERT_TRUE(dialect.take_proof(Ability::put_if_match));
  dialect.give_back_proof(Ability::put_if_match);
  EXPECT_TRUE(dialect.take_proof(Ability::put_if_match));
}

TEST_F(DialectTest, TheNextProcessKnowsItForWhatIsLeftOfTheThirtyDays) {
  {
    Dialect dialect(kEndpoint, file_, clock_);
    dialect.proven_missing(Ability::put_if_match);
    dialect.proven_there(Ability::upload_end);
    clock_.pass(Dialect::kValid - 1s);
    dialect.proven_there(Ability::list_v2);
  }
  EXPECT_EQ(kept(Ability::put_if_match), Known::missing);
  EXPECT_EQ(kept(Ability::upload_end), Known::there);
  EXPECT_EQ(kept(Ability::marker_copy), Known::unknown);
  clock_.pass(1s);
  EXPECT_EQ(kept(Ability::put_if_match), Known::unknown);
  EXPECT_EQ(kept(Ability::list_v2), Known::there);
}

TEST_F(DialectTest, AnotherEndpointIsLearntAnewAndThenKeptInItsPlace) {
  { Dialect(kEndpoint, file_, clock_).proven_missing(Ability::put_if_match); }
  {
    Dialect other("https://other.example", file_, clock_);
    EXPECT_EQ(other.known(Ability::put_if_match), Known::unknown);
    other.proven_there(Ability::list_v2);
  }
  EXPECT_EQ(kept(Ability::list_v2, "https://other.example"), Known::there);
  EXPECT_EQ(kept(Ability::put_if_match), Known::unknown);
}

TEST_F(DialectTest, AFileThatIsCutAnywhereIsLearntAnew) {
  {
    Dialect dialect(kEndpoint, file_, clock_);
    dialect.proven_missing(Ability::put_if_match);
    dialect.proven_missing(Ability::list_v2);
  }
  const auto whole = read_file(file_, 4_KiB);
  ASSERT_TRUE(whole);
  for (std::size_t size = 0; size < whole->size(); ++size) {
    write(std::string_view(*whole).substr(0, size));
    EXPECT_EQ(kept(Ability::put_if_match), Known::unknown) << size;
  }
  write(*whole);
  EXPECT_EQ(kept(Ability::put_if_match), Known::missing);
}

TEST_F(DialectTest, AFileWithAnythingElseInItIsLearntAnew) {
  const std::string begin = "pailfs-dialect 1\nendpoint https://store.example\nput-if-match missing 3000\n";
  write(begin + "end\n");
  ASSERT_EQ(kept(Ability::put_if_match), Known::missing);
  for (const auto* line : {"no-such-ability there 3000\n", "list-v2 perhaps 3000\n", "list-v2 there\n", "\n",
                           "list-v2 there 3000 1\n", "list-v2 there -1\n", "list-v2 there 99999999999999\n", "end\n"}) {
    write(begin + line + "end\n");
    EXPECT_EQ(kept(Ability::put_if_match), Known::unknown) << line;
  }
}

TEST_F(DialectTest, ADateInTheFutureIsNoProof) {
  write("pailfs-dialect 1\nendpoint https://store.example\nlist-v2 missing 3601\nend\n");
  EXPECT_EQ(kept(Ability::list_v2), Known::unknown);
  clock_.pass(1s);
  EXPECT_EQ(kept(Ability::list_v2), Known::missing);
}

TEST_F(DialectTest, ACalendarThatIsSetBackForgetsNothingOfThisProcess) {
  Dialect dialect(kEndpoint, {}, clock_);
  dialect.proven_there(Ability::upload_end);
  clock_.set_wall(WallTime(1min));
  EXPECT_EQ(dialect.known(Ability::upload_end), Known::there);
  clock_.pass(Dialect::kValid);
  EXPECT_EQ(dialect.known(Ability::upload_end), Known::unknown);
}

TEST_F(DialectTest, ACalendarThatIsSetBackForgetsNothingThatAProcessHasRead) {
  Dialect(kEndpoint, file_, clock_).proven_there(Ability::upload_end);
  const Dialect next(kEndpoint, file_, clock_);
  ASSERT_EQ(next.known(Ability::upload_end), Known::there);
  clock_.set_wall(WallTime(1min));
  EXPECT_EQ(next.known(Ability::upload_end), Known::there);
}

TEST_F(DialectTest, WhereNothingCanBeReadOrWrittenItIsKnownHere) {
  Dialect dialect(kEndpoint, directory_.path(), clock_);
  dialect.proven_missing(Ability::list_v2);
  EXPECT_EQ(dialect.known(Ability::list_v2), Known::missing);
}

TEST_F(DialectTest, AFifoInItsPlaceIsNotWaitedFor) {
  ASSERT_EQ(::mkfifo(file_.c_str(), 0600), 0);
  EXPECT_EQ(kept(Ability::list_v2), Known::unknown);
  { Dialect(kEndpoint, file_, clock_).proven_missing(Ability::list_v2); }
  EXPECT_EQ(kept(Ability::list_v2), Known::missing);
}

TEST_F(DialectTest, AFileOfANewerVersionStaysHoweverLargeItIs) {
  const std::string newer = "pailfs-dialect 2\n" + std::string(100'000, 'x');
  write(newer);
  { Dialect(kEndpoint, file_, clock_).proven_missing(Ability::list_v2); }
  EXPECT_EQ(*read_file(file_, 1_MiB), newer);
}

TEST_F(DialectTest, AFileOfANewerVersionStaysAsItIs) {
  const std::string newer = "pailfs-dialect 2\nendpoint https://store.example\n";
  write(newer);
  {
    Dialect dialect(kEndpoint, file_, clock_);
    EXPECT_EQ(dialect.known(Ability::list_v2), Known::unknown);
    dialect.proven_missing(Ability::list_v2);
    EXPECT_EQ(dialect.known(Ability::list_v2), Known::missing);
  }
  EXPECT_EQ(*read_file(file_, 4_KiB), newer);
}

}  // namespace
}  // namespace pail::cos
