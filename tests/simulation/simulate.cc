// The file system on a schedule of its own.
//
//   simulate --seed N                    one history with its trace; the last line has its digest
//   simulate --soak MINUTES [--from N]   histories of fresh seeds, until one is wrong or the time is over
//     --with others, --with nobody       those alone
#include <fmt/format.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "pailfs/base/clock.h"
#include "simulation/history.h"

namespace pail::simulation {
namespace {

constexpr const char* kMemory = "/dev/shm";
constexpr std::uint64_t kLeastRoom = 32 << 20;  // bytes that are free before the first history
constexpr int kExitCannotRun = 2;               // soaking.py knows it; 1 is a wrong history

// Nothing is wrong with a history: this machine cannot run one.
struct CannotRun {
  std::string why;
};

// Or a history would take a lack of room for an error of the file system.
void check_room() {
  struct statvfs room {};
  if (::statvfs(kMemory, &room) != 0) throw CannotRun{fmt::format("{}: {}", kMemory, ::strerror(errno))};
  const std::uint64_t free = std::uint64_t{room.f_bavail} * room.f_frsize;
  if (free < kLeastRoom) throw CannotRun{fmt::format("{} has {} MiB free", kMemory, free >> 20)};
}

// The directory of one history, as the current one: no name in a text depends on it. In memory: nothing here is to
// survive the machine, and its order of names is always the same. It is named after the process and the seed, for
// tests/simulate: of a process that was killed it is left behind.
class FreshDirectory {
 public:
  explicit FreshDirectory(std::uint64_t seed) {
    std::string pattern = fmt::format("{}/pailfs-simulate-{}-{}-XXXXXX", kMemory, ::getpid(), seed);
    if (::mkdtemp(pattern.data()) == nullptr) throw CannotRun{fmt::format("{}: {}", kMemory, ::strerror(errno))};
    path_ = pattern;
    std::filesystem::current_path(path_);
  }
  ~FreshDirectory() {
    std::filesystem::current_path("/");
    std::filesystem::remove_all(path_);
  }
  FreshDirectory(const FreshDirectory&) = delete;
  FreshDirectory& operator=(const FreshDirectory&) = delete;

 private:
  std::filesystem::path path_;
};

bool run_one(std::uint64_t seed, Trace::Shown shown, Counted& counted) {
  Trace trace(shown);
  const FreshDirectory directory(seed);
  History history(draw_plan(seed), trace, "mount");
  const auto wrong = history.run();
  counted += history.counted();
  if (wrong && shown == Trace::Shown::nothing) std::printf("%s", trace.tail().c_str());
  if (wrong) std::printf("\nWRONG, seed %llu: %s\n", static_cast<unsigned long long>(seed), wrong->c_str());
  if (shown == Trace::Shown::everything || wrong)
    std::printf("seed %llu digest %s\n", static_cast<unsigned long long>(seed), trace.digest_text().c_str());
  std::fflush(stdout);
  return !wrong;
}

void report(const Counted& counted, double seconds) {
  const double hours = std::chrono::duration<double, std::ratio<3600>>(counted.time).count();
  std::printf(
      "%llu histories, %llu operations, %llu calls, %llu requests, %llu deaths, %.0f virtual hours in %.0f s: "
      "%.0f operations/s, %.1f deaths/s, %.2f virtual hours/s\n",
      static_cast<unsigned long long>(counted.histories), static_cast<unsigned long long>(counted.operations),
      static_cast<unsigned long long>(counted.calls), static_cast<unsigned long long>(counted.requests),
      static_cast<unsigned long long>(counted.deaths), hours, seconds,
      static_cast<double>(counted.operations) / seconds, static_cast<double>(counted.deaths) / seconds,
      hours / seconds);
  for (const auto& [name, times] : counted.happened)
    std::printf("happened %llu times: %s\n", static_cast<unsigned long long>(times), name.c_str());
}

enum class With { anybody, others, nobody };

bool is_meant(With with, std::uint64_t seed) {
  return with == With::anybody || (draw_plan(seed).others > 0) == (with == With::others);
}

int soak(double minutes, std::uint64_t from, With with) {
  Counted counted;
  const auto begin = std::chrono::steady_clock::now();
  const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count(); };
  bool right = true;
  for (std::uint64_t seed = from; right && passed() < minutes * 60; ++seed)
    if (is_meant(with, seed)) right = run_one(seed, Trace::Shown::nothing, counted);
  report(counted, passed());
  return right ? 0 : 1;
}

int run(int count, char** words) {
  std::uint64_t seed = 1, from = 1;
  double minutes = 0;
  auto with = With::anybody;
  for (int i = 1; i + 1 < count; ++i) {
    if (std::strcmp(words[i], "--seed") == 0) seed = std::strtoull(words[i + 1], nullptr, 10);
    if (std::strcmp(words[i], "--from") == 0) from = std::strtoull(words[i + 1], nullptr, 10);
    if (std::strcmp(words[i], "--with") == 0)
      with = std::strcmp(words[i + 1], "others") == 0 ? With::others : With::nobody;
    if (std::strcmp(words[i], "--soak") == 0) minutes = std::strtod(words[i + 1], nullptr);
  }
  if (minutes > 0) return soak(minutes, from, with);
  Counted counted;
  return run_one(seed, Trace::Shown::everything, counted) ? 0 : 1;
}

}  // namespace
}  // namespace pail::simulation

int main(int count, char** words) {
  std::signal(SIGPIPE, SIG_IGN);
  try {
    pail::simulation::check_room();
    return pail::simulation::run(count, words);
  } catch (const pail::simulation::CannotRun& cannot) {
    std::fprintf(stderr, "%s; histories are kept there: it has to have %llu MiB free that this user may write to\n",
                 cannot.why.c_str(), static_cast<unsigned long long>(pail::simulation::kLeastRoom >> 20));
    return pail::simulation::kExitCannotRun;
  }
}
