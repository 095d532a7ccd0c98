#include "simulation/audit.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "simulation/model/views.h"
#include "simulation/wrong.h"
#include "vfs/object_metadata.h"

namespace pail::simulation {
namespace {

constexpr WallTime kThen{std::chrono::hours(480'000)};

// A mount of one file or link "f" and the directory "d".
class AuditTest : public testing::Test {
 protected:
  AuditTest() {
    put("f", "bytes", S_IFREG | 0640);
    put("d/", "", S_IFDIR | 0750);
  }

  void put(const std::string& key, const std::string& bytes, std::uint32_t mode) {
    cos::ObjectHeaders headers;
    headers.metadata = {
        {"mode", std::to_string(mode)},
        {"mtime", std::to_string(std::chrono::duration_cast<std::chrono::seconds>(kThen.time_since_epoch()).count())}};
    bucket_.write(key, fake::Content(bytes), headers);
  }

  bool finds_something(Audit::Attributes attributes = Audit::Attributes::those_of_the_bucket) {
    try {
      Audit(
          bucket_, attributes, [this](const Question& question) { return answer(question); }, [](auto) {})
          .run();
    } catch (const Wrong&) {
      return true;
    }
    return false;
  }

  Answer answer(const Question& question) const {
    Answer answer;
    if (const auto* listing = std::get_if<ReadDirectory>(&question)) answer.value = listed(*listing);
    if (const auto* lookup = std::get_if<Lookup>(&question)) answer.value = lookup->name == "f" ? file_ : directory_;
    if (std::holds_alternative<Open>(question)) answer.value = OpenedFile{.entry = {}, .handle = 1};
    if (std::holds_alternative<Read>(question) || std::holds_alternative<ReadLink>(question))
      answer.value = Bytes{bytes_};
    return answer;
  }

  static Listed listed(const ReadDirectory& asked) {
    if (asked.number != vfs::kRootInode || asked.offset != 0) return {};
    return {{{.name = "d", .number = 6, .type = {}, .next_offset = 1, .entry = {}},
             {.name = "f", .number = 5, .type = {}, .next_offset = 2, .entry = {}}}};
  }

  fake::Bucket bucket_{1};
  ShownEntry file_{.number = 5, .permissions = 0640, .size = 5, .modified = kThen};
  ShownEntry directory_{.number = 6, .type = vfs::FileType::directory, .permissions = 0750};
  std::string bytes_ = "bytes";
};

TEST_F(AuditTest, AMountThatShowsTheBucketIsRight) {
  EXPECT_FALSE(finds_something());
}

TEST_F(AuditTest, OtherBytesAreWrong) {
  bytes_ = "other";
  EXPECT_TRUE(finds_something());
}

TEST_F(AuditTest, PermissionsAndTimesAreThoseOfTheBucket) {
  file_.permissions = 0600;
  EXPECT_TRUE(finds_something());
  EXPECT_FALSE(finds_something(Audit::Attributes::any));
  file_.permissions = 0640;
  file_.modified += std::chrono::seconds(1);
  EXPECT_TRUE(finds_something());
}

TEST_F(AuditTest, PermissionsOfADirectoryAreThoseOfItsMarker) {
  directory_.permissions = 0755;
  EXPECT_TRUE(finds_something());
}

TEST_F(AuditTest, TheTargetOfALinkIsThatOfTheBucket) {
  put("f", "bytes", S_IFLNK | 0777);
  file_.type = vfs::FileType::symlink;
  file_.permissions = 0777;
  EXPECT_FALSE(finds_something());
  bytes_ = "other";
  EXPECT_TRUE(finds_something());
}

}  // namespace
}  // namespace pail::simulation
