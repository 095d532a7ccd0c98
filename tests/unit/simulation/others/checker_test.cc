#include "simulation/others/checker.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "simulation/world/face.h"

namespace pail::simulation::others {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

constexpr std::chrono::seconds kTtl{30};
constexpr InodeNumber kRoot = vfs::kRootInode, kFile = 10, kOther = 11, kDirectory = 12;

std::string ours(char first = 'a') {
  std::string bytes;
  for (char c = first; bytes.size() < 40; ++c) bytes += c;
  return bytes;
}
const std::string kTheirs = "what others wrote there, and no program here",
                  kLater = "what they wrote to the same key later";

// Histories written by hand.
class OthersTest : public testing::Test {
 protected:
  // ---- the bucket
  void change(Actor::Kind who, Operation operation, const std::string& key, std::optional<std::string> bytes) {
    Effect effect;
    effect.when = now_;
    effect.who.kind = who;
    effect.operation = operation;
    effect.key = key;
    if (bytes) {
      effect.after.emplace();
      effect.after->content = fake::Content(*bytes);
      effect.after->info.etag.text = "etag of " + *bytes;
    }
    note(checker_.changed(effect));
  }
  void they_write(const std::string& key, const std::string& bytes) {
    change(Actor::Kind::other, Operation::put, key, bytes);
  }
  void they_delete(const std::string& key) { change(Actor::Kind::other, Operation::remove, key, {}); }
  void put(const std::string& key, const std::string& bytes) { change(Actor::Kind::mount, Operation::put, key, bytes); }
  void copy(const std::string& key, const std::string& bytes) {
    change(Actor::Kind::mount, Operation::copy, key, bytes);
  }
  void remove(const std::string& key) { change(Actor::Kind::mount, Operation::remove, key, {}); }
  void tell(const std::string& key, const std::string& bytes) { checker_.told(key, "etag of " + bytes); }

  // ---- calls
  std::uint64_t ask(Question question) {
    Call call;
    call.unique = unique_ += 2;
    call.question = std::move(question);
    checker_.asked(call, now_);
    return unique_;
  }
  void answer(std::uint64_t call, int errnum, decltype(Answer::value) value = Done{}) {
    note(checker_.answered({.unique = call, .errnum = errnum, .context = {}, .value = std::move(value)}, around_, {},
                           now_));
  }
  void call(Question question, decltype(Answer::value) value = Done{}) { answer(ask(std::move(question)), 0, value); }
  void call_error(Question question, int errnum) { answer(ask(std::move(question)), errnum); }

  static ShownEntry shown(InodeNumber number, std::uint64_t size, vfs::FileType type = vfs::FileType::regular) {
    return {.number = number, .type = type, .permissions = 0644, .size = size};
  }
  void look_up(const std::string& name, InodeNumber number, std::uint64_t size) {
    call(Lookup{kRoot, name}, shown(number, size));
  }
  void look_up_directory(const std::string& name, InodeNumber number) {
    call(Lookup{kRoot, name}, shown(number, 0, vfs::FileType::directory));
  }
  void create(const std::string& name, InodeNumber number) {
    call(Create{.parent = kRoot, .name = name, .flags = O_CREAT | O_RDWR},
         OpenedFile{.entry = shown(number, 0), .handle = 1});
  }
  void open(InodeNumber number, int flags = O_RDWR) { call(Open{number, flags}, OpenedFile{.entry = {}, .handle = 1}); }
  void write(InodeNumber number, const std::string& bytes, std::uint64_t at = 0) {
    call(Write{number, 1, at, bytes}, simulation::Written{bytes.size()});
  }
  void reads(InodeNumber number, const std::string& bytes, std::uint64_t at = 0) {
    call(Read{number, 1, at, bytes.size()}, Bytes{bytes});
  }
  void pass(std::chrono::nanoseconds time) { now_ += time; }
  // They have a file, and it is open here.
  void open_theirs() {
    they_write("f", kTheirs);
    tell("f", kTheirs);
    pass(std::chrono::seconds(1));
    look_up("f", kFile, kTheirs.size());
    open(kFile);
    pass(std::chrono::seconds(1));
  }

  void note(const Verdict& verdict) {
    if (verdict && wrong_.empty()) wrong_ = verdict->text;
  }
  std::string wrong() { return std::exchange(wrong_, {}); }
  void TearDown() override { EXPECT_EQ(wrong(), ""); }

  Checker checker_{kTtl};
  SteadyTime now_{std::chrono::hours(1000)};
  Around around_ = Around::calm;
  std::uint64_t unique_ = 0;
  std::string wrong_;
};

// ---- one version ----

TEST_F(OthersTest, AReaderSeesOneVersion) {
  open_theirs();
  reads(kFile, kTheirs.substr(0, 20));
  they_write("f", kLater);
  reads(kFile, kTheirs.substr(20), 20);
}

TEST_F(OthersTest, AReadOfTwoVersionsIsWrong) {
  open_theirs();
  they_write("f", kLater);
  reads(kFile, kTheirs.substr(0, 20) + kLater.substr(20));
  EXPECT_THAT(wrong(), HasSubstr("is of no one version"));
}

TEST_F(OthersTest, TwoReadsOfTwoVersionsAreWrong) {
  open_theirs();
  reads(kFile, kTheirs.substr(0, 20));
  they_write("f", kLater);
  reads(kFile, kLater.substr(20), 20);
  EXPECT_THAT(wrong(), HasSubstr("is of no one version"));
}

TEST_F(OthersTest, AVersionThatWasReplacedLongBeforeIsNotRead) {
  they_write("f", kLater);
  they_write("f", kTheirs);
  pass(2 * kTtl);
  look_up("f", kFile, kTheirs.size());
  open(kFile);
  reads(kFile, kLater.substr(0, 20));
  EXPECT_THAT(wrong(), HasSubstr("is of no one version"));
}

TEST_F(OthersTest, AVersionIsReadWithWhatWasWrittenOverIt) {
  open_theirs();
  write(kFile, "HERE", 5);
  reads(kFile, kTheirs.substr(0, 5) + "HERE" + kTheirs.substr(9));
}

TEST_F(OthersTest, WhatWasWrittenIsReadAlsoWhenOthersReplacedTheObject) {
  open_theirs();
  write(kFile, "HERE", 5);
  they_write("f", kLater);
  reads(kFile, kTheirs.substr(0, 9));
  EXPECT_THAT(wrong(), HasSubstr("does not read as it was written"));
}

TEST_F(OthersTest, AnObjectIsOneVersionWithWhatWasWrittenOverIt) {
  open_theirs();
  write(kFile, ours(), 2);
  put("f", kTheirs.substr(0, 2) + ours() + kTheirs.substr(42));
}

TEST_F(OthersTest, AnObjectOfTwoVersionsIsWrong) {
  open_theirs();
  write(kFile, "HERE", 10);
  they_write("g", kLater);
  put("f", kTheirs.substr(0, 10) + "HERE" + kLater.substr(14));
  EXPECT_THAT(wrong(), HasSubstr("that no file here had"));
}

// ---- no lost update ----

TEST_F(OthersTest, WhatWasOpenedIsReplaced) {
  open_theirs();
  write(kFile, ours());
  put("f", ours());
}

TEST_F(OthersTest, AVersionThatTheMountWasNotToldOfIsNotReplaced) {
  open_theirs();
  write(kFile, ours());
  they_write("f", kLater);
  put("f", ours());
  EXPECT_THAT(wrong(), HasSubstr("of which the mount was not told"));
}

TEST_F(OthersTest, AVersionOfAfterTheOpenIsNotReplacedAlthoughAListingToldOfIt) {
  open_theirs();
  write(kFile, ours());
  they_write("f", kLater);
  tell("f", kLater);
  put("f", ours());
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

// A file of theirs was cut, and perhaps stored then; they put an empty object in its place before it is stored again.
class EmptyObjectTest : public OthersTest {
 protected:
  void cut() {
    open_theirs();
    call(Open{kFile, O_RDWR | O_TRUNC}, OpenedFile{.entry = {}, .handle = 1});
  }
  void sends_it_empty() { checker_.sent(request_); }
  void is_answered(int status, const std::string& code) {
    checker_.delivered(understand(request_), refuse(request_, {status, code}, {}, 1), 0);
  }
  void replaces_theirs() {
    write(kFile, ours());
    they_write("f", "");
    tell("f", "");
    put("f", ours());
  }

  const HttpRequest request_{"PUT", "http://store.sim/bucket/f", {}, {}};
};

TEST_F(EmptyObjectTest, MayBeTakenForThatOfAnAttemptWithoutAnAnswer) {
  cut();
  sends_it_empty();
  checker_.delivered(understand(request_), {}, ECONNRESET);
  replaces_theirs();
}

TEST_F(EmptyObjectTest, MayBeTakenForThatOfAnAttemptThatADeathCutOff) {
  cut();
  checker_.resumed();
  replaces_theirs();
}

TEST_F(EmptyObjectTest, IsNotReplacedByAFileThatWasCutAndNeverSent) {
  cut();
  replaces_theirs();
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

TEST_F(EmptyObjectTest, IsNotReplacedAfterAnAttemptThatWasRefused) {
  cut();
  sends_it_empty();
  is_answered(412, "PreconditionFailed");
  replaces_theirs();
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

TEST_F(EmptyObjectTest, IsNotReplacedByAFileThatHadBytesWhenTheWorkerDied) {
  cut();
  write(kFile, ours());
  checker_.resumed();
  replaces_theirs();
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

TEST_F(EmptyObjectTest, IsNotReplacedByAFileThatWasNotCut) {
  open_theirs();
  replaces_theirs();
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

TEST_F(OthersTest, AClosedFileThatIsNotStoredReplacesNoLaterVersionEither) {
  open_theirs();
  write(kFile, "tiny");
  call_error(Flush{kFile, 1}, EIO);
  call(Release{kFile, 1});
  they_write("f", kLater);
  tell("f", kLater);
  put("f", "tiny");
  EXPECT_THAT(wrong(), HasSubstr("that was open before it was there"));
}

TEST_F(OthersTest, ARenameReplacesWhateverIsThere) {
  create("g", kOther);
  write(kOther, ours());
  put("g", ours());
  they_write("f", kLater);
  const auto rename = ask(Rename{kRoot, "g", kRoot, "f"});
  copy("f", ours());
  remove("g");
  answer(rename, 0);
}

TEST_F(OthersTest, ACopyWithoutARenameReplacesNothing) {
  create("g", kOther);
  write(kOther, ours());
  put("g", ours());
  they_write("f", kLater);
  copy("f", ours());
  EXPECT_THAT(wrong(), HasSubstr("by a copy that no rename asks for"));
}

// ---- deletes ----

TEST_F(OthersTest, AnUnlinkDeletesWhateverIsThere) {
  open_theirs();
  const auto unlink = ask(Unlink{kRoot, "f"});
  they_write("f", kLater);
  remove("f");
  answer(unlink, 0);
}

TEST_F(OthersTest, NothingOfOthersIsDeletedUnasked) {
  open_theirs();
  remove("f");
  EXPECT_THAT(wrong(), HasSubstr("no call removes it"));
}

TEST_F(OthersTest, WhatIsNewerThanAnUnlinkIsNotDeletedForIt) {
  open_theirs();
  call(Unlink{kRoot, "f"});
  pass(std::chrono::seconds(1));
  they_write("f", kLater);
  remove("f");
  EXPECT_THAT(wrong(), HasSubstr("no call removes it"));
}

TEST_F(OthersTest, ACallThatWasCutOffIsFinishedByTheNextMount) {
  open_theirs();
  ask(Unlink{kRoot, "f"});
  checker_.remounted({});
  pass(std::chrono::hours(1));
  remove("f");
}

TEST_F(OthersTest, WhatIsNewerThanACallThatWasCutOffMayBeDeletedRightAfterTheLook) {
  open_theirs();
  ask(Unlink{kRoot, "f"});
  checker_.remounted({});
  pass(std::chrono::hours(1));
  they_write("f", kLater);
  pass(std::chrono::seconds(1));
  remove("f");
}

TEST_F(OthersTest, WhatIsNewerThanACallThatWasCutOffIsNotDeletedLaterForIt) {
  open_theirs();
  ask(Unlink{kRoot, "f"});
  checker_.remounted({});
  pass(std::chrono::seconds(1));
  they_write("f", kLater);
  pass(std::chrono::hours(1));
  remove("f");
  EXPECT_THAT(wrong(), HasSubstr("no call removes it"));
}

TEST_F(OthersTest, ARenameThatWasInterruptedMayDeleteRightAfterTheLookWhatIsNewer) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  call_error(Rename{kRoot, "d", kRoot, "e"}, EINTR);
  they_write("d/f", kLater);
  pass(std::chrono::seconds(1));
  remove("d/f");
}

TEST_F(OthersTest, ARenameOfADirectoryDeletesWhatItCopied) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  const auto rename = ask(Rename{kRoot, "d", kRoot, "e"});
  tell("d/f", kTheirs);
  copy("e/f", kTheirs);
  remove("d/f");
  answer(rename, 0);
}

TEST_F(OthersTest, ARenameOfADirectoryDeletesNothingThatItSawAndDidNotCopy) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  const auto rename = ask(Rename{kRoot, "d", kRoot, "e"});
  copy("e/f", kTheirs);
  they_write("d/f", kLater);
  tell("d/f", kLater);
  remove("d/f");
  EXPECT_THAT(wrong(), HasSubstr("no call removes it"));
  answer(rename, 0);
}

// ---- flush ----

TEST_F(OthersTest, AFlushSucceedsWhenTheBucketHadWhatWasWritten) {
  create("f", kFile);
  write(kFile, ours());
  const auto flush = ask(Flush{kFile, 1});
  put("f", ours());
  they_write("f", kLater);
  answer(flush, 0);
}

TEST_F(OthersTest, AFlushSucceedsWhateverIsChangedAfterItWasStored) {
  create("f", kFile);
  write(kFile, ours());
  const auto flush = ask(Flush{kFile, 1});
  put("f", ours());
  they_write("f", kLater);
  ask(SetAttributes{.number = kFile, .size = 2});
  answer(flush, 0);
}

TEST_F(OthersTest, AFlushSucceedsUnderEitherNameWhileItsDirectoryIsRenamed) {
  look_up_directory("d", kDirectory);
  call(Create{.parent = kDirectory, .name = "f", .flags = O_CREAT | O_RDWR},
       OpenedFile{.entry = shown(kFile, 0), .handle = 1});
  write(kFile, ours());
  const auto rename = ask(Rename{kRoot, "d", kRoot, "e"});
  const auto flush = ask(Flush{kFile, 1});
  put("e/f", ours());
  answer(flush, 0);
  answer(rename, 0);
}

TEST_F(OthersTest, AFlushDoesNotSucceedUnderAnotherNameWhileAnotherDirectoryIsRenamed) {
  create("f", kFile);
  look_up_directory("d", kDirectory);
  write(kFile, ours());
  ask(Rename{kRoot, "d", kRoot, "e"});
  const auto flush = ask(Flush{kFile, 1});
  put("e/f", ours());
  answer(flush, 0);
  EXPECT_THAT(wrong(), HasSubstr("never had what was written"));
}

TEST_F(OthersTest, AFlushSucceedsWhenARenameStoredTheFileUnderAnEarlierName) {
  look_up_directory("d", kDirectory);
  create("f", kFile);
  write(kFile, ours());
  const auto first = ask(Rename{kRoot, "f", kDirectory, "f"});
  put("f", ours());
  answer(first, 0);
  pass(std::chrono::seconds(1));
  they_write("d/f", kLater);
  call(Rename{kRoot, "d", kRoot, "e"});
  call(Flush{kFile, 1});
}

TEST_F(OthersTest, AFlushDoesNotSucceedWhenTheBucketNeverHadIt) {
  create("f", kFile);
  write(kFile, ours());
  they_write("f", kLater);
  call(Flush{kFile, 1});
  EXPECT_THAT(wrong(), HasSubstr("never had what was written"));
}

TEST_F(OthersTest, AfterAConflictTheHandleIsEndedAndItsBytesAreKept) {
  open_theirs();
  write(kFile, ours());
  they_write("f", kLater);
  call_error(Flush{kFile, 1}, ESTALE);
  call_error(Write{kFile, 1, 0, "more"}, ESTALE);
  call_error(Read{kFile, 1, 0, 4}, ESTALE);
  checker_.resumed();
  call_error(Sync{kFile, 1}, ESTALE);
  note(checker_.settled({}, {fake::Content(ours())}));
}

TEST_F(OthersTest, BytesThatWereStoredUnderAnEarlierNameNeedNotBeKept) {
  create("f", kFile);
  write(kFile, ours());
  const auto rename = ask(Rename{kRoot, "f", kRoot, "h"});
  put("f", ours());
  they_write("f", kLater);
  answer(rename, 0);
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {}));
}

TEST_F(OthersTest, BytesThatWereStoredBeforeACutNeedNotBeKept) {
  open_theirs();
  write(kFile, ours());
  put("f", ours());
  they_write("f", kLater);
  pass(std::chrono::seconds(1));
  call_error(SetAttributes{.number = kFile, .handle = 1, .permissions = {}, .size = 20, .modified = {}}, ESTALE);
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {}));
}

TEST_F(OthersTest, BytesThatWereStoredBeforeOthersChangedTheFileNeedNotBeKept) {
  open_theirs();
  write(kFile, ours());
  put("f", ours());
  call(Flush{kFile, 1});
  they_write("f", kLater);
  write(kFile, "more");
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {fake::Content("more")}));
}

TEST_F(OthersTest, BytesThatARenameStoredNeedNotBeKeptWhenALaterWriteIsRefused) {
  open_theirs();
  write(kFile, ours());
  const auto rename = ask(Rename{kRoot, "f", kRoot, "g"});
  put("f", ours());
  copy("g", ours());
  remove("f");
  answer(rename, 0);
  they_write("g", kLater);
  pass(std::chrono::seconds(1));
  call_error(Write{kFile, 1, 50, "more"}, ESTALE);
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {}));
}

TEST_F(OthersTest, BytesThatWereWrittenSinceARenameStoredTheFileAreKept) {
  open_theirs();
  write(kFile, ours());
  const auto rename = ask(Rename{kRoot, "f", kRoot, "g"});
  put("f", ours());
  copy("g", ours());
  remove("f");
  answer(rename, 0);
  they_write("g", kLater);
  write(kFile, "more", 50);
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {fake::Content(ours())}));
  EXPECT_THAT(wrong(), HasSubstr("is not kept"));
}

TEST_F(OthersTest, BytesOfAConflictThatAreNotKeptAreWrong) {
  open_theirs();
  write(kFile, ours());
  they_write("f", kLater);
  call_error(Flush{kFile, 1}, ESTALE);
  note(checker_.settled({}, {fake::Content(kTheirs)}));
  EXPECT_THAT(wrong(), HasSubstr("is not kept"));
}

TEST_F(OthersTest, AfterAConflictNothingIsWrittenReadOrStored) {
  open_theirs();
  write(kFile, ours());
  they_write("f", kLater);
  call_error(Flush{kFile, 1}, ESTALE);
  write(kFile, "more");
  EXPECT_THAT(wrong(), HasSubstr("was written to by a handle that a conflict has ended"));
  reads(kFile, "more");
  EXPECT_THAT(wrong(), HasSubstr("was read by a handle that a conflict has ended"));
  checker_.resumed();
  call(Flush{kFile, 1});
  EXPECT_THAT(wrong(), HasSubstr("was stored by a handle that a conflict has ended"));
}

// ---- numbers, and what is shown ----

TEST_F(OthersTest, ANumberHasAnotherNameAfterARenameAlone) {
  open_theirs();
  call(Rename{kRoot, "f", kRoot, "g"});
  look_up("g", kFile, kTheirs.size());
  EXPECT_EQ(wrong(), "");
  they_write("h", kTheirs);
  look_up("h", kFile, kTheirs.size());
  EXPECT_THAT(wrong(), HasSubstr("to which nothing was renamed"));
}

TEST_F(OthersTest, ANumberHasOneTypeWhateverOthersDo) {
  call(MakeSymlink{kRoot, "l", "to"}, shown(kFile, 2, vfs::FileType::symlink));
  they_write("l", kTheirs);
  look_up("l", kOther, kTheirs.size());
  call(GetAttributes{kFile}, shown(kFile, 2, vfs::FileType::symlink));
  EXPECT_EQ(wrong(), "");
  look_up("l", kFile, kTheirs.size());
  EXPECT_THAT(wrong(), HasSubstr("was of type"));
  call(GetAttributes{kFile}, shown(kFile, kTheirs.size()));
  EXPECT_THAT(wrong(), HasSubstr("was of type"));
  call(ReadDirectory{kRoot, 0, 10}, Listed{{{"l", kFile, vfs::FileType::regular, 3, {}}}});
  EXPECT_THAT(wrong(), HasSubstr("was of type"));
}

TEST_F(OthersTest, WhatIsShownWasInTheBucketWithinTheMetadataTime) {
  they_write("f", kTheirs);
  pass(2 * kTtl);
  they_write("f", kLater);
  pass(kTtl / 2);
  look_up("f", kFile, kTheirs.size());
  pass(kTtl);
  look_up("f", kFile, kLater.size());
  EXPECT_EQ(wrong(), "");
  look_up("f", kFile, kTheirs.size());
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

// They have a file, and change its attributes.
class AttributesOfOthersTest : public OthersTest {
 protected:
  static constexpr std::uint32_t kBefore = 0640, kAfter = 0600;

  void stores(Actor::Kind who, std::uint32_t permissions, std::chrono::seconds modified, std::chrono::seconds stored,
              const std::string& key = "f") {
    Effect effect;
    effect.when = now_;
    effect.who.kind = who;
    effect.operation = Operation::copy;
    effect.key = key;
    effect.after.emplace();
    effect.after->content = fake::Content(kTheirs);
    effect.after->info.etag.text = "etag of " + kTheirs;
    effect.after->info.last_modified = WallTime(stored);
    effect.after->info.headers.metadata = {{"mode", fmt::to_string(S_IFREG | permissions)},
                                           {"mtime", fmt::to_string(modified.count())}};
    note(checker_.changed(effect));
  }
  void they_change(std::uint32_t permissions, std::chrono::seconds modified, std::chrono::seconds stored) {
    stores(Actor::Kind::other, kBefore, 1s, 5s);
    pass(2 * kTtl);
    stores(Actor::Kind::other, permissions, modified, stored);
  }
  void is_renamed() {
    const auto renaming = ask(Rename{kRoot, "f", kRoot, "g"});
    stores(Actor::Kind::mount, kAfter, 1s, 9s, "g");
    answer(renaming, 0);
    pass(2 * kTtl);
  }
  void is_shown(std::uint32_t permissions, std::chrono::seconds modified, const std::string& name = "f") {
    ShownEntry entry = shown(kFile, kTheirs.size());
    entry.permissions = permissions;
    entry.modified = WallTime(modified);
    call(Lookup{kRoot, name}, entry);
  }
};

TEST_F(AttributesOfOthersTest, AreShownOnceTheMetadataTimeIsOver) {
  they_change(kAfter, 1s, 6s);
  is_shown(kBefore, 1s);
  pass(2 * kTtl);
  is_shown(kAfter, 1s);
  EXPECT_EQ(wrong(), "");
  is_shown(kBefore, 1s);
  EXPECT_THAT(wrong(), HasSubstr("which it has not had within the metadata time"));
}

TEST_F(AttributesOfOthersTest, AreShownWithTheTimeThatTheySet) {
  they_change(kBefore, 2s, 6s);
  pass(2 * kTtl);
  is_shown(kBefore, 2s);
  EXPECT_EQ(wrong(), "");
  is_shown(kBefore, 1s);
  EXPECT_THAT(wrong(), HasSubstr("which it has not had within the metadata time"));
}

TEST_F(AttributesOfOthersTest, AreThoseOfOneVersion) {
  they_change(kAfter, 2s, 6s);
  is_shown(kAfter, 1s);
  EXPECT_THAT(wrong(), HasSubstr("which it has not had within the metadata time"));
}

TEST_F(AttributesOfOthersTest, MayStayUnseenWhereTheyWereSetInTheSecondInWhichTheContentWasStored) {
  they_change(kAfter, 1s, 5s);
  pass(2 * kTtl);
  is_shown(kBefore, 1s);
}

TEST_F(AttributesOfOthersTest, MayStayUnseenWhereARenameTookThemAlong) {
  stores(Actor::Kind::mount, kBefore, 1s, 5s);
  stores(Actor::Kind::other, kAfter, 1s, 5s);
  is_renamed();
  is_shown(kBefore, 1s, "g");
}

TEST_F(AttributesOfOthersTest, AreShownWhereARenameTookAlongWhatWasNeverStoredHere) {
  stores(Actor::Kind::other, kBefore, 1s, 5s);
  stores(Actor::Kind::other, kAfter, 1s, 5s);
  is_renamed();
  is_shown(kBefore, 1s, "g");
  EXPECT_THAT(wrong(), HasSubstr("which it has not had within the metadata time"));
}

TEST_F(AttributesOfOthersTest, MayStayUnseenWhereTheyWereSetInTheSecondsOfAStoreHere) {
  stores(Actor::Kind::mount, kBefore, 1s, 5s);
  stores(Actor::Kind::other, kAfter, 1s, 7s);
  pass(2 * kTtl);
  is_shown(kBefore, 1s);
  EXPECT_EQ(wrong(), "");
  stores(Actor::Kind::other, kAfter, 1s, 8s);
  pass(2 * kTtl);
  is_shown(kBefore, 1s);
  EXPECT_THAT(wrong(), HasSubstr("which it has not had within the metadata time"));
}

TEST_F(OthersTest, WhatHasBeenThereForTheMetadataTimeIsFound) {
  they_write("d/f", kTheirs);
  call_error(Lookup{kRoot, "d"}, ENOENT);
  pass(2 * kTtl);
  EXPECT_EQ(wrong(), "");
  around_ = Around{.store = true};
  call_error(Lookup{kRoot, "d"}, ENOENT);
  EXPECT_EQ(wrong(), "");
  around_ = Around::calm;
  call_error(Lookup{kRoot, "d"}, ENOENT);
  EXPECT_THAT(wrong(), HasSubstr("was not found"));
}

TEST_F(OthersTest, ARenameThatWasCutOffHidesNamesUntilAMountEndsInOrder) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  ask(Rename{kRoot, "d", kRoot, "e"});
  checker_.remounted({});
  pass(2 * kTtl);
  call_error(Lookup{kRoot, "d"}, ENOENT);
  EXPECT_EQ(wrong(), "");
  checker_.unmounted(Around::calm, {});
  pass(2 * kTtl);
  call_error(Lookup{kRoot, "d"}, ENOENT);
  EXPECT_THAT(wrong(), HasSubstr("was not found"));
}

TEST_F(OthersTest, ARenameThatWasInterruptedHidesNamesInTheNextMountToo) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  call_error(Rename{kRoot, "d", kRoot, "e"}, EINTR);
  pass(2 * kTtl);
  checker_.remounted({});
  call_error(Lookup{kRoot, "d"}, ENOENT);
}

TEST_F(OthersTest, ARenameThatFailedOtherwiseHidesNoNamesInTheNextMount) {
  they_write("d/f", kTheirs);
  look_up_directory("d", kDirectory);
  call_error(Rename{kRoot, "d", kRoot, "e"}, EIO);
  pass(2 * kTtl);
  checker_.remounted({});
  call_error(Lookup{kRoot, "d"}, ENOENT);
  EXPECT_THAT(wrong(), HasSubstr("was not found"));
}

TEST_F(OthersTest, ARemovalThatTheStoreRefusedHidesNoNames) {
  they_write("f", kTheirs);
  look_up("f", kFile, kTheirs.size());
  call_error(Unlink{kRoot, "f"}, EACCES);
  pass(2 * kTtl);
  call_error(Lookup{kRoot, "f"}, ENOENT);
  EXPECT_THAT(wrong(), HasSubstr("was not found"));
}

TEST_F(OthersTest, ARemovalThatFailedInTroubleIsKnownOnceItsNameIsShownInCalm) {
  they_write("f", kTheirs);
  look_up("f", kFile, kTheirs.size());
  around_ = Around{.store = true};
  call_error(Unlink{kRoot, "f"}, EIO);
  around_ = Around::calm;
  pass(2 * kTtl);
  call_error(Lookup{kRoot, "f"}, ENOENT);
  EXPECT_EQ(wrong(), "");
  pass(std::chrono::seconds(1));
  look_up("f", kFile, kTheirs.size());
  pass(2 * kTtl);
  call_error(Lookup{kRoot, "f"}, ENOENT);
  EXPECT_THAT(wrong(), HasSubstr("was not found"));
}

TEST_F(OthersTest, AFileThatWasWrittenHereIsHeldToTheMetadataTimeOnceItIsStored) {
  create("f", kFile);
  write(kFile, "ours");
  pass(2 * kTtl);
  look_up("f", kFile, 4);
  put("f", "ours");
  call(Flush{kFile, 1});
  they_write("f", kTheirs);
  pass(kTtl / 2);
  look_up("f", kFile, 4);
  EXPECT_EQ(wrong(), "");
  pass(kTtl);
  look_up("f", kFile, 4);
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
  write(kFile, "more", 4);
  look_up("f", kFile, 8);
}

TEST_F(OthersTest, WhatIsKnownOfAFileIsShownWhileItIsStored) {
  create("f", kFile);
  write(kFile, "ours");
  put("f", "ours");
  call(Flush{kFile, 1});
  they_write("f", kTheirs);
  pass(2 * kTtl);
  const auto flush = ask(Flush{kFile, 1});
  look_up("f", kFile, 4);
  const auto lookup = ask(Lookup{kRoot, "f"});
  answer(flush, 0);
  answer(lookup, 0, shown(kFile, 4));
  EXPECT_EQ(wrong(), "");
  look_up("f", kFile, 4);
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

TEST_F(OthersTest, TheKernelIsNotToldToTrustASizeForLonger) {
  they_write("f", kTheirs);
  pass(2 * kTtl);
  they_write("f", kLater);
  pass(kTtl / 2);
  ShownEntry entry = shown(kFile, kTheirs.size());
  entry.attributes_ttl = kTtl / 2;
  call(Lookup{kRoot, "f"}, entry);
  EXPECT_EQ(wrong(), "");
  entry.attributes_ttl = kTtl;
  call(Lookup{kRoot, "f"}, entry);
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

TEST_F(OthersTest, TheKernelIsNotToldToTrustANameForLonger) {
  they_write("f", kTheirs);
  pass(2 * kTtl);
  they_delete("f");
  pass(kTtl / 2);
  ShownEntry entry = shown(kFile, kTheirs.size());
  entry.name_ttl = kTtl / 2;
  call(Lookup{kRoot, "f"}, entry);
  EXPECT_EQ(wrong(), "");
  entry.name_ttl = kTtl;
  call(Lookup{kRoot, "f"}, entry);
  EXPECT_THAT(wrong(), HasSubstr("was not there within the metadata time"));
}

TEST_F(OthersTest, ANameMayBeTrustedForLongerThanItsSize) {
  they_write("f", kTheirs);
  pass(2 * kTtl);
  they_write("f", kLater);
  pass(kTtl / 2);
  ShownEntry entry = shown(kFile, kTheirs.size());
  entry.name_ttl = kTtl;
  call(Lookup{kRoot, "f"}, entry);
}

TEST_F(OthersTest, WhileAttributesAreBeingSetTheSizeIsNotTrustedAndMayBeOlder) {
  they_write("f", kTheirs);
  look_up("f", kFile, kTheirs.size());
  const auto set = ask(SetAttributes{.number = kFile, .handle = {}, .permissions = 0600, .size = {}, .modified = {}});
  they_write("f", kLater);
  pass(2 * kTtl);
  look_up("f", kFile, kTheirs.size());
  const auto lookup = ask(Lookup{kRoot, "f"});
  answer(set, EIO);
  answer(lookup, 0, shown(kFile, kTheirs.size()));
  EXPECT_EQ(wrong(), "");
  look_up("f", kFile, kTheirs.size());
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

TEST_F(OthersTest, WhileAttributesAreBeingSetAFileMayBeShownThatOthersRemoved) {
  they_write("f", kTheirs);
  look_up("f", kFile, kTheirs.size());
  const auto set = ask(SetAttributes{.number = kFile, .handle = {}, .permissions = 0600, .size = {}, .modified = {}});
  they_delete("f");
  pass(2 * kTtl);
  look_up("f", kFile, kTheirs.size());
  EXPECT_EQ(wrong(), "");
  ShownEntry trusted = shown(kFile, kTheirs.size());
  trusted.name_ttl = std::chrono::seconds(1);
  call(Lookup{kRoot, "f"}, trusted);
  EXPECT_THAT(wrong(), HasSubstr("was not there within the metadata time"));
  answer(set, EIO);
  look_up("f", kFile, kTheirs.size());
  EXPECT_THAT(wrong(), HasSubstr("was not there within the metadata time"));
}

TEST_F(OthersTest, AFileThatIsBeingMadeIsShownEmpty) {
  they_write("f", kTheirs);
  they_delete("f");
  ask(Create{.parent = kRoot, .name = "f", .flags = O_CREAT | O_RDWR});
  look_up("f", kFile, 0);
  EXPECT_EQ(wrong(), "");
  they_write("f", kTheirs);
  look_up("f", kFile, 0);
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

TEST_F(OthersTest, WhileAttributesAreBeingSetAnOlderSizeIsNotTrusted) {
  they_write("f", kTheirs);
  look_up("f", kFile, kTheirs.size());
  ask(SetAttributes{.number = kFile, .handle = {}, .permissions = 0600, .size = {}, .modified = {}});
  they_write("f", kLater);
  pass(2 * kTtl);
  ShownEntry entry = shown(kFile, kTheirs.size());
  entry.attributes_ttl = std::chrono::seconds(1);
  call(Lookup{kRoot, "f"}, entry);
  EXPECT_THAT(wrong(), HasSubstr("not had within the metadata time"));
}

}  // namespace
}  // namespace pail::simulation::others
