#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <thread>
#include <utility>

#include "base/log.h"
#include "fuse/mount_table.h"
#include "mount/handover/directory_filesystem.h"
#include "mount/handover/mounted.h"

namespace pail::fuse::test {
namespace {

namespace fs = std::filesystem;
constexpr int kKills = 50;

std::string pattern(std::size_t size, unsigned seed) {
  std::string out(size, '\0');
  for (std::size_t i = 0; i < size; ++i) out[i] = static_cast<char>((i + seed) % 251);
  return out;
}

// The file's bytes from the file system, not from the page cache.
std::string read_uncached(const fs::path& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return fmt::format("open: {}", strerror(errno));
  posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  std::string out;
  std::string buffer(256 * 1024, '\0');
  for (ssize_t n; (n = read(file.get(), buffer.data(), buffer.size())) != 0;) {
    if (n < 0) return fmt::format("read: {}", strerror(errno));
    out.append(buffer, 0, static_cast<std::size_t>(n));
  }
  return out;
}

std::string write_synced(const fs::path& path, const std::string& bytes) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!file.valid()) return fmt::format("create: {}", strerror(errno));
  if (write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) return "write";
  if (fsync(file.get()) != 0) return fmt::format("fsync: {}", strerror(errno));
  return {};
}

#define STEP(expected, call)                                      \
  if (const int got = (call) == 0 ? 0 : errno; got != (expected)) \
  return fmt::format("{}: {} instead of {}", #call, strerror(got), strerror(expected))

// One round of names, each operation with the one errno it must have.
std::string name_round(const fs::path& base) {
  const auto directory = base / "d", a = base / "d/a", b = base / "d/b";
  const int exclusive = O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC;
  const auto create = [&](const fs::path& path) {
    const UniqueFd file(open(path.c_str(), exclusive, 0644));
    return file.valid() ? 0 : -1;
  };
  STEP(0, mkdir(directory.c_str(), 0755));
  STEP(EEXIST, mkdir(directory.c_str(), 0755));
  STEP(0, create(a));
  STEP(EEXIST, create(a));
  STEP(0, symlink("target", b.c_str()));
  STEP(EEXIST, renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_NOREPLACE));
  STEP(0, renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE));
  STEP(ENOTEMPTY, rmdir(directory.c_str()));
  STEP(0, rename(a.c_str(), b.c_str()));
  STEP(ENOENT, unlink(a.c_str()));
  STEP(0, unlink(b.c_str()));
  STEP(0, rmdir(directory.c_str()));
  STEP(ENOENT, rmdir(directory.c_str()));
  return {};
}

TEST_F(MountTest, CarriesTheOrdinaryOperations) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "hello");
  EXPECT_EQ(read_text(mounted_ / "file"), "hello");
  EXPECT_EQ(name_round(mounted_), "");
  EXPECT_EQ(chmod((mounted_ / "file").c_str(), 0600), 0);
  EXPECT_EQ(fs::status(mounted_ / "file").permissions(), fs::perms(0600));
  fs::resize_file(mounted_ / "file", 2);
  EXPECT_EQ(read_text(mounted_ / "file"), "he");
  fs::create_symlink("file", mounted_ / "link");
  EXPECT_EQ(fs::read_symlink(mounted_ / "link"), "file");
  EXPECT_EQ(mkfifo((mounted_ / "fifo").c_str(), 0644), 0);
  EXPECT_TRUE(fs::is_fifo(mounted_ / "fifo"));
  EXPECT_EQ(::link((mounted_ / "file").c_str(), (mounted_ / "second").c_str()), -1);
  EXPECT_EQ(errno, EPERM);
}

TEST_F(MountTest, ExtendedAttributesKeepTheSizeProtocol) {
  ASSERT_TRUE(mount());
  const fs::path file = mounted_ / "file";
  write_text(file, "x");
  char small[2], large[64];
  EXPECT_EQ(setxattr(file.c_str(), "user.note", "12345", 5, 0), 0);
  EXPECT_EQ(getxattr(file.c_str(), "user.note", nullptr, 0), 5);
  EXPECT_EQ(getxattr(file.c_str(), "user.note", large, sizeof large), 5);
  EXPECT_EQ(getxattr(file.c_str(), "user.note", small, sizeof small), -1);
  EXPECT_EQ(errno, ERANGE);
  EXPECT_EQ(listxattr(file.c_str(), large, sizeof large), 10);
  EXPECT_EQ(getxattr(file.c_str(), "user.other", large, sizeof large), -1);
  EXPECT_EQ(errno, ENODATA);
}

TEST_F(MountTest, ListsALargeDirectoryOnceAcrossKills) {
  ASSERT_TRUE(mount());
  for (int i = 0; i < 2000; ++i) write_text(mounted_ / fmt::format("name-{}", i), "");
  std::multiset<std::string> seen;
  int count = 0;
  for (const auto& item : fs::directory_iterator(mounted_)) {
    seen.insert(item.path().filename());
    if (++count % 400 == 0) kill_worker_and_measure();
  }
  EXPECT_EQ(seen.size(), 2000u);
  EXPECT_EQ(std::set(seen.begin(), seen.end()).size(), 2000u);
}

TEST_F(MountTest, ProgramsSeeNoErrorWhileWorkersAreKilled) {
  ASSERT_TRUE(mount());
  const std::string expected = pattern(4 << 20, 7);
  ASSERT_EQ(write_synced(mounted_ / "read-me", expected), "");
  fs::create_directory(mounted_ / "names");
  Program reader([&] { return read_uncached(mounted_ / "read-me") == expected ? "" : "the reader got other bytes"; });
  Program writer([&, round = 0u]() mutable {
    const std::string bytes = pattern(2 << 20, ++round);
    if (auto failed = write_synced(mounted_ / "written", bytes); !failed.empty()) return failed;
    return std::string(read_uncached(mounted_ / "written") == bytes ? "" : "the writer read other bytes");
  });
  Program namer([&] { return name_round(mounted_ / "names"); });
  std::vector<std::chrono::microseconds> pauses;
  for (int i = 0; i < kKills; ++i) {
    pauses.push_back(kill_worker_and_measure());
    namer.await_step();
  }
  EXPECT_EQ(reader.stop(), "");
  EXPECT_EQ(writer.stop(), "");
  EXPECT_EQ(namer.stop(), "");
  std::ranges::sort(pauses);
  fmt::print("pause after kill -9, ms: median {:.1f}, longest {:.1f}\n", pauses[kKills / 2].count() / 1000.0,
             pauses.back().count() / 1000.0);
}

TEST_F(MountTest, OpenFilesAndLocksOutliveTheWorker) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "before");
  const UniqueFd file(open((mounted_ / "file").c_str(), O_RDWR | O_APPEND | O_CLOEXEC));
  ASSERT_EQ(flock(file.get(), LOCK_EX), 0);
  kill_worker_and_measure();
  EXPECT_EQ(write(file.get(), " after", 6), 6);
  EXPECT_EQ(read_uncached(mounted_ / "file"), "before after");
  const UniqueFd other(open((mounted_ / "file").c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_EQ(flock(other.get(), LOCK_EX | LOCK_NB), -1);
  EXPECT_EQ(errno, EWOULDBLOCK);
}

TEST_F(MountTest, ARequestThatEndsThreeWorkersGetsAnIoErrorAlone) {
  ASSERT_TRUE(mount());
  const std::string expected = pattern(1 << 20, 3);
  ASSERT_EQ(write_synced(mounted_ / "read-me", expected), "");
  Program reader([&] { return read_uncached(mounted_ / "read-me") == expected ? "" : "the reader got other bytes"; });
  const int error = run_apart([&] {
    struct stat status {};
    return stat((mounted_ / "poison").c_str(), &status) == 0 ? 0 : errno;
  });
  EXPECT_EQ(error, EIO);
  reader.await_step();
  EXPECT_EQ(reader.stop(), "");
}

// 'S' in a wait that any signal ends, 'D' in one that only a deadly signal may end, and so on.
char state_of(pid_t process) {
  const std::string text = read_text(fmt::format("/proc/{}/stat", process));
  const std::size_t end_of_name = text.rfind(')');
  return end_of_name + 2 < text.size() ? text[end_of_name + 2] : '?';
}

// Sends a signal that the program handles until one has come in its wait, which it does not end.
bool waits_on_after_a_handled_signal(pid_t process) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (state_of(process) != 'D' && state_of(process) != 'Z' && std::chrono::steady_clock::now() < until) {
    kill(process, SIGUSR1);
    usleep(10'000);
  }
  return state_of(process) == 'D';
}

// A program that handles SIGUSR1 and reads `slow`, which is answered when it is interrupted.
pid_t start_slow_reader(const fs::path& slow) {
  struct sigaction noted {};  // without SA_RESTART
  noted.sa_handler = [](int) {};
  sigaction(SIGUSR1, &noted, nullptr);
  const pid_t reader = fork();
  if (reader != 0) return reader;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int deadly : {SIGTERM, SIGQUIT}) signal(deadly, SIG_DFL);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  alignas(4096) static char page[4096];
  // Through the page cache a read waits for the kernel's own request, which is not interrupted.
  const UniqueFd file(open(slow.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
  _exit(read(file.get(), page, sizeof page) >= 0 ? 0 : errno);
}

// Ends the reader by `signal`, which it does not handle; returns the signal that ended it.
int end_by(pid_t reader, int signal) {
  kill(reader, signal);
  int status = 0;
  if (!wait_for_end(reader, status)) return -1;
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

TEST_F(MountTest, KillsFromOutsideNeverFailARequest) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "slow", "x");
  const pid_t reader = start_slow_reader(mounted_ / "slow");
  for (int i = 0; i < 6; ++i) kill_worker_and_measure();
  EXPECT_EQ(waitpid(reader, nullptr, WNOHANG), 0);  // it still waits
  EXPECT_EQ(end_by(reader, SIGTERM), SIGTERM);
}

TEST_F(MountTest, ASignalThatTheCallerHandlesDoesNotEndItsRequestAndALaterDeadlyOneDoes) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "slow", "x");
  for (const int deadly : {SIGKILL, SIGTERM, SIGQUIT}) {
    const pid_t reader = start_slow_reader(mounted_ / "slow");
    EXPECT_TRUE(waits_on_after_a_handled_signal(reader)) << "it ended the read";
    EXPECT_EQ(end_by(reader, deadly), deadly);
  }
}

TEST_F(MountTest, ADeadlySignalEndsARequestWhoseHandledOneAnEarlierWorkerSaw) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "slow", "x");
  const pid_t reader = start_slow_reader(mounted_ / "slow");
  EXPECT_TRUE(waits_on_after_a_handled_signal(reader)) << "it ended the read";
  kill_worker_and_measure();
  EXPECT_EQ(waitpid(reader, nullptr, WNOHANG), 0);  // it still waits
  EXPECT_EQ(end_by(reader, SIGTERM), SIGTERM);
}

TEST_F(MountTest, AStoppedWorkerIsReplaced) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "x");
  const pid_t before = worker();
  kill(before, SIGSTOP);
  EXPECT_EQ(run_apart([&] { return read_uncached(mounted_ / "file") == "x" ? 0 : 1; }), 0);
  EXPECT_NE(worker(), before);
}

// As under memory pressure: pages of the program come from a slow disk before its first line runs.
TEST_F(MountTest, AWorkerThatIsSlowToStartIsNoHang) {
  hang_after_ = std::chrono::seconds(2);
  write_text(backing_ / "hold-start", "");
  pid_t first = -1;
  std::thread disk([&] {
    first = wait_for_worker_other_than(-1);
    std::this_thread::sleep_for(2 * hang_after_);
    fs::remove(backing_ / "hold-start");
  });
  const auto mounted = mount();
  disk.join();
  EXPECT_TRUE(mounted) << mounted.error().context;
  EXPECT_EQ(worker(), first);
}

TEST_F(MountTest, AMountWhoseWorkerDoesNotComeUpFailsAndSaysSo) {
  start_within_ = std::chrono::seconds(1);
  write_text(backing_ / "hold-open", "");
  const auto refused = mount();
  fs::remove(backing_ / "hold-open");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().context.find("did not come up within 1 s"), std::string::npos) << refused.error().context;
  EXPECT_NE(supervisor_status(), 0);
  EXPECT_EQ(run_apart([&] { return fs::is_empty(mounted_) ? 0 : 1; }), 0);  // unmounted again
}

TEST_F(MountTest, TerminationFinishesUploadsAndUnmounts) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "x");
  kill(supervisor_, SIGTERM);
  EXPECT_EQ(supervisor_status(), 0);
  EXPECT_EQ(read_text(backing_ / "synced"), "yes");
  EXPECT_FALSE(fs::exists(mounted_ / "file"));
}

TEST_F(MountTest, TerminationEndsAMountInUse) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "x");
  const UniqueFd file(open((mounted_ / "file").c_str(), O_RDONLY | O_CLOEXEC));
  kill(supervisor_, SIGTERM);
  EXPECT_EQ(supervisor_status(), 0);
  EXPECT_FALSE(fs::exists(mounted_ / "file"));
}

TEST_F(MountTest, AWorkerThatDoesNotEndIsEnded) {
  stop_timeout_ = std::chrono::milliseconds(100);
  write_text(backing_ / "hold-sync", "");
  ASSERT_TRUE(mount());
  const pid_t first = worker();
  ASSERT_EQ(umount2(mounted_.c_str(), 0), 0);
  EXPECT_NE(wait_for_worker_other_than(first), -1);  // it would say what stays
  EXPECT_NE(supervisor_status(), 0);
}

TEST_F(MountTest, UnmountEndsBothProcesses) {
  ASSERT_TRUE(mount());
  const pid_t last = worker();
  ASSERT_EQ(umount2(mounted_.c_str(), 0), 0);
  EXPECT_EQ(supervisor_status(), 0);
  EXPECT_EQ(kill(last, 0), -1);
  EXPECT_EQ(read_text(backing_ / "synced"), "yes");
}

// The kernel gives the second mount the device number of the first.
TEST_F(MountTest, TheEndOfAMountLeavesTheNextOneAtItsPlaceAlone) {
  write_text(backing_ / "hold-sync", "");
  ASSERT_TRUE(mount());
  const pid_t first = supervisor_;
  ASSERT_EQ(umount2(mounted_.c_str(), 0), 0);
  ASSERT_TRUE(mount());
  const pid_t second = std::exchange(supervisor_, first);
  fs::remove(backing_ / "hold-sync");
  EXPECT_EQ(supervisor_status(), 0);
  supervisor_ = second;
  const auto left = mounted_at(mounted_);
  EXPECT_TRUE(left && *left && is_pailfs(**left));
}

TEST_F(MountTest, AMountWhoseConnectionWasAbortedIsTakenAway) {
  ASSERT_TRUE(mount());
  const auto there = identify_mount(mounted_);
  ASSERT_TRUE(there);
  if (!there->id) GTEST_SKIP() << "this kernel gives mounts no number of their own";
  const fs::path control = root_ / "control";
  fs::create_directory(control);
  ASSERT_EQ(::mount("control", control.c_str(), "fusectl", 0, nullptr), 0) << strerror(errno);
  write_text(control / there->device.substr(there->device.find(':') + 1) / "abort", "1");
  EXPECT_EQ(umount2(control.c_str(), 0), 0);
  supervisor_status();
  EXPECT_FALSE(is_mounted(*there));
}

TEST_F(MountTest, TheNextMountRepairsADeadOne) {
  ASSERT_TRUE(mount());
  write_text(mounted_ / "file", "kept");
  const pid_t last = worker();
  kill_supervisor();
  kill(last, SIGKILL);
  EXPECT_EQ(run_apart([&] {
              struct stat status {};
              while (stat(mounted_.c_str(), &status) == 0 || errno != ENOTCONN) usleep(1000);
              return 0;
            }),
            0);
  const auto repaired = repair_stale_mount(mounted_);
  ASSERT_TRUE(repaired) << repaired.error().context;
  EXPECT_TRUE(*repaired);
  ASSERT_TRUE(mount());
  EXPECT_EQ(read_text(mounted_ / "file"), "kept");
}

TEST_F(MountTest, WithoutResumptionTheMountIsMadeAgain) {
  ASSERT_TRUE(mount(Resumption::never));
  write_text(mounted_ / "file", "kept");
  const pid_t before = worker();
  kill(before, SIGKILL);
  wait_for_worker_other_than(before);
  EXPECT_EQ(run_apart([&] {
              while (read_uncached(mounted_ / "file") != "kept") usleep(1000);
              return 0;
            }),
            0);
}

TEST_F(MountTest, ToldWhyItCannotBe) {
  backing_ = root_ / "unreachable";
  const auto refused = mount();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().context, "no such store");
  EXPECT_NE(supervisor_status(), 0);
  EXPECT_EQ(run_apart([&] { return fs::is_empty(mounted_) ? 0 : 1; }), 0);  // unmounted again
}

TEST_F(MountTest, ASecondMountAtTheSamePlaceIsRefused) {
  ASSERT_TRUE(mount());
  const pid_t first = supervisor_;
  const auto refused = mount();
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().context.find("mounted there already"), std::string::npos) << refused.error().context;
  supervisor_status();
  supervisor_ = first;
}

}  // namespace
}  // namespace pail::fuse::test

int main(int argc, char** argv) {
  using namespace pail;
  if (fuse::is_worker()) {
    const auto secrets = fuse::worker_secrets();
    fuse::test::wait_while_there_is(std::filesystem::path(argv[1]) / "hold-start");
    if (argc != 2 || !secrets || secrets->reveal() != "open sesame") return EXIT_FAILURE;
    return fuse::run_worker([&](auto, auto) { return fuse::test::open_directory_filesystem(argv[1]); }, {});
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
