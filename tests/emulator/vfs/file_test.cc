#include <fcntl.h>
#include <gmock/gmock.h>

#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

using FileTest = VfsTest;

TEST_F(FileTest, WhatWasWrittenIsInTheBucketWhenCloseReturns) {
  EXPECT_EQ(write("report.csv", "a,b\n"), 0);
  EXPECT_EQ(object("report.csv"), "a,b\n");
}

TEST_F(FileTest, AnEmptyFileIsAnEmptyObject) {
  EXPECT_EQ(write("touched", ""), 0);
  EXPECT_EQ(object("touched"), "");
  EXPECT_EQ(requests("PutObject"), 1u);
}

TEST_F(FileTest, ReadingBackWhatIsBeingWrittenWorks) {
  const auto [number, handle] = create("log");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("half")))));
  EXPECT_EQ(read("log"), "half");
  EXPECT_EQ(attributes("log").size.n, 4u);
  EXPECT_EQ(object("log"), "<none>");
}

TEST_F(FileTest, ALargeFileGoesUpInPartsAndComesBackByteForByte) {
  options_.part_size = 5_MiB;
  start();
  const std::string content = ramp(23 * 1000 * 1000 + 7);
  EXPECT_EQ(write("large.bin", content), 0);
  EXPECT_EQ(requests("UploadPart"), 5u);
  EXPECT_EQ(open_uploads(), 0u);
  EXPECT_TRUE(object("large.bin") == content);
  EXPECT_TRUE(read("large.bin") == content);
  start_cold();
  EXPECT_TRUE(read("large.bin") == content);
}

TEST_F(FileTest, APatchInTheMiddleKeepsTheRest) {
  std::string content = ramp(5'000'000);
  put("data.bin", content);
  const InodeNumber number = look("data.bin");
  const auto opened = fs_->open_file(request(), number, O_RDWR);
  ASSERT_TRUE(opened);
  opens_->add(number);
  ASSERT_TRUE(
      fs_->write(request(), number, opened->handle, {1'500'000}, std::as_bytes(std::span(std::string_view("XYZ")))));
  content.replace(1'500'000, 3, "XYZ");
  EXPECT_TRUE(read_open(number, opened->handle, content.size()) == content);
  ASSERT_TRUE(fs_->flush(request(), number, opened->handle));
  EXPECT_TRUE(object("data.bin") == content);
}

TEST_F(FileTest, TruncateCutsAndGrowsWithZeros) {
  put("data", "0123456789");
  ASSERT_TRUE(fs_->setattr(request(), look("data"), {.size = ByteCount{4}}));
  EXPECT_EQ(object("data"), "0123");
  ASSERT_TRUE(fs_->setattr(request(), look("data"), {.size = ByteCount{6}}));
  EXPECT_EQ(object("data"), std::string("0123\0\0", 6));
}

TEST_F(FileTest, CloseReportsThatTheUploadFailedAndTheOldObjectStays) {
  ASSERT_EQ(write("report.csv", "old"), 0);
  server_->add_fault(
      {.operations = {"PutObject"}, .kind = emulator::FaultKind::status, .status = 403, .code = "AccessDenied"});
  EXPECT_EQ(write("report.csv", "new"), EACCES);
  EXPECT_EQ(object("report.csv"), "old");
  EXPECT_EQ(read("report.csv"), "new");  // not lost: still here
  server_->clear_faults();
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_EQ(object("report.csv"), "new");
}

TEST_F(FileTest, AReaderNeverSeesAMixtureOfTwoVersions) {
  options_.metadata_ttl = std::chrono::seconds(0);
  start();
  put("shared.bin", ramp(8'000'000));
  const InodeNumber number = look("shared.bin");
  const auto opened = fs_->open_file(request(), number, O_RDONLY);
  ASSERT_TRUE(opened);
  EXPECT_EQ(read_open(number, opened->handle, 1000).size(), 1000u);
  put("shared.bin", ramp(8'000'000, 99));
  start_cold();  // forget cached blocks: the store must be asked again
  const InodeNumber again = look("shared.bin");
  const auto first = fs_->open_file(request(), again, O_RDONLY);
  ASSERT_TRUE(first);
  EXPECT_EQ(read_open(again, first->handle, 1000), ramp(1000, 99));
  put("shared.bin", ramp(8'000'000, 7));
  ASSERT_TRUE(fs_->getattr(request(), again));
  int errnum = 0;
  read_open(again, first->handle, 8'000'000, &errnum);
  EXPECT_EQ(errnum, ESTALE);
}

TEST_F(FileTest, AnOverwriteOfAChangedObjectIsRefusedAndKept) {
  put("shared", "base");
  const InodeNumber number = look("shared");
  const auto opened = fs_->open_file(request(), number, O_RDWR);
  ASSERT_TRUE(opened);
  opens_->add(number);
  ASSERT_TRUE(fs_->write(request(), number, opened->handle, {0}, std::as_bytes(std::span(std::string_view("ours")))));
  put("shared", "theirs");
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, opened->handle)), ESTALE);
  EXPECT_EQ(object("shared"), "theirs");
  std::vector<std::string> kept;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(options_.cache_directory))
    if (entry.is_regular_file() && entry.file_size() == 4 && entry.path().string().find("kept") != std::string::npos)
      kept.push_back(entry.path());
  EXPECT_EQ(kept.size(), 1u);
}

TEST_F(FileTest, AnUnlinkedFileStaysReadableWhileItIsOpen) {
  const std::string content = ramp(3'000'000);
  put("doomed", content);
  const InodeNumber number = look("doomed");
  const auto opened = fs_->open_file(request(), number, O_RDONLY);
  ASSERT_TRUE(opened);
  opens_->add(number);
  EXPECT_EQ(unlink("doomed"), 0);
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_EQ(look("doomed"), 0u);
  EXPECT_TRUE(read_open(number, opened->handle, content.size()) == content);
  resume();
  EXPECT_TRUE(read_open(number, opened->handle, content.size()) == content);
  opens_->remove(number);
  fs_->release(request(), number, opened->handle);
  EXPECT_EQ(errnum_of(fs_->getattr(request(), number)), ESTALE);
}

TEST_F(FileTest, BytesWrittenBeforeAKillAreThereForTheNextProcess) {
  const auto [number, handle] = create("journal");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("written")))));
  resume();
  EXPECT_EQ(read_open(number, handle, 7), "written");
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(object("journal"), "written");
}

TEST_F(FileTest, AFileThatWasNeverClosedIsSetAsideByTheNextMount) {
  const auto [number, handle] = create("half");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("half a file")))));
  start();
  EXPECT_EQ(look("half"), 0u);
  EXPECT_THAT(keys(), IsEmpty());
  EXPECT_FALSE(std::filesystem::is_empty(options_.cache_directory / "kept"));
}

TEST_F(FileTest, AttributesAreStoredWithTheObjectAndComeBack) {
  ASSERT_EQ(write("script", "#!/bin/sh\n"), 0);
  const WallTime when{std::chrono::nanoseconds(1'600'000'000'123'456'789)};
  ASSERT_TRUE(fs_->setattr(request(), look("script"), {.permissions = 0750, .uid = 7, .gid = 8, .modified = when}));
  ASSERT_TRUE(fs_->setxattr(request(), look("script"), "user.note", std::as_bytes(std::span(std::string_view("hello"))),
                            XattrMode::any));
  start_cold();
  const Attributes shown = attributes("script");
  EXPECT_EQ(shown.permissions, 0750u);
  EXPECT_EQ(shown.uid, 7u);
  EXPECT_EQ(shown.gid, 8u);
  EXPECT_EQ(shown.modified, when);
  EXPECT_EQ(*fs_->getxattr(request(), look("script"), "user.note"), "hello");
  EXPECT_EQ(read("script"), "#!/bin/sh\n");
}

TEST_F(FileTest, AttributesSetBeforeCloseCostNoRequestOfTheirOwn) {
  const auto [number, handle] = create("extracted");
  const WallTime when{std::chrono::seconds(1'500'000'000)};
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, std::as_bytes(std::span(std::string_view("body")))));
  ASSERT_TRUE(fs_->setattr(request(), number, {.permissions = 0600, .modified = when}));
  ASSERT_TRUE(fs_->flush(request(), number, handle));
  EXPECT_EQ(requests("PutObject"), 1u);
  EXPECT_EQ(requests("CopyObject"), 0u);
  start_cold();
  EXPECT_EQ(attributes("extracted").modified, when);
  EXPECT_EQ(attributes("extracted").permissions, 0600u);
}

TEST_F(FileTest, ChangedAttributesKeepTheHeadersOfOthers) {
  put("page.html", "<html>", {{{"Content-Type", "text/html"}}, {{"author", "somebody"}}});
  ASSERT_TRUE(fs_->setattr(request(), look("page.html"), {.permissions = 0600}));
  const auto info = store_->head_object(kBucket, "page.html");
  ASSERT_TRUE(info);
  EXPECT_THAT(info->headers.standard, testing::Contains(testing::Field(&http::Header::value, "text/html")));
  EXPECT_THAT(info->headers.metadata, testing::Contains(testing::Field(&http::Header::value, "somebody")));
}

TEST_F(FileTest, ASecondReadComesFromTheDiskCache) {
  const std::string content = ramp(6'000'000);
  put("cached.bin", content);
  EXPECT_TRUE(read("cached.bin") == content);
  start();  // ends the first one, which writes what it fetched
  const auto before = requests("GetObject");
  EXPECT_TRUE(read("cached.bin") == content);
  EXPECT_EQ(requests("GetObject"), before);
}

}  // namespace
}  // namespace pail::vfs
