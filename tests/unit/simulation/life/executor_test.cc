#include "simulation/life/executor.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>

#include <map>
#include <memory>
#include <stdexcept>
#include <string>

#include "../../temporary_directory.h"
#include "fake_store/fake_store.h"

namespace pail::simulation {
namespace {

class ExecutorTest : public testing::Test {
 protected:
  ExecutorTest() : shared_(fuse::SharedMemory::create().value()) {
    options_.bucket = "demo";
    options_.state_directory = options_.cache_directory = directory_.path() / "cache";
    options_.parallel = 4;
    live(vfs::Start::fresh);
  }
  ~ExecutorTest() override { die(); }

  void live(vfs::Start start) {
    opens_ = std::make_shared<fuse::SharedOpenTable>(*shared_);
    auto files = vfs::FileSystem::open(options_, store_, opens_, start);
    if (!files) throw std::runtime_error(files.error().context);
    files_ = std::move(*files);
    executor_ = std::make_unique<Executor>(*files_, *opens_, [this](Answer answer) { take(std::move(answer)); });
  }
  void die() {
    executor_.reset();
    files_.reset();
  }

  std::uint64_t ask(Question question) {
    const std::uint64_t unique = next_ += 2;
    ask({.unique = unique, .question = std::move(question)});
    return unique;
  }
  void ask(Call call) { executor_->ask(std::move(call)); }
  Answer wait_for(std::uint64_t unique) {
    const MutexLock lock(mutex_);
    while (!answers_.contains(unique)) came_.wait(mutex_);
    return answers_.extract(unique).mapped();
  }
  Answer answer(Question question) { return wait_for(ask(std::move(question))); }
  Answer again(std::uint64_t unique, Question question) {
    ask({.unique = unique, .resent = true, .question = std::move(question)});
    return wait_for(unique);
  }
  OpenedFile make(const std::string& name) {
    return std::get<OpenedFile>(answer(Create{vfs::kRootInode, name, 0644, O_CREAT | O_RDWR}).value);
  }

  const std::shared_ptr<fake::FakeStore> store_ = std::make_shared<fake::FakeStore>();
  std::unique_ptr<Executor> executor_;
  std::shared_ptr<fuse::SharedOpenTable> opens_;

 private:
  void take(Answer answer) {
    const MutexLock lock(mutex_);
    EXPECT_TRUE(answers_.emplace(answer.unique, std::move(answer)).second) << "answered twice";
    came_.notify_all();
  }

  const TemporaryDirectory directory_;
  const fuse::SharedMemory shared_;
  vfs::Options options_{system_clock()};
  std::unique_ptr<vfs::FileSystem> files_;
  std::uint64_t next_ = 0;
  Mutex mutex_;
  CondVar came_;
  std::map<std::uint64_t, Answer> answers_ PAIL_GUARDED_BY(mutex_);
};

TEST_F(ExecutorTest, CarriesOutTheLifeOfAFile) {
  const OpenedFile file = make("a");
  const InodeNumber number = file.entry->number;
  EXPECT_EQ(std::get<Written>(answer(Write{number, file.handle, 2, "bytes"}).value).size, 5);
  const Answer read = answer(Read{number, file.handle, 0, 100});
  EXPECT_EQ(std::get<Bytes>(read.value).bytes, std::string("\0\0bytes", 7));
  EXPECT_EQ(answer(Flush{number, file.handle, false}).errnum, 0);
  EXPECT_EQ(store_->bytes("a"), std::string("\0\0bytes", 7));
  EXPECT_EQ(answer(Release{number, file.handle}).errnum, 0);
  EXPECT_EQ(std::get<ShownEntry>(answer(Lookup{vfs::kRootInode, "a"}).value).size, 7);
}

TEST_F(ExecutorTest, AWriteThatTheDiskTakesAPartOfIsAnsweredWithItsSize) {
  constexpr std::uint64_t kLargest = 256 << 20;  // bytes of a file; no other file here is as large
  const OpenedFile file = make("a");
  const InodeNumber number = file.entry->number;
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit limit{kLargest, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const Answer written = answer(Write{number, file.handle, kLargest - 3, "bytes"});
  const Answer refused = answer(Write{number, file.handle, kLargest, "es"});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(std::get<Written>(written.value).size, 3);
  EXPECT_EQ(refused.errnum, EFBIG);
  EXPECT_EQ(std::get<ShownEntry>(answer(GetAttributes{number}).value).size, kLargest);
  EXPECT_EQ(answer(Unlink{vfs::kRootInode, "a"}).errnum, 0);
  EXPECT_EQ(answer(Release{number, file.handle}).errnum, 0);
}

TEST_F(ExecutorTest, AnErrorHasItsErrnoAndAStory) {
  const Answer missing = answer(Lookup{vfs::kRootInode, "none"});
  EXPECT_EQ(missing.errnum, ENOENT);
  EXPECT_NE(missing.context, "");
}

TEST_F(ExecutorTest, CountsAFileAsOpenFromItsOpenToItsRelease) {
  const OpenedFile file = make("a");
  const InodeNumber number = file.entry->number;
  const Answer opened = answer(Open{number, O_RDONLY});
  EXPECT_EQ(answer(Release{number, file.handle}).errnum, 0);
  EXPECT_TRUE(opens_->maybe_open(number));
  EXPECT_EQ(answer(Release{number, std::get<OpenedFile>(opened.value).handle}).errnum, 0);
  EXPECT_FALSE(opens_->maybe_open(number));
  EXPECT_EQ(answer(Open{number + 100, O_RDONLY}).errnum, ESTALE);
  EXPECT_FALSE(opens_->maybe_open(number + 100));
}

TEST_F(ExecutorTest, CountsAnOpenThatIsAskedAgainOnce) {
  const InodeNumber number = make("a").entry->number;
  const std::uint64_t opening = ask(Open{number, O_RDONLY});
  const OpenedFile opened = std::get<OpenedFile>(wait_for(opening).value);
  die();
  live(vfs::Start::resume);
  EXPECT_EQ(answer(Lookup{vfs::kRootInode, "a"}).errnum, 0);  // this process has shown its size to nobody yet
  const Answer file = again(opening, Open{number, O_RDONLY});
  EXPECT_EQ(file.errnum, 0) << file.context;
  EXPECT_EQ(answer(Release{number, opened.handle}).errnum, 0);
  EXPECT_EQ(answer(Release{number, std::get<OpenedFile>(file.value).handle}).errnum, 0);
  EXPECT_FALSE(opens_->maybe_open(number));
}

TEST_F(ExecutorTest, ListsADirectoryWithItsAttributes) {
  make("a");
  const auto listed = std::get<Listed>(answer(ReadDirectory{vfs::kRootInode, 0, 10, true}).value);
  ASSERT_EQ(listed.names.size(), 3);
  EXPECT_EQ(listed.names.back().name, "a");
  ASSERT_TRUE(listed.names.back().entry);
  EXPECT_EQ(listed.names.back().entry->type, vfs::FileType::regular);
}

TEST_F(ExecutorTest, AnInterruptEndsTheCallThatWaitsAndNoOther) {
  const OpenedFile file = make("a");
  answer(Write{file.entry->number, file.handle, 0, "bytes"});
  fake::Hold hold = store_->hold({.operation = fake::Operation::put_object}, fake::Moment::before);
  const std::uint64_t flushing = ask(Flush{file.entry->number, file.handle, false});
  ASSERT_TRUE(hold.await());
  EXPECT_EQ(answer(GetAttributes{file.entry->number}).errnum, 0);
  executor_->interrupt(flushing);
  executor_->interrupt(flushing + 100);
  EXPECT_EQ(wait_for(flushing).errnum, EINTR);
}

TEST_F(ExecutorTest, AFlushWhoseCallerHasAnotherDescriptorLeavesANewFile) {
  const OpenedFile file = make("a");
  EXPECT_EQ(answer(Flush{file.entry->number, file.handle, true}).errnum, 0);
  EXPECT_EQ(store_->count(fake::Operation::put_object), 0);
  EXPECT_EQ(answer(Flush{file.entry->number, file.handle, false}).errnum, 0);
  EXPECT_EQ(store_->count(fake::Operation::put_object), 1);
}

}  // namespace
}  // namespace pail::simulation
