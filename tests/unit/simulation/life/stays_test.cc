#include "simulation/stays.h"

#include <gtest/gtest.h>

#include <fstream>

#include "../../temporary_directory.h"

namespace pail::simulation {
namespace {

class StaysTest : public testing::Test {
 protected:
  StaysTest() { std::filesystem::create_directories(directory_.path() / "staging"); }

  std::string make(const std::string& name) {
    const std::filesystem::path path = directory_.path() / "staging" / name;
    std::ofstream(path) << "bytes";
    return path.string();
  }
  std::optional<std::string> not_as_told(const std::vector<std::string>& told,
                                         const std::vector<std::filesystem::path>& not_removed = {}) const {
    return simulation::not_as_told(directory_.path(), told, not_removed);
  }

  const TemporaryDirectory directory_;
};

TEST_F(StaysTest, WhatIsStagedAndToldOfIsRight) {
  const std::string whole = make("5.whole"), patched = make("6");
  make("5.times");
  make("6.log");
  EXPECT_EQ(not_as_told({whole, patched}), std::nullopt);
}

TEST_F(StaysTest, WhatIsStagedAndNotToldOfIsWrong) {
  const std::string whole = make("5.whole");
  make("6");
  EXPECT_NE(not_as_told({whole}), std::nullopt);
}

TEST_F(StaysTest, WhatTheDiskDidNotRemoveNeedNotBeToldOf) {
  make("5.whole");
  EXPECT_EQ(not_as_told({}, {"staging/5"}), std::nullopt);
  make("6.whole");
  EXPECT_NE(not_as_told({}, {"staging/5", "blocks/6"}), std::nullopt);
}

TEST_F(StaysTest, APlaceWhereNothingIsIsWrong) {
  EXPECT_NE(not_as_told({(directory_.path() / "staging" / "5.whole").string()}), std::nullopt);
}

}  // namespace
}  // namespace pail::simulation
