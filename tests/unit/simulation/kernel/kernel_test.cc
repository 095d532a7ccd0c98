#include "simulation/kernel/kernel.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace pail::simulation {
namespace {

using std::chrono::seconds;
using vfs::FileType;
using vfs::kRootInode;

class KernelTest : public testing::Test {
 protected:
  KernelTest() { kernel_.set_time(SteadyTime(seconds(1))); }

  // The outcome of the system call that was begun with it.
  Kernel::Then to(Outcome& outcome) {
    outcome.errnum = -1;
    return [&outcome](const Outcome& returned) { outcome = returned; };
  }
  // The next request, which is of this kind; those that come with it wait for their turn.
  template <class Kind>
  Call next() {
    for (Call& call : kernel_.take_calls()) calls_.push_back(std::move(call));
    if (calls_.empty()) {
      ADD_FAILURE() << "nothing is asked";
      return {0, false, 0, Kind{}};
    }
    const Call call = std::move(calls_.front());
    calls_.erase(calls_.begin());
    EXPECT_TRUE(std::holds_alternative<Kind>(call.question)) << "kind " << call.question.index();
    return call;
  }
  bool asks_nothing() {
    for (Call& call : kernel_.take_calls()) calls_.push_back(std::move(call));
    return calls_.empty();
  }
  void answer(const Call& call, decltype(Answer::value) value) { kernel_.answered({call.unique, 0, {}, value}); }
  void refuse(const Call& call, int errnum) { kernel_.answered({call.unique, errnum, {}, {}}); }
  static ShownEntry entry(InodeNumber number, FileType type = FileType::regular, seconds ttl = seconds(0)) {
    return {number, type, 0644, 10, {}, ttl, ttl};
  }
  int open(const Path& path, int flags, InodeNumber number, Process process = 1) {
    Outcome outcome;
    kernel_.open(process, path, flags, 0644, to(outcome));
    answer(next<Lookup>(), entry(number));
    answer(next<Open>(), OpenedFile{{}, 70, false});
    EXPECT_EQ(outcome.errnum, 0);
    return outcome.descriptor;
  }

  std::vector<Call> calls_;
  Kernel kernel_{Kernel::Names::trusted, 0};
};

TEST_F(KernelTest, UniqueNumbersAreEvenAndRise) {
  Outcome outcome;
  kernel_.stat(1, {"a"}, to(outcome));
  EXPECT_EQ(next<Lookup>().unique, 2);
  kernel_.stat(1, {"b"}, to(outcome));
  EXPECT_EQ(next<Lookup>().unique, 4);
  EXPECT_EQ(kernel_.last_unique(), 4);
}

TEST_F(KernelTest, APathIsWalkedNameByName) {
  Outcome outcome;
  kernel_.stat(1, {"d", "f"}, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::directory));
  const Call second = next<Lookup>();
  EXPECT_EQ(std::get<Lookup>(second.question).parent, 5);
  answer(second, entry(6));
  answer(next<GetAttributes>(), entry(6));
  EXPECT_EQ(outcome.errnum, 0);
  EXPECT_EQ(outcome.attributes.number, 6);
}

TEST_F(KernelTest, NamesAndAttributesAreTrustedForTheirTime) {
  Outcome outcome;
  kernel_.stat(1, {"a"}, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::regular, seconds(10)));
  EXPECT_EQ(outcome.errnum, 0);
  kernel_.stat(1, {"a"}, to(outcome));
  EXPECT_EQ(outcome.errnum, 0);
  EXPECT_TRUE(asks_nothing());
  kernel_.set_time(SteadyTime(seconds(11)));
  kernel_.stat(1, {"a"}, to(outcome));
  next<Lookup>();
}

TEST_F(KernelTest, ANameThatStandsForAnotherInodeNowIsAskedForOnceMore) {
  Outcome outcome;
  kernel_.stat(1, {"a"}, to(outcome));
  answer(next<Lookup>(), entry(5));
  answer(next<GetAttributes>(), entry(5));
  kernel_.stat(1, {"a"}, to(outcome));
  answer(next<Lookup>(), entry(6));
  EXPECT_EQ(std::get<Forget>(next<Forget>().question).number, 6);
  const Call again = next<Lookup>();
  EXPECT_EQ(std::get<Forget>(next<Forget>().question).number, 5);
  answer(again, entry(6));
  answer(next<GetAttributes>(), entry(6));
  EXPECT_EQ(outcome.attributes.number, 6);
}

TEST_F(KernelTest, OneLookupOfANewNameAtATime) {
  Outcome first, second, other;
  kernel_.stat(1, {"a"}, to(first));
  kernel_.stat(2, {"a"}, to(second));
  kernel_.stat(3, {"b"}, to(other));
  const Call lookup = next<Lookup>();
  EXPECT_EQ(std::get<Lookup>(next<Lookup>().question).name, "b");
  EXPECT_TRUE(asks_nothing());
  answer(lookup, entry(5, FileType::regular, seconds(10)));
  EXPECT_TRUE(asks_nothing());
  EXPECT_EQ(second.errnum, 0);
}

TEST_F(KernelTest, WhoChangesADirectoryHoldsItAlone) {
  Outcome first, second, looking;
  kernel_.make_directory(1, {"a"}, 0755, to(first));
  kernel_.make_directory(2, {"b"}, 0755, to(second));
  kernel_.stat(3, {"c"}, to(looking));
  refuse(next<Lookup>(), ENOENT);
  const Call making = next<MakeDirectory>();
  EXPECT_TRUE(asks_nothing());
  answer(making, entry(5, FileType::directory));
  EXPECT_EQ(std::get<Lookup>(next<Lookup>().question).name, "b");
  EXPECT_TRUE(asks_nothing());
}

TEST_F(KernelTest, ANewFileIsCreatedAndClosedWithAFlushAndARelease) {
  Outcome outcome;
  kernel_.open(1, {"a"}, O_CREAT | O_WRONLY, 0644, to(outcome));
  refuse(next<Lookup>(), ENOENT);
  answer(next<Create>(), OpenedFile{entry(5), 70, false});
  ASSERT_EQ(outcome.descriptor, 0);
  kernel_.close(1, 0, to(outcome));
  const Call flush = next<Flush>();
  EXPECT_TRUE(asks_nothing());
  answer(flush, Done{});
  EXPECT_EQ(outcome.errnum, 0);
  EXPECT_EQ(std::get<Release>(next<Release>().question).handle, 70);
}

TEST_F(KernelTest, EachDescriptorIsFlushedAndTheLastReleases) {
  const int file = open({"a"}, O_RDWR, 5);
  const int duplicate = kernel_.duplicate(1, file);
  Outcome outcome;
  kernel_.close(1, file, to(outcome));
  const Call first = next<Flush>();
  EXPECT_TRUE(std::get<Flush>(first.question).caller_has_another);
  answer(first, Done{});
  EXPECT_TRUE(asks_nothing());
  kernel_.close(1, duplicate, to(outcome));
  const Call second = next<Flush>();
  EXPECT_FALSE(std::get<Flush>(second.question).caller_has_another);
  answer(second, Done{});
  next<Release>();
}

TEST_F(KernelTest, WhatWasOpenedToReadIsNotFlushed) {
  const int file = open({"a"}, O_RDONLY, 5);
  Outcome outcome;
  kernel_.close(1, file, to(outcome));
  EXPECT_EQ(outcome.errnum, 0);
  next<Release>();
  EXPECT_EQ(kernel_.duplicate(1, file), -1);
}

TEST_F(KernelTest, AStaleOpenLooksTheNameUpAgainOnce) {
  Outcome outcome;
  kernel_.open(1, {"a"}, O_RDONLY, 0, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::regular, seconds(10)));
  refuse(next<Open>(), ESTALE);
  answer(next<Lookup>(), entry(5, FileType::regular, seconds(10)));
  refuse(next<Open>(), ESTALE);
  EXPECT_EQ(outcome.errnum, ESTALE);
}

TEST_F(KernelTest, OneWriterOfAFileAtATimeAndAppendsFollowEachOther) {
  const int file = open({"a"}, O_WRONLY | O_APPEND, 5);
  Outcome first, second;
  kernel_.write(1, file, 0, "abc", to(first));
  kernel_.write(1, file, 0, "d", to(second));
  const Call writing = next<Write>();
  EXPECT_EQ(std::get<Write>(writing.question).at, 10);
  EXPECT_TRUE(asks_nothing());
  answer(writing, Written{3});
  EXPECT_EQ(first.written, 3);
  EXPECT_EQ(std::get<Write>(next<Write>().question).at, 13);
}

TEST_F(KernelTest, AnAnswerThatIsOlderThanAWriteDoesNotShrinkTheFile) {
  const int file = open({"a"}, O_WRONLY | O_APPEND, 5);
  Outcome outcome;
  kernel_.stat_open(1, file, to(outcome));
  const Call attributes = next<GetAttributes>();
  kernel_.write(1, file, 0, "abc", to(outcome));
  answer(next<Write>(), Written{3});
  answer(attributes, entry(5));
  kernel_.write(1, file, 0, "d", to(outcome));
  EXPECT_EQ(std::get<Write>(next<Write>().question).at, 13);
}

TEST_F(KernelTest, ALargeWriteIsSeveralRequestsAndEndsAtTheFirstError) {
  const int file = open({"a"}, O_WRONLY, 5);
  Outcome outcome;
  kernel_.write(1, file, 0, std::string(3 << 20, 'x'), to(outcome));
  answer(next<Write>(), Written{1 << 20});
  const Call second = next<Write>();
  EXPECT_EQ(std::get<Write>(second.question).at, 1 << 20);
  refuse(second, ENOSPC);
  EXPECT_EQ(outcome.errnum, ENOSPC);
  EXPECT_EQ(outcome.written, 1 << 20);
  EXPECT_TRUE(asks_nothing());
}

TEST_F(KernelTest, AWriteEndsAtTheFirstShortCount) {
  const int file = open({"a"}, O_WRONLY | O_APPEND, 5);
  Outcome outcome;
  kernel_.write(1, file, 0, std::string(3 << 20, 'x'), to(outcome));
  answer(next<Write>(), Written{1 << 20});
  answer(next<Write>(), Written{5});
  EXPECT_EQ(outcome.errnum, 0);
  EXPECT_EQ(outcome.written, (1 << 20) + 5);
  EXPECT_TRUE(asks_nothing());
  kernel_.write(1, file, 0, "y", to(outcome));
  EXPECT_EQ(std::get<Write>(next<Write>().question).at, 10 + (1 << 20) + 5);
}

TEST_F(KernelTest, ARemovedFileIsForgottenWithItsLastDescriptor) {
  const int file = open({"a"}, O_RDONLY, 5);
  Outcome outcome;
  kernel_.unlink(1, {"a"}, to(outcome));
  answer(next<Lookup>(), entry(5));
  answer(next<Unlink>(), Done{});
  EXPECT_EQ(outcome.errnum, 0);
  EXPECT_TRUE(asks_nothing());
  kernel_.close(1, file, to(outcome));
  next<Release>();
  EXPECT_EQ(std::get<Forget>(next<Forget>().question).number, 5);
}

TEST_F(KernelTest, UnlinkIsForFilesAndRmdirForDirectories) {
  Outcome outcome;
  kernel_.remove_directory(1, {"f"}, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::regular, seconds(10)));
  EXPECT_EQ(outcome.errnum, ENOTDIR);
  kernel_.unlink(1, {"d"}, to(outcome));
  answer(next<Lookup>(), entry(6, FileType::directory, seconds(10)));
  EXPECT_EQ(outcome.errnum, EISDIR);
}

TEST_F(KernelTest, ADirectoryIsNotRenamedIntoItself) {
  Outcome outcome;
  kernel_.rename(1, {"d"}, {"d", "e"}, vfs::RenameMode::replace, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::directory, seconds(10)));
  refuse(next<Lookup>(), ENOENT);
  EXPECT_EQ(outcome.errnum, EINVAL);
  EXPECT_TRUE(asks_nothing());
}

TEST_F(KernelTest, ARenameHoldsBothDirectories) {
  Outcome renaming, beside, other;
  kernel_.rename(1, {"a"}, {"d", "b"}, vfs::RenameMode::replace, to(renaming));
  answer(next<Lookup>(), entry(5, FileType::directory, seconds(10)));
  answer(next<Lookup>(), entry(6, FileType::regular, seconds(10)));
  refuse(next<Lookup>(), ENOENT);
  const Call rename = next<Rename>();
  EXPECT_EQ(std::get<Rename>(rename.question).new_parent, 5);
  kernel_.make_directory(2, {"d", "e"}, 0755, to(beside));
  kernel_.make_directory(3, {"g"}, 0755, to(other));
  EXPECT_TRUE(asks_nothing());
  answer(rename, Done{});
  EXPECT_EQ(renaming.errnum, 0);
  next<Lookup>();
  next<Lookup>();
  kernel_.stat(1, {"d", "b"}, to(other));
  EXPECT_EQ(std::get<GetAttributes>(next<GetAttributes>().question).number, 6);
}

TEST_F(KernelTest, AStreamOfADirectoryGoesOnWhereItsLastPageEnded) {
  Outcome outcome;
  kernel_.open_directory(1, {}, to(outcome));
  const int stream = outcome.descriptor;
  kernel_.read_directory(1, stream, 2, true, to(outcome));
  answer(next<ReadDirectory>(),
         Listed{{{".", 1, {}, 3, {}}, {"a", 5, {}, 9, entry(5, FileType::regular, seconds(9))}}});
  EXPECT_EQ(outcome.names, (std::vector<std::string>{".", "a"}));
  kernel_.read_directory(1, stream, 2, true, to(outcome));
  EXPECT_EQ(std::get<ReadDirectory>(next<ReadDirectory>().question).offset, 9);
  kernel_.stat(1, {"a"}, to(outcome));
  EXPECT_EQ(outcome.attributes.number, 5);
}

TEST_F(KernelTest, AnUnusedNameIsGivenUpAndItsInodeForgotten) {
  Outcome outcome;
  kernel_.stat(1, {"a"}, to(outcome));
  answer(next<Lookup>(), entry(5, FileType::regular, seconds(10)));
  kernel_.shrink(0);
  EXPECT_EQ(std::get<Forget>(next<Forget>().question).number, 5);
  kernel_.shrink(0);
  EXPECT_TRUE(asks_nothing());
}

TEST_F(KernelTest, WhatIsNotAnsweredIsAskedAgain) {
  Outcome outcome;
  kernel_.stat(1, {"a"}, to(outcome));
  const Call asked = next<Lookup>();
  const auto again = kernel_.unanswered();
  ASSERT_EQ(again.size(), 1);
  EXPECT_EQ(again.front().unique, asked.unique);
  EXPECT_TRUE(again.front().resent);
  EXPECT_FALSE(kernel_.idle());
  refuse(asked, ENOENT);
  EXPECT_TRUE(kernel_.idle());
  EXPECT_EQ(outcome.errnum, ENOENT);
}

}  // namespace
}  // namespace pail::simulation
