#include "pailfs/http/message.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <array>

#include "base/file.h"

namespace pail::http {
namespace {

std::string read_some(BodySource& body, std::uint64_t at, std::size_t size) {
  std::string out(size, '\0');
  auto read = body.read_at({at}, std::as_writable_bytes(std::span(out)));
  if (!read) return "error";
  out.resize(*read);
  return out;
}

TEST(Headers, FindsNamesWithoutRegardToCase) {
  const Headers headers{{"Content-Type", "text/plain"}, {"ETag", "\"1\""}};
  EXPECT_EQ(headers.find("content-TYPE"), "text/plain");
  EXPECT_EQ(headers.find("etag"), "\"1\"");
  EXPECT_FALSE(headers.contains("etag2"));
}

TEST(Headers, AddKeepsOrderAndSetReplacesEveryFieldOfTheName) {
  Headers headers;
  headers.add("a", "1");
  headers.add("b", "2");
  headers.add("A", "3");
  EXPECT_EQ(headers.find("A"), "1");
  headers.set("a", "4");
  EXPECT_EQ(headers.size(), 2U);
  EXPECT_EQ(headers.find("a"), "4");
  EXPECT_EQ(headers.begin()->name, "b");
}

TEST(Headers, SetSurvivesANameThatPointsIntoTheField) {
  Headers headers{{"x-long-enough-to-live-on-the-heap", "1"}};
  headers.set(headers.begin()->name, "2");
  EXPECT_EQ(headers.find("x-long-enough-to-live-on-the-heap"), "2");
}

TEST(Headers, RemoveOfAnAbsentNameChangesNothing) {
  Headers headers{{"a", "1"}};
  headers.remove("b");
  EXPECT_EQ(headers.size(), 1U);
}

TEST(BodyFromString, IsReadAgainFromAnyOffset) {
  const auto body = body_from_string("hello world");
  EXPECT_EQ(body->size(), ByteCount{11});
  EXPECT_EQ(read_some(*body, 6, 100), "world");
  EXPECT_EQ(read_some(*body, 0, 5), "hello");
  EXPECT_EQ(read_some(*body, 11, 5), "");
}

TEST(BodyFromFile, ReadsItsExtentOnly) {
  const std::string path = testing::TempDir() + "body_from_file_test";
  ASSERT_TRUE(write_file_atomically(path, "0123456789"));
  const auto fd = open_file(path, O_RDONLY);
  ASSERT_TRUE(fd);
  const auto body = body_from_file(fd->get(), {{2}, {6}});
  EXPECT_EQ(body->size(), ByteCount{4});
  EXPECT_EQ(read_some(*body, 0, 100), "2345");
  EXPECT_EQ(read_some(*body, 3, 100), "5");
  EXPECT_EQ(read_some(*body, 4, 100), "");
  unlink(path.c_str());
}

}  // namespace
}  // namespace pail::http
