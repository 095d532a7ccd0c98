#include "cos/refusal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "fake_store/fake_store.h"

namespace pail::cos {
namespace {

using fake::Operation;
using ::testing::StartsWith;

class RefusalTest : public ::testing::Test {
 protected:
  ETag etag(const std::string& key) { return store_.info(key)->etag; }
  Result<Look> look(const std::string& key, const ETag& expected) {
    return look_after_refusal(store_, key, expected, {});
  }
  static Error refusal() { return {ESTALE, "PUT demo/f: 412", Fault::precondition}; }

  fake::FakeStore store_;
};

TEST_F(RefusalTest, IsNotBorneOutByTheVersionThatWasNamed) {
  store_.put("f", "ours");
  const auto look = this->look("f", etag("f"));
  ASSERT_TRUE(look);
  EXPECT_EQ(look->found, Found::expected);
  ASSERT_TRUE(look->object);
  EXPECT_EQ(look->object->size, ByteCount{4});
}

TEST_F(RefusalTest, IsNotBorneOutByAKeyThatIsFreeAsItWasToBe) {
  const auto look = this->look("f", {});
  ASSERT_TRUE(look);
  EXPECT_EQ(look->found, Found::expected);
  EXPECT_FALSE(look->object);
}

TEST_F(RefusalTest, IsBorneOutByAnotherVersion) {
  store_.put("f", "ours");
  const ETag ours = etag("f");
  store_.put("f", "theirs");
  const auto look = this->look("f", ours);
  ASSERT_TRUE(look);
  EXPECT_EQ(look->found, Found::another);
  EXPECT_EQ(look->object->etag, etag("f"));
}

TEST_F(RefusalTest, IsBorneOutByAKeyThatWasToBeFreeAndIsNot) {
  store_.put("f", "theirs");
  const auto look = this->look("f", {});
  ASSERT_TRUE(look);
  EXPECT_EQ(look->found, Found::another);
}

TEST_F(RefusalTest, IsBorneOutByAKeyThatIsGone) {
  const auto look = this->look("f", {"\"named\""});
  ASSERT_TRUE(look);
  EXPECT_EQ(look->found, Found::nothing);
  EXPECT_FALSE(look->object);
}

TEST_F(RefusalTest, IsNeitherTrueNorFalseWhereTheLookFails) {
  store_.put("f", "ours");
  store_.fail({.operation = Operation::head_object}, {.fault = Fault::lost});
  const auto look = this->look("f", etag("f"));
  ASSERT_FALSE(look);
  EXPECT_EQ(look.error().fault, Fault::lost);
}

TEST_F(RefusalTest, ThatIsNotBorneOutIsTroubleOfTheStore) {
  const Error told = after_look(refusal(), Found::expected);
  EXPECT_EQ(told.errnum, EIO);
  EXPECT_EQ(told.fault, Fault::trouble);
  EXPECT_THAT(told.context, StartsWith(refusal().context));
}

TEST_F(RefusalTest, ThatIsBorneOutIsToldAsItIs) {
  for (const Found found : {Found::another, Found::nothing}) {
    const Error told = after_look(refusal(), found);
    EXPECT_EQ(told.errnum, ESTALE);
    EXPECT_EQ(told.fault, Fault::precondition);
    EXPECT_EQ(told.context, refusal().context);
  }
}

}  // namespace
}  // namespace pail::cos
