#include "simulation/others/attempts.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "simulation/world/face.h"

namespace pail::simulation::others {
namespace {

class AttemptsTest : public testing::Test {
 protected:
  void send(const std::string& body = "") {
    request_ = {"PUT", "http://store.sim/bucket/d/f", {}, body};
    attempts_.sent(request_);
  }
  void answer(const HttpAnswer& answer, int broken = 0) { attempts_.answered(understand(request_), answer, broken); }
  HttpAnswer refusal(int status, const std::string& code) const { return refuse(request_, {status, code}, {}, 1); }
  bool in_doubt() const { return attempts_.may_have_happened("d/f"); }

  Attempts attempts_;
  HttpRequest request_;
};

TEST_F(AttemptsTest, OneWithoutAnAnswerMayHaveHappened) {
  EXPECT_FALSE(in_doubt());
  send();
  EXPECT_TRUE(in_doubt());
  answer({}, ECONNRESET);
  EXPECT_TRUE(in_doubt());
  EXPECT_FALSE(attempts_.may_have_happened("d/g"));
}

TEST_F(AttemptsTest, OneThatTheStoreRefusedHasNotHappened) {
  send();
  answer(refusal(412, "PreconditionFailed"));
  EXPECT_FALSE(in_doubt());
}

TEST_F(AttemptsTest, OneThatAStoreInTroubleOrAProxyRefusedMayHaveHappened) {
  send();
  answer(refusal(500, "InternalError"));
  EXPECT_TRUE(in_doubt());
  answer({200, {}, ""});
  EXPECT_FALSE(in_doubt());
  send();
  answer({404, {}, "a page"});
  EXPECT_TRUE(in_doubt());
}

TEST_F(AttemptsTest, ARefusalSaysNothingOfTheOneBefore) {
  send();
  answer({}, ETIMEDOUT);
  send();
  answer(refusal(412, "PreconditionFailed"));
  EXPECT_TRUE(in_doubt());
}

TEST_F(AttemptsTest, OneThatWasCutOffMayHaveHappenedWhateverBecomesOfTheNext) {
  send();
  send();
  answer(refusal(412, "PreconditionFailed"));
  EXPECT_TRUE(in_doubt());
}

TEST_F(AttemptsTest, NothingIsInDoubtOnceTheKeyIsStored) {
  send();
  answer({}, ETIMEDOUT);
  send("bytes");
  answer({200, {}, ""});
  EXPECT_FALSE(in_doubt());
}

TEST_F(AttemptsTest, OneToStoreBytesMakesNoEmptyObject) {
  send("bytes");
  answer({}, ECONNRESET);
  EXPECT_FALSE(in_doubt());
}

}  // namespace
}  // namespace pail::simulation::others
