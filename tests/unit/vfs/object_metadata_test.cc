#include "vfs/object_metadata.h"

#include <gmock/gmock.h>

namespace pail::vfs {
namespace {

using local::FileType;
using local::InodeRecord;
using testing::Contains;
using testing::Field;
using testing::IsEmpty;

constexpr local::DefaultAttributes kDefaults{0644, 0755, 1000, 100};
constexpr std::int64_t kSecond = 1'000'000'000;
const WallTime kStored{std::chrono::seconds(1'700'000'000)};

using Pairs = std::vector<http::Header>;

enum class KeyIs { file, directory };

// What the name store makes of an object's facts.
void apply_object(InodeRecord& record, const cos::ObjectInfo& info, bool key_is_directory,
                  const local::DefaultAttributes& defaults) {
  const local::ObjectFacts facts = object_facts(info, key_is_directory, defaults);
  record.type = facts.type;
  record.permissions = facts.permissions;
  record.uid = facts.uid;
  record.gid = facts.gid;
  record.size = facts.size;
  record.accessed = facts.accessed;
  record.modified = facts.modified;
  record.changed = record.stored = facts.stored;
  record.etag = facts.etag;
  record.headers = facts.headers;
  record.knowledge = local::Knowledge::exact;
}

InodeRecord record_of(Pairs metadata, KeyIs kind = KeyIs::file) {
  cos::ObjectInfo info;
  info.headers.metadata = std::move(metadata);
  info.size = ByteCount{5};
  info.etag = {"\"e\""};
  info.last_modified = kStored;
  InodeRecord record;
  apply_object(record, info, kind == KeyIs::directory, kDefaults);
  return record;
}

InodeRecord of_mode(std::string text) {
  return record_of({{"mode", std::move(text)}});
}

WallTime modified_of(std::string text) {
  return record_of({{"mtime", std::move(text)}}).modified;
}

WallTime nanoseconds(std::int64_t count) {
  return WallTime(std::chrono::nanoseconds(count));
}

InodeRecord stored_and_read(const InodeRecord& record) {
  cos::ObjectInfo info;
  info.headers = to_headers(record);
  info.last_modified = kStored;
  InodeRecord back;
  apply_object(back, info, record.type == FileType::directory, kDefaults);
  return back;
}

std::string header(const cos::ObjectHeaders& headers, std::string_view name) {
  for (const http::Header& one : headers.metadata)
    if (one.name == name) return one.value;
  return "<none>";
}

TEST(ObjectMetadata, WithoutHeadersIsWhatTheMountSays) {
  const InodeRecord file = record_of({});
  EXPECT_EQ(file.type, FileType::regular);
  EXPECT_EQ(file.permissions, 0644u);
  EXPECT_EQ(file.uid, 1000u);
  EXPECT_EQ(file.gid, 100u);
  EXPECT_EQ(file.modified, kStored);
  EXPECT_EQ(file.accessed, kStored);
  EXPECT_EQ(file.size.n, 5u);
  EXPECT_EQ(record_of({}, KeyIs::directory).permissions, 0755u);
  EXPECT_EQ(record_of({}, KeyIs::directory).size.n, 0u);
}

TEST(ObjectMetadata, ReadsModesInEveryNotation) {
  EXPECT_EQ(of_mode("33256").permissions, 0750u);    // s3fs: decimal
  EXPECT_EQ(of_mode("0100750").permissions, 0750u);  // C notation
  EXPECT_EQ(of_mode("100750").permissions, 0750u);   // rclone: octal without a prefix
  EXPECT_EQ(of_mode("0x81e8").permissions, 0750u);
  EXPECT_EQ(of_mode("488").permissions, 0750u);  // without type bits
  EXPECT_EQ(record_of({{"goog-reserved-posix-mode", "750"}}).permissions, 0750u);
  EXPECT_EQ(record_of({{"permissions", "33256"}}).permissions, 0750u);
}

TEST(ObjectMetadata, TypeBitsMakeLinksFifosAndDirectories) {
  EXPECT_EQ(of_mode("41471").type, FileType::symlink);
  EXPECT_EQ(of_mode("120777").type, FileType::symlink);
  EXPECT_EQ(of_mode("4480").type, FileType::fifo);
  EXPECT_EQ(of_mode("16877").type, FileType::directory);
  EXPECT_EQ(of_mode("33188").type, FileType::regular);
  // A key that ends with a slash is a directory whatever its headers say.
  EXPECT_EQ(record_of({{"mode", "33188"}}, KeyIs::directory).type, FileType::directory);
}

TEST(ObjectMetadata, MalformedHeadersAreAsIfTheyWereAbsent) {
  for (const char* text : {"", "rwxr-x---", "0x", "-1", "99999999999", "0o750", "777777", "33256 "}) {
    EXPECT_EQ(of_mode(text).permissions, 0644u) << text;
    EXPECT_EQ(of_mode(text).type, FileType::regular) << text;
  }
  for (const char* text : {"", "now", ".", ".5", "12x", "1.x", "99999999999999999999", "9000000001"})
    EXPECT_EQ(modified_of(text), kStored) << text;
  const InodeRecord record = record_of({{"uid", "root"}, {"gid", "-1"}});
  EXPECT_EQ(record.uid, 1000u);
  EXPECT_EQ(record.gid, 100u);
}

TEST(ObjectMetadata, FractionsOfASecondMayBeShort) {
  EXPECT_EQ(modified_of("1600000000"), nanoseconds(1'600'000'000 * kSecond));
  EXPECT_EQ(modified_of("1600000000."), nanoseconds(1'600'000'000 * kSecond));
  EXPECT_EQ(modified_of("1600000000.5"), nanoseconds(1'600'000'000 * kSecond + kSecond / 2));
  EXPECT_EQ(modified_of("1600000000.000000001"), nanoseconds(1'600'000'000 * kSecond + 1));
  EXPECT_EQ(modified_of("1600000000.0000000019"), nanoseconds(1'600'000'000 * kSecond + 1));
}

TEST(ObjectMetadata, TimesMayLieBefore1970) {
  EXPECT_EQ(modified_of("-3"), nanoseconds(-3 * kSecond));
  InodeRecord record = record_of({});
  record.modified = record.accessed = nanoseconds(-86400 * kSecond);
  EXPECT_EQ(stored_and_read(record).modified, record.modified);
}

TEST(ObjectMetadata, ReadsTheOwnersOfOtherDialects) {
  const InodeRecord cos_dialect = record_of({{"owner", "7"}, {"group", "8"}});
  EXPECT_EQ(cos_dialect.uid, 7u);
  EXPECT_EQ(cos_dialect.gid, 8u);
  const InodeRecord google = record_of(
      {{"goog-reserved-posix-uid", "7"}, {"goog-reserved-posix-gid", "8"}, {"goog-reserved-file-mtime", "1600000000"}});
  EXPECT_EQ(google.uid, 7u);
  EXPECT_EQ(google.gid, 8u);
  EXPECT_EQ(google.modified, nanoseconds(1'600'000'000 * kSecond));
}

TEST(ObjectMetadata, OurHeadersWinOverThoseOfOthers) {
  const InodeRecord record = record_of({{"goog-reserved-posix-uid", "7"}, {"uid", "9"}, {"owner", "7"}});
  EXPECT_EQ(record.uid, 9u);
}

TEST(ObjectMetadata, IsWrittenAsS3fsDoes) {
  InodeRecord record = record_of({});
  record.permissions = 0750;
  record.uid = 7;
  record.gid = 8;
  record.modified = record.accessed = nanoseconds(1'600'000'000 * kSecond + 5);
  const cos::ObjectHeaders headers = to_headers(record);
  EXPECT_EQ(header(headers, "mode"), "33256");
  EXPECT_EQ(header(headers, "uid"), "7");
  EXPECT_EQ(header(headers, "gid"), "8");
  EXPECT_EQ(header(headers, "mtime"), "1600000000.000000005");
  EXPECT_EQ(header(headers, "atime"), "<none>");  // only where it differs
}

TEST(ObjectMetadata, ComesBackAsItWasStored) {
  InodeRecord record = record_of({});
  record.type = FileType::symlink;
  record.permissions = 04755;
  record.uid = 4'000'000'000;
  record.gid = 0;
  record.modified = nanoseconds(1'600'000'000'123'456'789);
  record.accessed = nanoseconds(1'500'000'000'987'654'321);
  const InodeRecord back = stored_and_read(record);
  EXPECT_EQ(back.type, record.type);
  EXPECT_EQ(back.permissions, record.permissions);
  EXPECT_EQ(back.uid, record.uid);
  EXPECT_EQ(back.gid, record.gid);
  EXPECT_EQ(back.modified, record.modified);
  EXPECT_EQ(back.accessed, record.accessed);
}

TEST(ObjectMetadata, HeadersOfOthersAreKeptAndOursAreNotDoubled) {
  cos::ObjectInfo info;
  info.headers.standard = {{"Content-Type", "text/html"}, {"Cache-Control", "no-store"}};
  info.headers.metadata = {{"author", "somebody"}, {"mode", "33188"}, {"mtime", "1"}, {"note", ""}};
  InodeRecord record;
  apply_object(record, info, false, kDefaults);
  const cos::ObjectHeaders headers = to_headers(record);
  EXPECT_EQ(headers.standard.size(), 2u);
  EXPECT_THAT(headers.standard, Contains(Field(&http::Header::value, "text/html")));
  EXPECT_EQ(header(headers, "author"), "somebody");
  EXPECT_EQ(header(headers, "note"), "");
  const auto modes = std::ranges::count(headers.metadata, std::string("mode"), &http::Header::name);
  EXPECT_EQ(modes, 1);
}

TEST(ObjectMetadata, ExtendedAttributesOfAnyBytesComeBack) {
  InodeRecord record = record_of({});
  const Xattrs xattrs{{"user.empty", ""}, {"user.bytes", std::string("\0\xff\n", 3)}, {"user.na me\"", "x"}};
  set_xattrs(record, xattrs);
  const auto back = xattrs_of(stored_and_read(record));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, xattrs);
}

TEST(ObjectMetadata, TheLastExtendedAttributeTakesItsHeaderAlong) {
  InodeRecord record = record_of({});
  set_xattrs(record, {{"user.a", "1"}});
  EXPECT_NE(header(to_headers(record), "xattr"), "<none>");
  set_xattrs(record, {});
  EXPECT_EQ(header(to_headers(record), "xattr"), "<none>");
}

TEST(ObjectMetadata, ExtendedAttributesOfS3fsAreRead) {
  const auto xattrs = xattrs_of(record_of({{"xattr", "%7B%22user.note%22%3A%22aGVsbG8%3D%22%7D"}}));
  ASSERT_TRUE(xattrs);
  EXPECT_EQ(*xattrs, (Xattrs{{"user.note", "hello"}}));
}

TEST(ObjectMetadata, MalformedExtendedAttributesAreAnError) {
  for (const char* text : {"nonsense", "%7B", "%zz", "%5B%5D", "%7B%22a%22%3A1%7D", "%7B%22a%22%3A%22%2A%22%7D"})
    EXPECT_EQ(errnum_of(xattrs_of(record_of({{"xattr", text}}))), EIO) << text;
}

}  // namespace
}  // namespace pail::vfs
