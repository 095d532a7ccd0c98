#include "local/staging/staging.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <random>
#include <thread>

#include "../../manual_clock.h"
#include "../log_lines.h"
#include "../temporary_directory.h"
#include "base/encoding.h"
#include "base/file.h"

namespace pail::local {
namespace {

constexpr InodeNumber kNumber = 42;

std::string text_of(const StagedFile& file, std::uint64_t at, std::size_t size) {
  std::string out(size, '?');
  auto read = file.read(ByteOffset{at}, std::as_writable_bytes(std::span(out)));
  EXPECT_TRUE(read);
  out.resize(read ? *read : 0);
  return out;
}

Extent extent(std::uint64_t begin, std::uint64_t end) {
  return {{begin}, {end}};
}

class StagingTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    area.reset();
    auto opened = StagingArea::open(directory.path() / "staging", ByteCount{0}, system_clock());
    ASSERT_TRUE(opened) << opened.error().context;
    area = *std::move(opened);
  }

  std::shared_ptr<StagedFile> create(std::uint64_t base_size) {
    auto file = area->create(kNumber, ByteCount{base_size});
    EXPECT_TRUE(file);
    return *file;
  }

  std::shared_ptr<StagedFile> open() {
    auto file = area->open(kNumber);
    EXPECT_TRUE(file) << file.error().context;
    return file ? *file : nullptr;
  }

  std::filesystem::path log_path() const { return directory.path() / "staging" / "42.log"; }

  TemporaryDirectory directory;
  std::unique_ptr<StagingArea> area;
};

TEST_F(StagingTest, NewFileOverABaseMissesAllOfIt) {
  const auto file = create(100);
  EXPECT_EQ(file->size(), ByteCount{100});
  EXPECT_EQ(file->missing(extent(0, 1000)), std::vector{extent(0, 100)});
  EXPECT_EQ(text_of(*file, 0, 10), "");
}

TEST_F(StagingTest, WrittenBytesArePresentAndTheRestStaysMissing) {
  const auto file = create(100);
  ASSERT_TRUE(file->write(ByteOffset{10}, bytes_of("hello")));
  EXPECT_EQ(file->missing(extent(0, 100)), (std::vector{extent(0, 10), extent(15, 100)}));
  EXPECT_EQ(text_of(*file, 10, 50), "hello");
  EXPECT_EQ(text_of(*file, 12, 2), "ll");
}

TEST_F(StagingTest, FillTakesOnlyWhatIsMissing) {
  const auto file = create(8);
  ASSERT_TRUE(file->write(ByteOffset{2}, bytes_of("WW")));
  ASSERT_TRUE(file->fill(ByteOffset{0}, bytes_of("bbbbbbbbbeyond")));
  EXPECT_EQ(text_of(*file, 0, 100), "bbWWbbbb");
  EXPECT_EQ(file->size(), ByteCount{8});
  EXPECT_TRUE(file->missing(extent(0, 100)).empty());
}

TEST_F(StagingTest, GapBeforeAWriteReadsAsZeros) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{3}, bytes_of("x")));
  EXPECT_EQ(text_of(*file, 0, 100), std::string("\0\0\0x", 4));
}

TEST_F(StagingTest, BytesCutOffTheBaseDoNotComeBack) {
  const auto file = create(100);
  ASSERT_TRUE(file->truncate(ByteCount{10}));
  ASSERT_TRUE(file->truncate(ByteCount{100}));
  EXPECT_EQ(file->missing(extent(0, 100)), std::vector{extent(0, 10)});
  EXPECT_EQ(text_of(*file, 10, 100), std::string(90, '\0'));
  reopen();
  EXPECT_EQ(open()->missing(extent(0, 100)), std::vector{extent(0, 10)});
}

TEST_F(StagingTest, OpenerSharesTheFileWithWhoeverHasIt) {
  const auto file = create(0);
  EXPECT_EQ(open().get(), file.get());
}

TEST_F(StagingTest, WhatIsNotThereIsNoErrorToOpenOrRemove) {
  const auto file = area->open(7);
  ASSERT_TRUE(file) << file.error().context;
  EXPECT_EQ(*file, nullptr);
  EXPECT_TRUE(area->remove(7));
}

TEST_F(StagingTest, AllListsDataFilesOnly) {
  ASSERT_TRUE(area->create(9, ByteCount{5}));
  ASSERT_TRUE(area->create(10, ByteCount{0}));
  EXPECT_EQ(area->all(), (std::vector<InodeNumber>{9, 10}));
  ASSERT_TRUE(area->remove(9));
  EXPECT_EQ(area->all(), std::vector<InodeNumber>{10});
  ASSERT_TRUE(area->remove(9));
}

TEST_F(StagingTest, SetAsideFilesAreFoundUnderTheirLabel) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{0}, bytes_of("precious")));
  const auto first = area->set_aside(kNumber, {.name = "../dir/report.csv"});
  ASSERT_TRUE(first);
  EXPECT_EQ(first->parent_path(), directory.path() / "kept");
  EXPECT_EQ(*read_file(*first, ByteCount{100}), "precious");
  EXPECT_EQ(open(), nullptr);
  create(0);
  const auto second = area->set_aside(kNumber, {.name = "../dir/report.csv"});
  ASSERT_TRUE(second);
  EXPECT_NE(*first, *second);
}

TEST_F(StagingTest, SetAsideFilesAreDescribed) {
  const auto file = create(100);
  ASSERT_TRUE(file->write(ByteOffset{10}, bytes_of("hello")));
  KeptDescription about;
  about.reason = KeptReason::conflict;
  about.bucket = "demo";
  about.key = "dir/caf\xe9";  // no UTF-8
  about.name = "caf\xe9";
  about.permissions = 0640;
  about.modified = WallTime(std::chrono::nanoseconds(1'234'567'890'123'456'789));
  about.headers = "sContent-Type\ntext/plain\n";
  ASSERT_TRUE(area->set_aside(kNumber, about));
  const auto kept = kept_files(directory.path()).value();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].size, ByteCount{100});
  ASSERT_TRUE(kept[0].description);
  const KeptDescription& found = *kept[0].description;
  EXPECT_EQ(found.reason, KeptReason::conflict);
  EXPECT_EQ(found.key, about.key);
  EXPECT_EQ(found.bucket, "demo");
  EXPECT_EQ(found.number, kNumber);
  EXPECT_EQ(found.permissions, 0640u);
  EXPECT_EQ(found.modified, about.modified);
  EXPECT_EQ(found.headers, about.headers);
  EXPECT_EQ(found.size, ByteCount{100});
  EXPECT_EQ(found.missing, (std::vector{extent(0, 10), extent(15, 100)}));
  EXPECT_FALSE(found.complete());
}

TEST_F(StagingTest, SetAsideFilesSayWhyTheirUploadFailed) {
  create(0);
  area->note_failure(kNumber, "PUT x: 403");
  reopen();
  EXPECT_EQ(area->all(), std::vector{kNumber});
  ASSERT_TRUE(area->set_aside(kNumber, {.reason = KeptReason::mount_ended, .name = "x"}));
  const auto kept = kept_files(directory.path()).value();
  ASSERT_TRUE(kept.size() == 1 && kept[0].description);
  EXPECT_EQ(kept[0].description->reason, KeptReason::upload_failed);
  EXPECT_EQ(kept[0].description->error, "PUT x: 403");
}

TEST_F(StagingTest, AFailureIsForgottenWithItsFile) {
  create(0);
  area->note_failure(kNumber, "PUT x: 403");
  ASSERT_TRUE(area->remove(kNumber));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path() / "staging"));
}

TEST_F(StagingTest, AFileThatWasJustUsedStaysOpenUntilItIsRemoved) {
  const std::weak_ptr<StagedFile> used = create(100);
  EXPECT_FALSE(used.expired());
  for (InodeNumber other = kNumber + 1; other < kNumber + 100; ++other) ASSERT_TRUE(area->create(other, {}));
  EXPECT_TRUE(used.expired());  // but not all that ever were
  const std::weak_ptr<StagedFile> again = *area->open(kNumber);
  EXPECT_FALSE(again.expired());
  ASSERT_TRUE(area->remove(kNumber));
  EXPECT_TRUE(again.expired());
}

TEST_F(StagingTest, BytesAreKeptWhenTheirDescriptionCannotBeWritten) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{0}, bytes_of("precious")));
  std::filesystem::remove(directory.path() / "descriptions");
  ASSERT_TRUE(write_file_atomically(directory.path() / "descriptions", "in the way"));
  const auto path = area->set_aside(kNumber, {.name = "x"});
  ASSERT_TRUE(path) << path.error().context;
  EXPECT_EQ(*read_file(*path, ByteCount{100}), "precious");
  const auto kept = kept_files(directory.path()).value();
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_FALSE(kept[0].description);
}

TEST_F(StagingTest, KeptFilesOfSiblingDirectoriesAreCountedTogether) {
  for (const char* name : {"view", "view-2", "other"}) {
    auto sibling = StagingArea::open(directory.path() / name / "staging", ByteCount{0}, system_clock());
    ASSERT_TRUE(sibling);
    const auto file = (*sibling)->create(kNumber, ByteCount{0});
    ASSERT_TRUE(file && (*file)->write(ByteOffset{0}, bytes_of("12345")));
    ASSERT_TRUE((*sibling)->set_aside(kNumber, {.name = "x"}));
  }
  EXPECT_EQ(kept_summary(directory.path() / "view").files, 2u);
  EXPECT_EQ(kept_summary(directory.path() / "view-2").bytes, ByteCount{10});
  EXPECT_EQ(kept_summary(directory.path() / "nothing").files, 0u);
}

TEST_F(StagingTest, WriteThatWouldUseTheLastSpaceIsENOSPCAndChangesNothing) {
  auto tight = StagingArea::open(directory.path() / "tight", ByteCount{1ull << 60}, system_clock());
  ASSERT_TRUE(tight);
  const auto file = (*tight)->create(1, ByteCount{4});
  ASSERT_TRUE(file);
  const auto written = (*file)->write(ByteOffset{2}, bytes_of("hello"));
  ASSERT_EQ(errnum_of(written), ENOSPC);
  EXPECT_NE(written.error().context.find("state_dir=DIR"), std::string::npos) << written.error().context;
  EXPECT_EQ((*file)->size(), ByteCount{4});
  EXPECT_EQ((*file)->missing(extent(0, 4)), std::vector{extent(0, 4)});
}

void let_files_take(rlim_t limit) {
  rlimit limits{};
  ::getrlimit(RLIMIT_FSIZE, &limits);
  limits.rlim_cur = std::min(limit, limits.rlim_max);
  ::setrlimit(RLIMIT_FSIZE, &limits);
}

// Runs in a process whose files take `limit` bytes each; the limit is the process's own.
bool holds_with_files_of(rlim_t limit, const std::function<bool()>& claim) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    let_files_take(limit);
    ::_exit(claim() ? 0 : 1);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_F(StagingTest, WriteThatFailsHalfWayReturnsWhatItWroteAndTheNextOneFails) {
  const auto file = create(0);
  EXPECT_TRUE(holds_with_files_of(1000, [&] {
    const auto written = file->write(ByteOffset{994}, bytes_of("0123456789"));
    const auto rest = file->write(ByteOffset{1000}, bytes_of("6789"));
    return written && *written == ByteCount{6} && !rest && file->size() == ByteCount{1000} &&
           text_of(*file, 994, 10) == "012345";
  }));
}

TEST_F(StagingTest, WriteOverPresentBytesThatFailsHalfWayReturnsWhatItReplaced) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{994}, bytes_of("old")));
  EXPECT_TRUE(holds_with_files_of(1000, [&] {
    const auto written = file->write(ByteOffset{995}, bytes_of("0123456789"));
    return written && *written == ByteCount{5} && text_of(*file, 994, 10) == "o01234";
  }));
}

TEST_F(StagingTest, OfAWriteOverABaseThatFailsHalfWayTheRestStaysMissing) {
  const auto file = create(300);
  EXPECT_TRUE(holds_with_files_of(200, [&] {
    const auto written = file->write(ByteOffset{190}, bytes_of(std::string(50, 'x')));
    return written && *written == ByteCount{10} &&
           file->missing(extent(0, 300)) == (std::vector{extent(0, 190), extent(200, 300)});
  }));
  reopen();
  EXPECT_EQ(open()->missing(extent(0, 300)), (std::vector{extent(0, 190), extent(200, 300)}));
}

TEST_F(StagingTest, FileWhoseCutWasNotLoggedAtOnceIsUsedOnAndWhatWasCutDoesNotComeBack) {
  const auto file = create(100);
  constexpr rlim_t kLogWithoutACut = 32;
  EXPECT_TRUE(holds_with_files_of(kLogWithoutACut, [&] {
    const bool cut = file->truncate(ByteCount{10}).has_value();
    const bool grew = file->truncate(ByteCount{100}).has_value();
    const bool read = file->read(ByteOffset{0}, {}).has_value();
    let_files_take(RLIM_INFINITY);
    return !cut && !grew && read && file->size() == ByteCount{10} && file->truncate(ByteCount{100});
  }));
  reopen();
  EXPECT_EQ(open()->missing(extent(0, 100)), std::vector{extent(0, 10)});
}

TEST_F(StagingTest, FileDoesNotGrowByAWriteThatCouldNotBeLogged) {
  const auto file = create(100);
  for (std::uint64_t at = 0; at < 60; at += 2) ASSERT_TRUE(file->write(ByteOffset{at}, bytes_of("x")));
  EXPECT_TRUE(holds_with_files_of(1000, [&] {  // which the next record would not fit in
    const bool failed = !file->write(ByteOffset{98}, bytes_of("0123456789"));
    return failed && file->size() == ByteCount{100} && std::filesystem::file_size(file->path()) == 100 &&
           file->missing(extent(98, 200)) == std::vector{extent(98, 100)};
  }));
}

TEST_F(StagingTest, WriteThatFailsAtOnceChangesNothing) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{0}, bytes_of("old")));
  EXPECT_TRUE(holds_with_files_of(3, [&] {
    return !file->write(ByteOffset{7}, bytes_of("x")) && file->size() == ByteCount{3} && text_of(*file, 0, 10) == "old";
  }));
}

TEST_F(StagingTest, ReservedSpaceDoesNotChangeTheSize) {
  const auto file = create(0);
  ASSERT_TRUE(file->reserve(extent(0, 1 << 20)));
  EXPECT_EQ(file->size(), ByteCount{0});
}

TEST_F(StagingTest, TornLastRecordIsIgnored) {
  const auto file = create(100);
  ASSERT_TRUE(file->write(ByteOffset{10}, bytes_of("hello")));
  ASSERT_TRUE(file->write(ByteOffset{50}, bytes_of("torn")));
  std::filesystem::resize_file(log_path(), std::filesystem::file_size(log_path()) - 5);
  reopen();
  EXPECT_EQ(open()->missing(extent(0, 100)), (std::vector{extent(0, 10), extent(15, 100)}));
}

TEST_F(StagingTest, DamagedLogIsEBADMSGAndTheDataCanBeSetAside) {
  const auto file = create(100);
  ASSERT_TRUE(file->write(ByteOffset{10}, bytes_of("hello")));
  ASSERT_TRUE(file->write(ByteOffset{50}, bytes_of("world")));
  const auto log = open_file(log_path(), O_RDWR);
  ASSERT_TRUE(log);
  ASSERT_TRUE(write_at(log->get(), ByteOffset{33}, bytes_of("x")));
  reopen();
  EXPECT_EQ(errnum_of(area->open(kNumber)), EBADMSG);
  EXPECT_TRUE(area->set_aside(kNumber, {.name = "damaged"}));
}

TEST_F(StagingTest, CutThatWasNotLoggedBeforeAKillStaysCut) {
  create(100);
  std::filesystem::resize_file(directory.path() / "staging" / "42", 10);  // truncate() dies after its first step
  reopen();
  ASSERT_TRUE(open()->truncate(ByteCount{100}));
  reopen();
  EXPECT_EQ(open()->missing(extent(0, 100)), std::vector{extent(0, 10)});
}

TEST_F(StagingTest, FileWithoutABaseNeedsNoLog) {
  const auto file = create(0);
  ASSERT_TRUE(file->write(ByteOffset{3}, bytes_of("x")));
  EXPECT_FALSE(std::filesystem::exists(log_path()));
  reopen();
  EXPECT_EQ(text_of(*open(), 0, 100), std::string("\0\0\0x", 4));
}

TEST_F(StagingTest, ReplacedFileIsGoneAndItsHolderKeepsIt) {
  const auto first = create(0);
  ASSERT_TRUE(first->write(ByteOffset{0}, bytes_of("first")));
  const auto second = create(10);
  EXPECT_EQ(text_of(*first, 0, 100), "first");
  EXPECT_EQ(open().get(), second.get());
  const auto third = create(0);
  EXPECT_EQ(second->size(), ByteCount{10});
  reopen();
  EXPECT_EQ(open()->size(), ByteCount{0});
  EXPECT_EQ(area->all(), std::vector<InodeNumber>{kNumber});
}

TEST_F(StagingTest, LeftoversOfAKilledProcessAreRemoved) {
  std::ofstream(directory.path() / "staging" / "7.log") << "x";
  std::ofstream(directory.path() / "staging" / "8.new") << "x";
  reopen();
  EXPECT_TRUE(std::filesystem::is_empty(directory.path() / "staging"));
}

TEST_F(StagingTest, FrontToBackWritingKeepsTheLogShort) {
  const auto file = create(1 << 20);
  const std::string block(1024, 'b');
  for (std::uint64_t at = 0; at < 1 << 20; at += block.size())
    ASSERT_TRUE(file->write(ByteOffset{at}, bytes_of(block)));
  EXPECT_EQ(std::filesystem::file_size(log_path()), 64u);
}

TEST_F(StagingTest, WritesSurviveAKill) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto mine = StagingArea::open(directory.path() / "staging", ByteCount{0}, system_clock());
    const auto file = (*mine)->create(kNumber, ByteCount{10});
    if ((*file)->write(ByteOffset{4}, bytes_of("kept"))) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  ::waitpid(child, nullptr, 0);
  reopen();
  const auto file = open();
  EXPECT_EQ(text_of(*file, 4, 4), "kept");
  EXPECT_EQ(file->missing(extent(0, 10)), (std::vector{extent(0, 4), extent(8, 10)}));
}

TEST_F(StagingTest, WritesWinOverFillsFromOtherThreads) {
  constexpr std::size_t kSize = 1 << 18, kStep = 512;
  const auto file = create(kSize);
  const std::string base(kSize, 'b'), mine(kStep / 2, 'w');
  std::thread filler([&] {
    for (std::size_t at = 0; at < kSize; at += 4096)
      ASSERT_TRUE(file->fill(ByteOffset{at}, bytes_of(base.substr(0, 4096))));
  });
  std::thread writer([&] {
    for (std::size_t at = 0; at < kSize; at += kStep) ASSERT_TRUE(file->write(ByteOffset{at}, bytes_of(mine)));
  });
  std::thread reader([&] {
    for (std::size_t at = 0; at < kSize; at += kStep) text_of(*file, at, kStep);
  });
  filler.join();
  writer.join();
  reader.join();
  std::string expected;
  while (expected.size() < kSize) expected += mine + std::string(kStep - mine.size(), 'b');
  EXPECT_EQ(text_of(*file, 0, kSize), expected);
}

// ---- power loss ----

void replace_file(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

// The log of a file over 100 bytes with records that do not extend each other.
std::string log_after_four_writes(StagedFile& file, const std::filesystem::path& path) {
  for (const std::uint64_t at : {10, 30, 50, 70}) EXPECT_TRUE(file.write(ByteOffset{at}, bytes_of("12345")));
  auto log = read_file(path, 1_MiB);
  EXPECT_TRUE(log && log->size() == 160);
  return *log;
}

TEST_F(StagingTest, EveryTruncationOfTheLogKeepsTheRecordsBeforeIt) {
  const std::string log = log_after_four_writes(*create(100), log_path());
  for (std::size_t size = 32; size <= log.size(); ++size) {
    replace_file(log_path(), log.substr(0, size));
    reopen();
    const auto file = open();
    ASSERT_TRUE(file);
    const std::size_t records = size / 32 - 1;
    for (std::size_t i = 0; i < 4; ++i) {
      const std::uint64_t at = 10 + 20 * i;
      ASSERT_EQ(file->missing(extent(at, at + 5)).empty(), i < records) << size;
    }
    ASSERT_TRUE(file->write(ByteOffset{90}, bytes_of("more")));
    reopen();
    ASSERT_TRUE(open()->missing(extent(90, 94)).empty()) << size;
  }
}

TEST_F(StagingTest, ALogWithoutItsFirstRecordIsEBADMSG) {
  const std::string log = log_after_four_writes(*create(100), log_path());
  for (std::size_t size = 0; size < 32; ++size) {
    replace_file(log_path(), log.substr(0, size));
    reopen();
    ASSERT_EQ(errnum_of(area->open(kNumber)), EBADMSG) << size;
  }
}

TEST_F(StagingTest, GarbageBehindTheLogIsATornTail) {
  const std::string log = log_after_four_writes(*create(100), log_path());
  for (const std::string& tail : {std::string(4096, '\0'), std::string(1000, '\xff'), std::string(33, 'g')}) {
    replace_file(log_path(), log + tail);
    reopen();
    const auto missing = open()->missing(extent(0, 80));
    ASSERT_EQ(missing, (std::vector{extent(0, 10), extent(15, 30), extent(35, 50), extent(55, 70), extent(75, 80)}));
    ASSERT_EQ(std::filesystem::file_size(log_path()), log.size());
  }
}

TEST_F(StagingTest, EveryFlippedByteOfTheLogIsNoticed) {
  const std::string log = log_after_four_writes(*create(100), log_path());
  for (std::size_t at = 0; at < log.size(); ++at) {
    std::string damaged = log;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    replace_file(log_path(), damaged);
    reopen();
    const auto file = area->open(kNumber);
    if (at < log.size() - 32) {
      ASSERT_EQ(errnum_of(file), EBADMSG) << at;
    } else {
      ASSERT_TRUE(file) << at;
      ASSERT_EQ((*file)->missing(extent(70, 75)), std::vector{extent(70, 75)}) << at;
    }
  }
}

TEST_F(StagingTest, SyncSucceedsAndChangesNothing) {
  for (const std::uint64_t base_size : {0, 100}) {
    const auto file = create(base_size);
    ASSERT_TRUE(file->write(ByteOffset{3}, bytes_of("x")));
    const auto sync = file->sync();
    EXPECT_TRUE(sync) << sync.error().context;
    EXPECT_EQ(text_of(*file, 3, 1), "x");
  }
}

TEST_F(StagingTest, SyncOfAFileWhoseFolderIsGoneFails) {
  const auto file = create(0);
  const auto staging = directory.path() / "staging", away = directory.path() / "away";
  std::filesystem::rename(staging, away);
  EXPECT_EQ(errnum_of(file->sync()), ENOENT);
}

TEST_F(StagingTest, AFolderThatIsGoneIsEioAndTheLogNamesItOnce) {
  const LogLines log;
  std::filesystem::remove_all(directory.path());
  EXPECT_EQ(errnum_of(area->create(kNumber, {})), EIO);
  EXPECT_EQ(errnum_of(area->create(kNumber, {})), EIO);
  EXPECT_EQ(log.count((directory.path() / "staging").string() + ": the directory is gone"), 1);
}

TEST_F(StagingTest, SettingAsideDoesNotMakeAStateDirectoryThatIsGone) {
  const auto file = create(0);
  std::filesystem::remove_all(directory.path());
  EXPECT_EQ(errnum_of(area->set_aside(kNumber, {})), EIO);
  EXPECT_FALSE(std::filesystem::exists(directory.path()));
}

TEST_F(StagingTest, AFolderThatCannotBeLookedAtIsNotSaidToBeGone) {
  const LogLines log;
  const auto staging = directory.path() / "staging";
  std::filesystem::remove(staging);
  std::filesystem::create_symlink("staging", staging);
  EXPECT_EQ(errnum_of(area->create(kNumber, {})), ELOOP);
  EXPECT_EQ(log.text(), "");
}

// ---- the modification time ----

class StagedTimeTest : public StagingTest {
 protected:
  void SetUp() override { reopen_at(1'000); }
  void reopen_at(int seconds) {
    clock.set_wall(at(seconds));
    area.reset();
    auto opened = StagingArea::open(directory.path() / "staging", ByteCount{0}, clock);
    ASSERT_TRUE(opened) << opened.error().context;
    area = *std::move(opened);
  }
  static WallTime at(int seconds) { return WallTime(std::chrono::seconds(seconds)); }
  std::filesystem::path times_path() const { return directory.path() / "staging/42.times"; }

  ManualClock clock;
};

TEST_F(StagedTimeTest, WritingTruncatingAndMakingAFileAreModifications) {
  for (const std::uint64_t base_size : {0, 100}) {
    clock.set_wall(at(1'000));
    const auto file = create(base_size);
    EXPECT_EQ(file->modified(), at(1'000));
    clock.set_wall(at(1'001));
    ASSERT_TRUE(file->write(ByteOffset{0}, bytes_of("x")));
    EXPECT_EQ(file->modified(), at(1'001));
    clock.set_wall(at(1'002));
    ASSERT_TRUE(file->truncate(ByteCount{50}));
    EXPECT_EQ(file->modified(), at(1'002));
    reopen_at(2'000);
    EXPECT_EQ(open()->modified(), at(1'002));
  }
}

TEST_F(StagedTimeTest, FillingInAndReservingAreNone) {
  const auto file = create(100);
  clock.set_wall(at(1'001));
  ASSERT_TRUE(file->fill(ByteOffset{0}, bytes_of("base")));
  ASSERT_TRUE(file->reserve(extent(0, 200)));
  EXPECT_EQ(file->modified(), at(1'000));
}

TEST_F(StagedTimeTest, ATimeThatIsSetStaysToTheNanosecondUntilTheNextWrite) {
  const auto file = create(0);
  const WallTime set(std::chrono::nanoseconds(-1'234'567'891));
  ASSERT_TRUE(file->set_modified(set));
  EXPECT_EQ(file->modified(), set);
  reopen_at(1'001);
  EXPECT_EQ(open()->modified(), set);
  ASSERT_TRUE(open()->write(ByteOffset{0}, bytes_of("x")));
  EXPECT_EQ(open()->modified(), at(1'001));
}

TEST_F(StagedTimeTest, TheFileSystemsTimesAreNotAsked) {
  create(0);
  std::filesystem::last_write_time(directory.path() / "staging/42.whole", {});
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), at(1'000));
}

TEST_F(StagedTimeTest, AFileOfAnEarlierVersionTakesTheFileSystemsTimeOnce) {
  create(0);
  std::filesystem::remove(times_path());
  const auto data = directory.path() / "staging/42.whole";
  const timespec then[2] = {{777, 5}, {777, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, data.c_str(), then, 0), 0);
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), WallTime(std::chrono::seconds(777) + std::chrono::nanoseconds(5)));
  std::filesystem::last_write_time(data, {});
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), WallTime(std::chrono::seconds(777) + std::chrono::nanoseconds(5)));
}

TEST_F(StagedTimeTest, ATornTimeIsTheOneBefore) {
  const auto file = create(0);
  ASSERT_TRUE(file->set_modified(at(5)));
  ASSERT_TRUE(file->set_modified(at(6)));  // the third record: in the place of the first
  const auto log = open_file(times_path(), O_RDWR);
  ASSERT_TRUE(log && write_at(log->get(), ByteOffset{512 + 16}, bytes_of("torn")));
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), at(5));
  ASSERT_TRUE(open()->set_modified(at(7)));
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), at(7));
}

TEST_F(StagedTimeTest, ReplacedAndRemovedFilesTakeTheirTimesWithThem) {
  const auto first = create(0);
  clock.set_wall(at(1'001));
  const auto second = create(10);
  ASSERT_TRUE(first->set_modified(at(3)));
  reopen_at(2'000);
  EXPECT_EQ(open()->modified(), at(1'001));
  ASSERT_TRUE(area->remove(kNumber));
  EXPECT_FALSE(std::filesystem::exists(times_path()));
  create(0);
  ASSERT_TRUE(area->set_aside(kNumber, {.name = "x"}));
  EXPECT_FALSE(std::filesystem::exists(times_path()));
}

TEST_F(StagedTimeTest, TimesWithoutDataAreRemoved) {
  create(0);
  std::filesystem::remove(directory.path() / "staging/42.whole");
  reopen_at(2'000);
  EXPECT_FALSE(std::filesystem::exists(times_path()));
}

// A staged file as POSIX and the base define it: a byte, or nothing while it must still come from the base.
class StagedModel {
 public:
  explicit StagedModel(std::size_t base_size) : bytes_(base_size) {}

  void write(std::size_t at, std::string_view data) {
    if (bytes_.size() < at + data.size()) bytes_.resize(at + data.size(), '\0');
    std::copy(data.begin(), data.end(), bytes_.begin() + static_cast<std::ptrdiff_t>(at));
  }
  void truncate(std::size_t size) { bytes_.resize(size, '\0'); }
  void fill(std::size_t at, std::string_view data) {
    for (std::size_t i = 0; i < data.size() && at + i < bytes_.size(); ++i)
      if (!bytes_[at + i]) bytes_[at + i] = data[i];
  }
  std::string read(std::size_t at, std::size_t size) const {
    std::string out;
    while (out.size() < size && at < bytes_.size() && bytes_[at]) out += *bytes_[at++];
    return out;
  }
  std::vector<Extent> missing() const {
    std::vector<Extent> found;
    for (std::size_t i = 0; i < bytes_.size(); ++i) {
      if (bytes_[i]) continue;
      if (!found.empty() && found.back().end.n == i)
        ++found.back().end.n;
      else
        found.push_back(extent(i, i + 1));
    }
    return found;
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::optional<char>> bytes_;
};

TEST_F(StagingTest, AgreesWithAModelUnderRandomOperationsAndKills) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](std::size_t limit) { return random() % limit; };
  for (int round = 0; round < 20; ++round) {
    const std::size_t base_size = below(400);
    StagedModel model(base_size);
    std::shared_ptr<StagedFile> file = create(base_size);
    for (int step = 0; step < 200; ++step) {
      const std::size_t at = below(500);
      const std::string data(1 + below(60), static_cast<char>('a' + below(26)));
      switch (below(8)) {
        case 0:
          ASSERT_TRUE(file->truncate(ByteCount{at}));
          model.truncate(at);
          break;
        case 1:
        case 2:
          ASSERT_TRUE(file->fill(ByteOffset{at}, bytes_of(data)));
          model.fill(at, data);
          break;
        case 3:  // a kill and the next process: nothing is closed in order, because nothing needs to be
          file.reset();
          reopen();
          file = open();
          break;
        default:
          ASSERT_TRUE(file->write(ByteOffset{at}, bytes_of(data)));
          model.write(at, data);
      }
      ASSERT_EQ(file->size().n, model.size());
      ASSERT_EQ(file->missing(extent(0, 10'000)), model.missing());
      const std::size_t from = below(500);
      ASSERT_EQ(text_of(*file, from, 300), model.read(from, 300));
    }
  }
}

TEST_F(StagingTest, ReservedSpaceIsOnTheDisk) {
  const auto file = create(0);
  ASSERT_TRUE(file->reserve(extent(0, 8 << 20)));
  struct stat status {};
  ASSERT_EQ(::fstat(file->descriptor(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 8 << 20);
  EXPECT_EQ(file->size(), ByteCount{0});
}

TEST_F(StagingTest, AKeptFileIsRemovedWithItsDescription) {
  const auto file = create(0);
  ASSERT_TRUE(file->write({}, std::as_bytes(std::span("bytes"))));
  const auto path = area->set_aside(kNumber, {.name = "f"});
  ASSERT_TRUE(path);
  ASSERT_TRUE(std::filesystem::exists(kept_description_path(*path)));
  ASSERT_TRUE(remove_kept(*path));
  EXPECT_FALSE(std::filesystem::exists(*path));
  EXPECT_FALSE(std::filesystem::exists(kept_description_path(*path)));
  EXPECT_TRUE(remove_kept(*path)) << "it is gone";
}

}  // namespace
}  // namespace pail::local
