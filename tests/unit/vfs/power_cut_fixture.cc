#include "power_cut_fixture.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <fstream>
#include <future>

#include "local/journal/upkeep.h"

namespace {

// Where a copy of each journal goes that is synced; empty: nowhere.
std::filesystem::path synced_journal;  // NOLINT: what a disk has outlives a process, too

}  // namespace

// Takes the place of the C library's: the copy is what a power cut leaves.
extern "C" int fdatasync(int fd) {
  std::error_code failed;
  const auto path = std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), failed);
  if (!synced_journal.empty() && path.parent_path().filename() == "journal")
    std::filesystem::copy_file(path, synced_journal, std::filesystem::copy_options::overwrite_existing, failed);
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace pail::vfs {

namespace fs = std::filesystem;
using fake::Hold;
using fake::kAlways;
using fake::Moment;

void PowerCutTest::SetUp() {
  use_directory(directory_.path() / "0");
  fs::create_directories(options_.state_directory);
  synced_journal = directory_.path() / "synced";
  FakeStoreTest::SetUp();
}

void PowerCutTest::TearDown() {
  FakeStoreTest::TearDown();
  synced_journal.clear();
}

void PowerCutTest::wait_for_the_journal() {
  const fs::path log = options_.state_directory / "journal" / "log";
  fs::copy_file(log, synced_journal, fs::copy_options::overwrite_existing);
}

void PowerCutTest::stop(Stops what, const std::function<void()>& end_it) {
  const fs::path before = options_.state_directory, after = directory_.path() / std::to_string(++stops_);
  fs::copy(before, after, fs::copy_options::recursive);
  if (what == Stops::machine) {
    fs::copy_file(synced_journal, after / "journal" / "log", fs::copy_options::overwrite_existing);
    std::ofstream(after / "names" / "state") << "open 00000000-0000-0000-0000-000000000000\n";
  }
  store_->fail({.times = kAlways}, {.fault = Fault::stopped, .may_have_happened = false});
  end_it();
  fs_.reset();
  store_->behave();
  options_.state_directory = options_.cache_directory = after;
}

void PowerCutTest::stop_during(Stops what, fake::Match at, const std::function<int()>& work) {
  store_->fail(at, {.fault = Fault::stopped, .may_have_happened = false});
  const Hold hold = store_->hold(at, Moment::before);
  auto under_way = std::async(std::launch::async, work);
  ASSERT_TRUE(hold.await());
  stop(what, [&] {
    hold.release();
    EXPECT_NE(under_way.get(), 0);
  });
}

local::LiveEntries PowerCutTest::promised() {
  EXPECT_TRUE(fs_->sync_all(Sync{}));
  fs_.reset();
  const auto journal = local::open_journal(options_.state_directory / "journal");
  EXPECT_TRUE(journal) << journal.error().context;
  return journal ? (*journal)->live() : local::LiveEntries();
}

std::vector<local::KeptDescription> PowerCutTest::kept_descriptions() {
  std::vector<local::KeptDescription> all;
  const auto files = local::kept_files(options_.state_directory).value();
  for (const auto& file : files) {
    EXPECT_TRUE(file.description) << file.path;
    if (file.description) all.push_back(*file.description);
  }
  return all;
}

}  // namespace pail::vfs
