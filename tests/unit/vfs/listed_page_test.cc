#include "vfs/listed_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pail::vfs {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string kPrefix = "p/";

// Keys that end with '/' are common prefixes.
cos::ListPage page_of(const std::vector<std::string>& names, bool more) {
  cos::ListPage page;
  for (const std::string& name : names) {
    if (name.ends_with('/'))
      page.common_prefixes.push_back(kPrefix + name);
    else
      page.objects.push_back(
          {.key = kPrefix + name, .size = {1}, .etag = {"e"}, .last_modified = {}, .storage_class = {}});
  }
  if (more) page.continuation = "more";
  return page;
}

// Directories with a '/' behind their names.
std::vector<std::string> shown(const local::ListedPage& page) {
  std::vector<std::string> names;
  for (const auto& [name, what] : page.names)
    names.push_back(std::holds_alternative<local::ListedDirectory>(what) ? name + "/" : name);
  return names;
}

std::vector<std::string> names_of(const UndecidedFiles& files) {
  std::vector<std::string> names;
  for (const auto& file : files) names.push_back(file.name);
  return names;
}

TEST(ListedPage, OfAFileAndADirectoryOfOneNameTheDirectoryIsShown) {
  const auto [page, undecided] = listed_page(kPrefix, page_of({"a", "a/", "b"}, false), {});
  EXPECT_THAT(shown(page), ElementsAre("a/", "b"));
  EXPECT_THAT(undecided, IsEmpty());
}

TEST(ListedPage, AFileWhoseDirectoryMayFollowWaitsForTheNextPage) {
  const auto first = listed_page(kPrefix, page_of({"a", "a-b"}, true), {});
  EXPECT_THAT(shown(first.page), IsEmpty());
  EXPECT_THAT(names_of(first.undecided), ElementsAre("a", "a-b"));
  const auto second = listed_page(kPrefix, page_of({"a/", "b"}, true), first.undecided);
  EXPECT_THAT(shown(second.page), ElementsAre("a/", "a-b"));
  EXPECT_THAT(names_of(second.undecided), ElementsAre("b"));
}

TEST(ListedPage, AFileIsShownAsSoonAsTheKeysHavePassedItsDirectory) {
  const auto first = listed_page(kPrefix, page_of({"a", "a0"}, true), {});
  EXPECT_THAT(shown(first.page), ElementsAre("a"));
  EXPECT_THAT(names_of(first.undecided), ElementsAre("a0"));
}

TEST(ListedPage, TheLastPageLeavesNothingUndecided) {
  const auto first = listed_page(kPrefix, page_of({"a"}, true), {});
  const auto last = listed_page(kPrefix, page_of({"b"}, false), first.undecided);
  EXPECT_THAT(shown(last.page), ElementsAre("a", "b"));
  EXPECT_THAT(last.undecided, IsEmpty());
}

TEST(ListedPage, KeysThatNoFileCanBeNamedByAreLeftOut) {
  const auto [page, undecided] = listed_page(kPrefix, page_of({"..", "a"}, true), {});
  EXPECT_THAT(shown(page), IsEmpty());
  EXPECT_THAT(names_of(undecided), ElementsAre("a"));
}

}  // namespace
}  // namespace pail::vfs
