#include "simulation/kernel/programs.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "../../temporary_directory.h"
#include "fake_store/fake_store.h"
#include "simulation/life/executor.h"
#include "simulation/messages.h"

namespace pail::simulation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using vfs::FileType;

// A mount without memory, whose answers depend on the question's number and kind alone: each name is there or not as it
// comes.
class Oracle {
 public:
  Answer answer(const Call& call) {
    answer_ = {call.unique, 0, {}, Done{}};
    std::visit([&](const auto& question) { give(call.unique, question); }, call.question);
    return answer_;
  }

 private:
  static ShownEntry entry(std::uint64_t number, FileType type) { return {number, type, 0644, 100, {}, {}, {}}; }
  static std::uint64_t number_of(InodeNumber parent, const std::string& name) {
    return 100 + parent * 100 + static_cast<unsigned char>(name.front()) + static_cast<unsigned char>(name.back());
  }
  static FileType type_of(const std::string& name) {
    return name.front() == 'f' ? FileType::regular : FileType::directory;
  }

  void give(std::uint64_t unique, const Lookup& asked) {
    if (mixed(unique) % 3 == 0) {
      answer_.errnum = ENOENT;
    } else {
      answer_.value = entry(number_of(asked.parent, asked.name), type_of(asked.name));
    }
  }
  void give(std::uint64_t unique, const Create& asked) {
    answer_.value = OpenedFile{entry(number_of(asked.parent, asked.name), FileType::regular), unique, false};
  }
  void give(std::uint64_t unique, const Open&) { answer_.value = OpenedFile{{}, unique, false}; }
  void give(std::uint64_t, const Write& asked) { answer_.value = Written{asked.bytes.size()}; }
  void give(std::uint64_t, const GetAttributes& asked) { answer_.value = entry(asked.number, FileType::regular); }
  void give(std::uint64_t, const SetAttributes& asked) { answer_.value = entry(asked.number, FileType::regular); }
  void give(std::uint64_t, const MakeDirectory& asked) {
    answer_.value = entry(number_of(asked.parent, asked.name), FileType::directory);
  }
  void give(std::uint64_t, const MakeSymlink& asked) {
    answer_.value = entry(number_of(asked.parent, asked.name), FileType::symlink);
  }
  void give(std::uint64_t, const ReadLink&) { answer_.value = Bytes{"target"}; }
  void give(std::uint64_t, const Read&) { answer_.value = Bytes{"bytes"}; }
  void give(std::uint64_t, const ReadDirectory&) { answer_.value = Listed{}; }
  void give(std::uint64_t, const auto&) {}

  Answer answer_;
};

// The calls of so many answers as bytes, answered one after the other in the order in which they were asked.
std::string history(std::uint64_t seed, const Programs::Settings& settings, int answers) {
  Programs programs(seed, settings);
  Oracle oracle;
  SteadyTime now(seconds(1));
  std::deque<Call> waiting;
  std::string trace;
  const auto asked = [&](const std::vector<Call>& calls) {
    for (const Call& call : calls) {
      trace += encode(Go{now, now, {}, {Ask{call}}});
      if (!std::holds_alternative<Forget>(call.question)) waiting.push_back(call);
    }
  };
  asked(programs.begin(now));
  while (answers > 0) {
    if (waiting.empty()) {
      now = programs.next_start().value();
      asked(programs.begin(now));
      continue;
    }
    now += milliseconds(1);
    const Call call = waiting.front();
    waiting.pop_front();
    asked(programs.answered(oracle.answer(call), now));
    --answers;
  }
  return trace;
}

TEST(Programs, TheSameSeedAndAnswersGiveTheSameCalls) {
  const Programs::Settings settings{.processes = 4};
  const std::string first = history(7, settings, 3000);
  EXPECT_TRUE(first == history(7, settings, 3000));
  EXPECT_FALSE(first == history(8, settings, 3000));
}

// Answers that come in any order, some of them errors, and a mount that is made anew in the middle.
class AnyOrder {
 public:
  explicit AnyOrder(std::uint64_t seed)
      : programs_(seed, {.processes = 5, .names = 2, .large_per_mille = 5}), random_(seed) {}

  // False: they are not idle, and nothing is asked.
  bool step() {
    if (waiting_.empty() && !programs_.next_start()) return false;
    now_ += milliseconds(random_.below(3));
    if (waiting_.empty()) now_ = std::max(now_, *programs_.next_start());
    if (waiting_.empty() || random_.percent(20)) return take(programs_.begin(now_));
    const auto chosen = waiting_.begin() + static_cast<std::ptrdiff_t>(random_.below(waiting_.size()));
    Answer answer = oracle_.answer(*chosen);
    if (random_.percent(5)) answer = {chosen->unique, random_.percent(50) ? EIO : ESTALE, {}, {}};
    waiting_.erase(chosen);
    return take(programs_.answered(answer, now_));
  }
  void remount() {
    waiting_.clear();
    programs_.remounted();
  }
  Programs& programs() { return programs_; }

 private:
  bool take(const std::vector<Call>& calls) {
    for (const Call& call : calls)
      if (!std::holds_alternative<Forget>(call.question)) waiting_.push_back(call);
    return true;
  }

  Programs programs_;
  Random random_;
  Oracle oracle_;
  SteadyTime now_{seconds(1)};
  std::vector<Call> waiting_;
};

TEST(Programs, NobodyWaitsForEverWhateverTheOrderOfAnswers) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    AnyOrder history(seed);
    while (history.programs().operations() < 500) ASSERT_TRUE(history.step()) << "seed " << seed;
    history.remount();
    while (history.programs().operations() < 1000) ASSERT_TRUE(history.step()) << "seed " << seed;
    history.programs().finish();
    while (!history.programs().idle()) ASSERT_TRUE(history.step()) << "seed " << seed;
    history.programs().begin_again();
    while (history.programs().operations() < 1500) ASSERT_TRUE(history.step()) << "seed " << seed;
  }
}

TEST(Programs, OneSleepsNowAndThenForMultiplesOfTheMetadataTimeAndNotTooLong) {
  const std::chrono::hours ttl(1), most(2);
  Programs programs(1, {.processes = 1, .metadata_ttl = ttl, .longest_sleep = most});
  Oracle oracle;
  SteadyTime now(seconds(1));
  std::set<std::chrono::nanoseconds> pauses;
  std::deque<Call> waiting;
  const auto asked = [&](const std::vector<Call>& calls) {
    for (const Call& call : calls)
      if (!std::holds_alternative<Forget>(call.question)) waiting.push_back(call);
  };
  while (programs.operations() < 2000) {
    if (waiting.empty()) {
      const SteadyTime next = programs.next_start().value();
      pauses.insert(next - now);
      now = next;
      asked(programs.begin(now));
      continue;
    }
    const Call call = waiting.front();
    waiting.pop_front();
    asked(programs.answered(oracle.answer(call), now));
  }
  EXPECT_TRUE(pauses.contains(ttl));
  EXPECT_EQ(*pauses.rbegin(), most);
}

TEST(Programs, EachWriteHasBytesOfItsOwn) {
  const std::string bytes = written_bytes(1, 2, 100);
  EXPECT_EQ(bytes.size(), 100);
  EXPECT_EQ(written_bytes(1, 2, 50), bytes.substr(0, 50));
  EXPECT_NE(written_bytes(1, 3, 100), bytes);
  EXPECT_NE(written_bytes(2, 2, 100), bytes);
  EXPECT_NE(bytes.substr(0, 8), bytes.substr(8, 8));
}

// Programs over a file system, answered by its threads as they come.
class DrivenTest : public testing::Test {
 protected:
  DrivenTest() : shared_(fuse::SharedMemory::create().value()) {
    options_.bucket = "demo";
    options_.state_directory = options_.cache_directory = directory_.path() / "cache";
    options_.parallel = 4;
    live(vfs::Start::fresh);
  }
  ~DrivenTest() override { die(); }

  void live(vfs::Start start) {
    opens_ = std::make_shared<fuse::SharedOpenTable>(*shared_);
    files_ = vfs::FileSystem::open(options_, store_, opens_, start).value();
    executor_ = std::make_unique<Executor>(*files_, *opens_, [this](Answer answer) {
      const MutexLock lock(mutex_);
      answers_.push_back(std::move(answer));
      came_.notify_all();
    });
  }
  void die() {
    executor_.reset();
    files_.reset();
    const MutexLock lock(mutex_);
    answers_.clear();  // nobody took them
  }

  void ask(const std::vector<Call>& calls) {
    for (const Call& call : calls) {
      if (!std::holds_alternative<Forget>(call.question)) waiting_.emplace(call.unique, call);
      ++kinds_[call.question.index()];
      executor_->ask(call);
    }
  }
  Answer wait() {
    const MutexLock lock(mutex_);
    while (answers_.empty()) came_.wait(mutex_);
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  void step(Programs& programs) {
    now_ += std::chrono::microseconds(100);
    if (waiting_.empty()) {
      now_ = std::max(now_, programs.next_start().value_or(now_));
      return ask(programs.begin(now_));
    }
    const Answer answer = wait();
    EXPECT_EQ(waiting_.erase(answer.unique), 1);
    if (answer.errnum == 0) ++done_[answer.value.index()];
    if (answer.errnum != 0) ++errors_[answer.errnum];
    ask(programs.answered(answer, now_));
  }
  void run(Programs& programs, std::uint64_t operations) {
    ask(programs.begin(now_));
    while (programs.operations() < operations) step(programs);
    programs.finish();
    while (!programs.idle()) step(programs);
    EXPECT_TRUE(waiting_.empty());
  }
  // Whether the only errors are those that programs meet when names are there or not.
  void expect_daily_errors() const {
    const std::set<int> daily{ENOENT, EEXIST, ENOTDIR, EISDIR, ENOTEMPTY, EINVAL, ESTALE, EOPNOTSUPP};
    for (const auto& [errnum, times] : errors_) EXPECT_TRUE(daily.contains(errnum)) << errnum << " x" << times;
  }

  const TemporaryDirectory directory_;
  const fuse::SharedMemory shared_;
  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
  vfs::Options options_{system_clock()};
  std::shared_ptr<fuse::SharedOpenTable> opens_;
  std::unique_ptr<vfs::FileSystem> files_;
  std::unique_ptr<Executor> executor_;
  SteadyTime now_{seconds(1)};
  std::map<std::uint64_t, Call> waiting_;
  std::map<std::size_t, int> kinds_, done_;
  std::map<int, int> errors_;
  Mutex mutex_;
  CondVar came_;
  std::deque<Answer> answers_ PAIL_GUARDED_BY(mutex_);
};

TEST_F(DrivenTest, ProgramsThatMeetAreAllAnswered) {
  Programs programs(1, {.processes = 4});
  run(programs, 3000);
  EXPECT_EQ(kinds_.size(), std::variant_size_v<Question>) << "a kind of question is never asked";
  expect_daily_errors();
}

TEST_F(DrivenTest, ProgramsWithDirectoriesOfTheirOwnAreAllAnswered) {
  Programs programs(2, {.processes = 3, .own_directories = true, .trust = Kernel::Names::always_asked});
  run(programs, 2000);
  expect_daily_errors();
}

TEST_F(DrivenTest, NothingIsOpenWhenProgramsHaveFinished) {
  Programs programs(3, {.processes = 3});
  run(programs, 500);
  const auto& open = shared_->open;
  EXPECT_TRUE(std::all_of(std::begin(open), std::end(open), [](const auto& slot) { return slot.count == 0; }));
}

TEST_F(DrivenTest, ARemountBeginsAnewWithHigherNumbers) {
  Programs programs(4, {.processes = 3, .large_per_mille = 20});
  ask(programs.begin(now_));
  while (programs.operations() < 200) step(programs);
  const std::uint64_t last = waiting_.empty() ? 0 : waiting_.rbegin()->first;
  die();
  waiting_.clear();
  live(vfs::Start::fresh);
  programs.remounted();
  const auto calls = programs.begin(now_);
  ASSERT_FALSE(calls.empty());
  EXPECT_GT(calls.front().unique, last);
  ask(calls);
  run(programs, 400);
}

TEST_F(DrivenTest, ALifeThatEndsIsFollowedByOneThatIsAskedAgain) {
  Programs programs(5, {.processes = 4});
  ask(programs.begin(now_));
  while (programs.operations() < 200 || waiting_.empty()) step(programs);
  die();
  live(vfs::Start::resume);
  const auto again = programs.resumed();
  ASSERT_EQ(again.size(), waiting_.size());
  ask(again);
  run(programs, 400);
  expect_daily_errors();
}

}  // namespace
}  // namespace pail::simulation
