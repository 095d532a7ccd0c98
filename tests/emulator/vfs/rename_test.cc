// Renames that fail in the middle, that a kill cuts short, that others write into, and that meet each other.
#include <fcntl.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <future>
#include <map>
#include <random>
#include <set>
#include <thread>

#include "pailfs/base/stop.h"
#include "vfs_fixture.h"

namespace pail::vfs {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class RenameTest : public VfsTest {
 protected:
  void TearDown() override {
    if (server_) server_->clear_faults();
    VfsTest::TearDown();
  }

  void refuse(const char* operation, const std::string& key_prefix = {}) {
    server_->add_fault({.operations = {operation}, .key_prefix = key_prefix, .status = 403, .code = "AccessDenied"});
  }
  // Requests of this kind are busy until the faults are cleared.
  void hold(const char* operation, const std::string& key_prefix = {}) {
    server_->add_fault({.operations = {operation}, .key_prefix = key_prefix});
  }
  void await_requests(const char* operation, std::uint64_t count) {
    for (int i = 0; i < 60'000 && requests(operation) < count; ++i) std::this_thread::sleep_for(1ms);
    ASSERT_GE(requests(operation), count) << operation;
  }

  std::size_t entries(const char* folder) {
    std::error_code none;
    const std::filesystem::directory_iterator first(options_.cache_directory / folder, none), end;
    return none ? 0 : static_cast<std::size_t>(std::distance(first, end));
  }

  // Files below a directory as the mount shows them: path and content.
  std::map<std::string, std::string> shown(const std::string& path = {}) {
    std::map<std::string, std::string> files;
    for (const std::string& name : names(path)) {
      const std::string below = path.empty() ? name : path + "/" + name;
      if (attributes(below).type != FileType::directory) {
        files[below] = read(below);
      } else {
        files.merge(shown(below));
      }
    }
    return files;
  }
  // The same of the bucket itself: objects that are no markers.
  std::map<std::string, std::string> stored() {
    std::map<std::string, std::string> objects;
    for (const std::string& key : keys())
      if (!key.ends_with('/')) objects[key] = object(key);
    return objects;
  }
  // What is known here, what a mount that knows nothing sees, and what is in the bucket are one tree.
  void expect_tree(const std::map<std::string, std::string>& files) {
    EXPECT_EQ(shown(), files);
    EXPECT_EQ(stored(), files);
    start_cold();
    EXPECT_EQ(shown(), files);
  }

  struct Ends {
    InodeNumber parent;
    std::string name;
    InodeNumber new_parent;
    std::string new_name;
  };
  Ends ends(std::string_view from, std::string_view to) {
    auto [parent, name] = parent_of(from);
    auto [new_parent, new_name] = parent_of(to);
    return {parent, name, new_parent, new_name};
  }
  // The second begins when the first has asked `operation`, which is held, `count` times; then both may go on.
  std::pair<int, int> rename_both(const Ends& one, const char* operation, std::uint64_t count, const Ends& other) {
    auto first = rename_meanwhile(one);
    await_requests(operation, count);
    auto second = rename_meanwhile(other);
    second.wait_for(200ms);  // it would be through by then
    server_->clear_faults();
    const int answer = first.get();
    return {answer, second.get()};
  }
  std::future<int> rename_meanwhile(const Ends& ends) {
    return std::async(std::launch::async, [this, ends, asked = request()] {
      return errnum_of(fs_->rename(asked, ends.parent, ends.name, ends.new_parent, ends.new_name, RenameMode::replace));
    });
  }
};

// ---- files ----------------------------------------------------------------------------------------------------------

TEST_F(RenameTest, AFileThatOthersReplacedIsRenamedAsItIsNow) {
  put("a", "old");
  put("open", "old, and open");
  start_cold();
  ASSERT_EQ(read("a"), "old");
  open("open", O_RDONLY);
  put("a", "newer");
  put("open", "newer, too");
  EXPECT_EQ(rename("a", "b"), 0);
  EXPECT_EQ(rename("open", "c"), 0);
  expect_tree({{"b", "newer"}, {"c", "newer, too"}});
}

TEST_F(RenameTest, AFileWhoseCopyIsAlwaysRefusedWithoutCauseStaysAndIsNotStale) {
  put("a", "content");
  server_->add_fault({.operations = {"CopyObject"}, .status = 412, .code = "PreconditionFailed"});
  EXPECT_EQ(rename("a", "b"), EIO);
  EXPECT_LT(requests("CopyObject"), 10u);
  server_->clear_faults();
  expect_tree({{"a", "content"}});
}

// `target` is written to while the rename onto it waits for its source, which is being stored.
class RenameOntoAWrittenFileTest : public RenameTest {
 protected:
  void SetUp() override {
    RenameTest::SetUp();
    const auto [number, handle] = create("source");
    ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("new")));
    ASSERT_EQ(write("target", "base"), 0);
    target_ = open("target", O_RDWR);
    hold("PutObject", "source");
    storing_ = std::async(std::launch::async, [this, number = number, handle = handle] {
      return errnum_of(fs_->flush(request(), number, handle));
    });
    await_requests("PutObject", 3);
  }
  int rename_while_it_is_written(const StopToken& stop = {}) {
    Request asked = request();
    asked.stop = stop;
    auto renaming = std::async(std::launch::async, [this, asked] {
      return errnum_of(fs_->rename(asked, kRootInode, "source", kRootInode, "target", RenameMode::replace));
    });
    std::this_thread::sleep_for(200ms);  // it has looked both up, and waits
    EXPECT_TRUE(fs_->write(request(), target_.number, target_.handle, {0}, bytes("OURS and more")));
    server_->clear_faults();
    if (refused_) refuse(refused_);
    EXPECT_EQ(storing_.get(), 0);
    const int outcome = renaming.get();
    server_->clear_faults();
    return outcome;
  }

  Handle target_;
  std::future<int> storing_;
  const char* refused_ = nullptr;
};

TEST_F(RenameOntoAWrittenFileTest, WhatWasWrittenIsStoredWhenItFails) {
  refused_ = "CopyObject";
  EXPECT_EQ(rename_while_it_is_written(), EACCES);
  EXPECT_TRUE(fs_->flush(request(), target_.number, target_.handle));
  EXPECT_EQ(object("target"), "OURS and more");
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(RenameOntoAWrittenFileTest, WhatWasWrittenStaysReadableWhenItSucceeds) {
  EXPECT_EQ(rename_while_it_is_written(), 0);
  int errnum = 0;
  EXPECT_EQ(read_open(target_.number, target_.handle, 13, &errnum), "OURS and more");
  EXPECT_EQ(errnum, 0);
  EXPECT_EQ(object("target"), "new");
}

TEST_F(RenameTest, AFileThatIsStoredWhileItIsReplacedStaysReadable) {
  put("source", "new");
  ASSERT_NE(look("source"), 0u);
  const auto [number, handle] = create("target");
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("content")));
  const auto reader = open("target", O_RDONLY);
  hold("PutObject");
  auto storing = std::async(std::launch::async, [this, number = number, handle = handle] {
    return errnum_of(fs_->flush(request(), number, handle));
  });
  await_requests("PutObject", 1);
  auto renaming = rename_meanwhile(ends("source", "target"));
  std::this_thread::sleep_for(200ms);
  server_->clear_faults();
  EXPECT_EQ(storing.get(), 0);
  EXPECT_EQ(renaming.get(), 0);
  std::filesystem::remove_all(options_.cache_directory / "blocks");  // what the cache has is chance
  resume();
  int errnum = 0;
  EXPECT_EQ(read_open(reader.number, reader.handle, 7, &errnum), "content");
  EXPECT_EQ(errnum, 0);
}

TEST_F(RenameTest, AFileThatIsRenamedTwiceDuringAReadStaysReadable) {
  const std::string content = ramp(1000);
  put("f", content);
  const auto file = open("f", O_RDONLY);
  hold("GetObject", "f");
  hold("GetObject", "g");
  int errnum = 0;
  auto reading =
      std::async(std::launch::async, [&] { return read_open(file.number, file.handle, content.size(), &errnum); });
  await_requests("GetObject", 1);
  EXPECT_EQ(rename("f", "g"), 0);
  server_->clear_faults();
  hold("GetObject", "g");
  const auto before = requests("GetObject");
  await_requests("GetObject", before + 2);  // f is gone, g is busy
  EXPECT_EQ(rename("g", "h"), 0);
  server_->clear_faults();
  EXPECT_TRUE(reading.get() == content);
  EXPECT_EQ(errnum, 0);
}

TEST_F(RenameTest, AfterACopyThatWasMadeAlthoughItFailedTheNewNameIsAskedAnew) {
  put("old", "content");
  put("replaced", "older content");
  ASSERT_NE(look("old"), 0u);
  ASSERT_EQ(look("new"), 0u);
  ASSERT_EQ(read("replaced"), "older content");
  server_->add_fault({.operations = {"CopyObject"},
                      .time = emulator::FaultTime::after,
                      .times = 2,
                      .status = 403,
                      .code = "AccessDenied"});
  EXPECT_EQ(rename("old", "new"), EACCES);
  EXPECT_EQ(rename("old", "replaced"), EACCES);
  EXPECT_EQ(read("new"), "content");
  EXPECT_EQ(write("replaced", "mine"), 0);
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(RenameTest, ADirectoryStaysWhenTheLastOfItIsRenamedOutOfIt) {
  put("p/f", "x");
  put("q/d/f", "y");
  EXPECT_EQ(rename("p/f", "f"), 0);
  EXPECT_EQ(rename("q/d", "d"), 0);
  EXPECT_THAT(keys(), UnorderedElementsAre("p/", "q/", "f", "d/f"));
}

TEST_F(RenameTest, WhatIsWrittenToAnOpenFileIsInTheBucketWhenItWasRenamed) {
  put("f", "base");
  const auto [number, handle] = open("f", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("OURS and more")));
  EXPECT_EQ(rename("f", "g"), 0);
  EXPECT_EQ(object("g"), "OURS and more");
}

TEST_F(RenameTest, AfterARenameOfADirectoryThatFailedTheNewNameIsAskedAnew) {
  put("src/1", "one");
  put("src/2", "two");
  look("src/1");
  ASSERT_EQ(look("dst"), 0u);
  server_->add_fault({.operations = {"CopyObject"},
                      .key_prefix = "dst/2",
                      .time = emulator::FaultTime::after,
                      .status = 403,
                      .code = "AccessDenied"});
  EXPECT_EQ(rename("src", "dst"), EACCES);
  EXPECT_THAT(names("dst"), ElementsAre("2"));  // made, although the store said that it was not
}

TEST_F(RenameTest, AnOldObjectThatCannotBeDeletedIsNoMissingFile) {
  put("f", "content");
  server_->add_fault({.operations = {"DeleteObject"}, .status = 404, .code = "NoSuchBucket"});
  const int refused = rename("f", "g");
  EXPECT_THAT(refused, testing::AnyOf(EIO, ENODEV));
  EXPECT_EQ(read("g"), "content");
}

TEST_F(RenameTest, AFailedRenameOverAnOpenFileLeavesNoCopyOfItToBeStored) {
  put("old", "old content");
  put("new", "new content");
  const auto [number, handle] = open("old", O_RDONLY);
  refuse("CopyObject");
  EXPECT_EQ(rename("new", "old"), EACCES);
  server_->clear_faults();
  put("old", "somebody's newer bytes");
  const auto stored_before = requests("PutObject");
  EXPECT_TRUE(fs_->sync_all());
  EXPECT_EQ(requests("PutObject"), stored_before);
  opens_->remove(number);
  fs_->release(request(), number, handle);
  start();
  EXPECT_THAT(kept(), IsEmpty());
  EXPECT_EQ(object("old"), "somebody's newer bytes");
}

TEST_F(RenameTest, AFileWhoseOldObjectCannotBeDeletedIsShownUnderBothNames) {
  put("old", "content");
  put("new", "replaced");
  refuse("DeleteObject", "old");
  EXPECT_EQ(rename("old", "new"), EACCES);
  EXPECT_EQ(read("new"), "content");
  EXPECT_EQ(read("old"), "content");
  expect_tree({{"old", "content"}, {"new", "content"}});
}

// ---- markers --------------------------------------------------------------------------------------------------------

TEST_F(RenameTest, ADirectoryWhoseFolderMarkerWouldBeTooLongANameIsRenamedAndRemoved) {
  const std::string name(250, 'n'), other(251, 'o');
  for (const std::string& refused : {name, other})
    server_->add_fault({.operations = {"DeleteObject"},
                        .key_prefix = refused + "_$folder$",
                        .status = 400,
                        .code = "KeyTooLongError"});
  ASSERT_EQ(mkdir(name), 0);
  EXPECT_EQ(rename(name, other), 0);
  EXPECT_THAT(keys(), ElementsAre(other + "/"));
  EXPECT_EQ(rmdir(other), 0);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RenameTest, ADirectoryWhoseFolderMarkerWouldBeTooLongAKeyIsRenamedAndRemoved) {
  std::string path;
  for (const std::size_t length : {200, 200, 200, 200}) {
    path += std::string(length, 'd');
    ASSERT_EQ(mkdir(path), 0);
    path += '/';
  }
  const std::string name(1024 - 1 - path.size() - 4, 'n');  // room for '/', none for a longer suffix
  ASSERT_EQ(mkdir(path + name), 0);
  EXPECT_EQ(rename(path + name, path + "other"), 0);
  EXPECT_EQ(rename(path + "other", path + name), 0);
  EXPECT_EQ(rmdir(path + name), 0);
}

TEST_F(RenameTest, AFolderMarkerThatCannotBeDeletedKeepsItsDirectory) {
  put("dir_$folder$", "");
  put("dir/", "");
  refuse("DeleteObject", "dir_$folder$");
  EXPECT_EQ(rmdir("dir"), EACCES);
  EXPECT_NE(look("dir"), 0u);
  server_->clear_faults();
  EXPECT_EQ(rmdir("dir"), 0);
  EXPECT_THAT(keys(), IsEmpty());
}

TEST_F(RenameTest, AMarkerObjectStaysUntilTheDirectoryIsCopied) {
  put("dir_$folder$", "");
  put("dir/file", "x");
  EXPECT_THAT(names(""), ElementsAre("dir"));
  refuse("CopyObject");
  EXPECT_EQ(rename("dir", "moved"), EACCES);
  EXPECT_THAT(keys(), Contains("dir_$folder$"));
  server_->clear_faults();
  EXPECT_EQ(read("dir/file"), "x");
}

// Stores over a local file system keep the time of a directory that is made again.
TEST_F(RenameTest, RenamingOverAnOlderEmptyDirectoryLeavesNothingUnderTheOldName) {
  ASSERT_EQ(mkdir("dst"), 0);
  ASSERT_EQ(mkdir("src"), 0);
  ASSERT_EQ(mkdir("src/sub"), 0);
  put("src/file", "x");
  server_->advance_clock(-10min);  // the copies look older than what they were made of
  EXPECT_EQ(rename("src", "dst"), 0);
  EXPECT_THAT(keys(), UnorderedElementsAre("dst/", "dst/file", "dst/sub/"));
  EXPECT_EQ(look("src"), 0u);
  EXPECT_EQ(mkdir("src"), 0);
}

TEST_F(RenameTest, ACopyThatFailsTakesTheOthersBack) {
  put("src/1", "one");
  put("src/2", "two");
  put("src/3", "three");
  ASSERT_EQ(mkdir("src"), EEXIST);
  ASSERT_TRUE(fs_->setattr(request(), look("src"), {.permissions = 0700}));
  ASSERT_EQ(mkdir("dst"), 0);
  hold("CopyObject", "dst/2");
  auto renamed = rename_meanwhile(ends("src", "dst"));
  await_requests("CopyObject", 4);
  put("dst/3", "somebody else's");
  server_->clear_faults();
  refuse("CopyObject", "dst/2");
  EXPECT_EQ(renamed.get(), EACCES);
  server_->clear_faults();
  expect_tree({{"src/1", "one"}, {"src/2", "two"}, {"src/3", "three"}, {"dst/3", "somebody else's"}});
  EXPECT_EQ(attributes("dst").permissions, 0755u);
}

TEST_F(RenameTest, ADirectoryWithoutMarkerDoesNotTakeThatOfTheOneItReplaces) {
  put("src/file", "x");
  ASSERT_EQ(mkdir("dst"), 0);
  ASSERT_TRUE(fs_->setattr(request(), look("dst"), {.permissions = 0700}));
  look("src/file");
  EXPECT_EQ(rename("src", "dst"), 0);
  EXPECT_EQ(attributes("dst").permissions, 0755u);
  start_cold();
  EXPECT_EQ(attributes("dst").permissions, 0755u);
}

TEST_F(RenameTest, OfADirectoryWithAFolderMarkerThatFailsLeavesNothingUnderTheNewName) {
  put("dir_$folder$", "");
  ASSERT_THAT(names(""), ElementsAre("dir"));
  ASSERT_EQ(write("dir/file", "x"), 0);
  ASSERT_EQ(write("dir/last", "y"), 0);
  refuse("CopyObject", "moved/last");
  EXPECT_EQ(rename("dir", "moved"), EACCES);
  server_->clear_faults();
  EXPECT_THAT(keys(), UnorderedElementsAre("dir_$folder$", "dir/file", "dir/last"));
  EXPECT_EQ(look("moved"), 0u);
  EXPECT_EQ(rename("dir", "moved"), 0);
  EXPECT_THAT(keys(), UnorderedElementsAre("moved/", "moved/file", "moved/last"));
}

TEST_F(RenameTest, AFileWithTheNameOfAFolderMarkerIsAFile) {
  ASSERT_EQ(mkdir("bar"), 0);
  for (const char* name : {"foo_$folder$", "bar_$folder$"}) ASSERT_EQ(write(name, "precious"), 0);
  start_cold();
  EXPECT_THAT(names(""), UnorderedElementsAre("bar", "foo_$folder$", "bar_$folder$"));
  EXPECT_EQ(read("foo_$folder$"), "precious");
  EXPECT_EQ(rename("bar", "baz"), 0);
  EXPECT_EQ(rmdir("baz"), 0);
  expect_tree({{"foo_$folder$", "precious"}, {"bar_$folder$", "precious"}});
}

// ---- open files follow ----------------------------------------------------------------------------------------------

TEST_F(RenameTest, AnUploadInPartsWhoseAnswerWasLostFollowsTheRenameOfItsDirectory) {
  options_.part_size = 5_MiB;
  start();
  ASSERT_EQ(mkdir("d"), 0);
  const std::string content = ramp(6'000'000);
  const auto [number, handle] = create("d/large");
  for (std::size_t at = 0; at < content.size(); at += 1'000'000)
    ASSERT_TRUE(fs_->write(request(), number, handle, {at}, bytes(content).subspan(at, 1'000'000)));
  server_->add_fault({.operations = {"CompleteMultipartUpload"},
                      .kind = emulator::FaultKind::proxy,
                      .time = emulator::FaultTime::after,
                      .times = 1,
                      .status = 403});
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), EACCES);
  EXPECT_THAT(keys(), UnorderedElementsAre("d/", "d/large"));
  EXPECT_EQ(rename("d", "e"), 0);
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), 0);
  EXPECT_TRUE(object("e/large") == content);
  EXPECT_THAT(kept(), IsEmpty());
}

TEST_F(RenameTest, UnfetchedBytesOfAFileThatIsBeingChangedAreReadWhileItsDirectoryIsRenamed) {
  const std::string content = ramp(3'000'000);
  put("d/f", content);
  const auto [number, handle] = open("d/f", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("OURS")));
  hold("GetObject");
  int errnum = 0;
  auto reading = std::async(std::launch::async, [&, number = number, handle = handle] {
    return read_open(number, handle, content.size(), &errnum);
  });
  await_requests("GetObject", 1);
  EXPECT_EQ(rename("d", "e"), 0);
  server_->clear_faults();
  EXPECT_TRUE(reading.get() == "OURS" + content.substr(4));
  EXPECT_EQ(errnum, 0);
}

TEST_F(RenameTest, OfADirectoryIsRefusedWhenAStagedFileInItWouldGetTooLongAKey) {
  const std::string deep(250, 'd');
  std::string path = "a";
  ASSERT_EQ(mkdir(path), 0);
  for (int i = 0; i < 3; ++i) ASSERT_EQ(mkdir(path += "/" + deep), 0);
  create(path + "/" + std::string(200, 'f'));
  EXPECT_EQ(rename("a", std::string(150, 'b')), ENAMETOOLONG);
  EXPECT_EQ(rename("a", "bb"), 0);
}

// ---- deletes that fail ----------------------------------------------------------------------------------------------

TEST_F(RenameTest, ARenameThatWasAnsweredWithAnErrorDeletesNothingLater) {
  put("src/1", "one");
  put("src/2", "two");
  refuse("DeleteObjects");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  server_->clear_faults();
  const auto everything = keys();
  start();
  EXPECT_EQ(keys(), everything);
  resume();
  EXPECT_EQ(keys(), everything);
  EXPECT_EQ(entries("renames"), 0u);
}

TEST_F(RenameTest, OldObjectsThatCouldNotBeDeletedAreShownUnderTheOldName) {
  put("src/1", "one");
  put("src/2", "two");
  const InodeNumber before = look("src/1");
  refuse("DeleteObjects");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  server_->clear_faults();
  EXPECT_EQ(look("src/1"), before);
  expect_tree({{"dst/1", "one"}, {"dst/2", "two"}, {"src/1", "one"}, {"src/2", "two"}});
}

TEST_F(RenameTest, WhatIsWrittenInADirectoryWhoseOldObjectsStayIsStoredUnderTheOldName) {
  put("src/1", "one");
  const auto [number, handle] = open("src/1", O_RDWR);
  ASSERT_TRUE(fs_->write(request(), number, handle, {0}, bytes("ONE")));
  const auto [made, its_handle] = create("src/2");
  ASSERT_TRUE(fs_->write(request(), made, its_handle, {0}, bytes("two")));
  refuse("DeleteObjects");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  server_->clear_faults();
  EXPECT_EQ(errnum_of(fs_->flush(request(), number, handle)), 0);
  EXPECT_EQ(errnum_of(fs_->flush(request(), made, its_handle)), 0);
  expect_tree({{"dst/1", "one"}, {"src/1", "ONE"}, {"src/2", "two"}});
}

TEST_F(RenameTest, ADeleteThatIsRefusedAtFirstIsTriedAgain) {
  put("src/1", "one");
  put("src/2", "two");
  server_->add_fault({.operations = {"DeleteObjects"}, .times = 2});
  EXPECT_EQ(rename("src", "dst"), 0);
  expect_tree({{"dst/1", "one"}, {"dst/2", "two"}});
}

TEST_F(RenameTest, TheRepeatedAnswerOfARenameWhoseDeletesFailedIsTheSameError) {
  put("src/1", "one");
  look("src/1");
  Request asked = request();
  refuse("DeleteObjects");
  EXPECT_EQ(errnum_of(fs_->rename(asked, kRootInode, "src", kRootInode, "dst", RenameMode::replace)), EACCES);
  server_->clear_faults();
  resume();
  asked.resent = true;
  EXPECT_EQ(errnum_of(fs_->rename(asked, kRootInode, "src", kRootInode, "dst", RenameMode::replace)), EACCES);
  EXPECT_EQ(object("src/1"), "one");
}

TEST_F(RenameTest, OfADirectoryThatIsInterruptedWhileItDeletesGoesOnDeleting) {
  put("src/1", "one");
  look("src/1");
  hold("DeleteObjects");
  StopSource stop;
  Request asked = request();
  asked.stop = stop.token();
  auto renaming = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(asked, kRootInode, "src", kRootInode, "dst", RenameMode::replace));
  });
  await_requests("DeleteObjects", 1);
  stop.request_stop();
  const bool ended = renaming.wait_for(20s) == std::future_status::ready;
  EXPECT_TRUE(ended);
  server_->clear_faults();
  EXPECT_EQ(renaming.get(), EINTR);
  EXPECT_TRUE(fs_->sync_all());
  expect_tree({{"dst/1", "one"}});
}

// ---- others write meanwhile -----------------------------------------------------------------------------------------

TEST_F(RenameTest, WhatOthersWriteDuringTheCopyStaysUnderTheOldName) {
  put("src/1", "one");
  put("src/2", "two");
  const Ends places = ends("src", "dst");
  look("src/1");
  hold("CopyObject", "dst/2");
  auto renamed = rename_meanwhile(places);
  await_requests("CopyObject", 2);
  server_->advance_clock(-10min);
  put("src/1", "ONE");  // as long as the one that was copied, and dated before it
  put("src/3", "three");
  server_->clear_faults();
  EXPECT_EQ(renamed.get(), 0);
  EXPECT_EQ(read("src/1"), "ONE");
  auto files = stored();
  files.erase("dst/3");  // may have been listed in time to be copied
  EXPECT_EQ(files["src/1"], "ONE");
  EXPECT_EQ(files["dst/1"], "one");
  EXPECT_EQ(files["dst/2"], "two");
}

TEST_F(RenameTest, AnEqualObjectThatOthersWriteDuringTheCopyStays) {
  put("src/1", "same");
  put("src/2", "two");
  const Ends places = ends("src", "dst");
  look("src/1");
  hold("CopyObject", "dst/2");
  auto renamed = rename_meanwhile(places);
  await_requests("CopyObject", 2);
  server_->advance_clock(-10min);
  put("src/1", "same", {.standard = {{"Content-Type", "text/plain"}}, .metadata = {}});
  server_->clear_faults();
  EXPECT_EQ(renamed.get(), 0);
  EXPECT_EQ(object("src/1"), "same");
}

TEST_F(RenameTest, ACopyWhoseObjectOthersMovedMeanwhileIsNotTakenBack) {
  for (const char* key : {"src/0", "src/1", "src/2"}) put(key, key);
  look("src/0");
  hold("CopyObject", "dst/2");
  auto renaming = rename_meanwhile(ends("src", "dst"));
  await_requests("CopyObject", 3);
  while (object("dst/0") == "<none>" || object("dst/1") == "<none>") std::this_thread::sleep_for(1ms);
  for (const char* key : {"src/0", "src/1", "src/2"}) ASSERT_TRUE(store_->delete_object(kBucket, key));
  server_->clear_faults();
  EXPECT_NE(renaming.get(), 0);
  EXPECT_EQ(object("dst/0"), "src/0");
  EXPECT_EQ(object("dst/1"), "src/1");
}

TEST_F(RenameTest, WhatOthersJustMadeUnderTheNewNameIsSeen) {
  put("src/1", "ours");
  look("src/1");
  ASSERT_EQ(look("dst"), 0u);
  put("dst/1", "theirs");
  EXPECT_EQ(rename("src", "dst"), ENOTEMPTY);
  EXPECT_EQ(object("dst/1"), "theirs");
  EXPECT_EQ(object("src/1"), "ours");
}

TEST_F(RenameTest, CopyingEndsWithTheFirstCopyThatFails) {
  options_.parallel = 4;
  start();
  for (int i = 0; i < 200; ++i) put("src/" + std::to_string(i), "");
  look("src");
  refuse("CopyObject");
  EXPECT_EQ(rename("src", "dst"), EACCES);
  EXPECT_LE(requests("CopyObject"), 8u);
}

// ---- cut by a kill --------------------------------------------------------------------------------------------------

// What a worker leaves that is killed after the copies of src/1 and src/2 and before their deletes.
class CutRenameTest : public RenameTest {
 protected:
  void SetUp() override {
    RenameTest::SetUp();
    put("src/1", "one");
    put("src/2", "two");
    number_ = look("src/1");
    asked_ = request();
    hold("DeleteObjects");
    auto renamed = std::async(std::launch::async, [this] {
      return errnum_of(fs_->rename(asked_, kRootInode, "src", kRootInode, "dst", RenameMode::replace));
    });
    await_requests("DeleteObjects", 1);
    std::filesystem::copy(options_.cache_directory, directory_ / "cut", std::filesystem::copy_options::recursive);
    refuse_from_now_on();
    EXPECT_EQ(renamed.get(), EACCES);
    fs_.reset();
    std::filesystem::remove_all(options_.cache_directory);
    std::filesystem::rename(directory_ / "cut", options_.cache_directory);
    server_->clear_faults();
    ASSERT_THAT(keys(), UnorderedElementsAre("src/1", "src/2", "dst/1", "dst/2"));
  }

  void refuse_from_now_on() {
    server_->clear_faults();
    refuse("DeleteObjects");
  }
  void start_and_finish() {
    start();
    EXPECT_TRUE(fs_->sync_all());
  }

  InodeNumber number_ = 0;
  Request asked_;
};

TEST_F(CutRenameTest, IsFinishedByTheNextMount) {
  start_and_finish();
  EXPECT_EQ(look("dst/1"), number_);
  expect_tree({{"dst/1", "one"}, {"dst/2", "two"}});
  EXPECT_EQ(entries("renames"), 0u);
}

TEST_F(CutRenameTest, IsFinishedWhenItIsAskedAgain) {
  resume();
  asked_.resent = true;
  EXPECT_EQ(errnum_of(fs_->rename(asked_, kRootInode, "src", kRootInode, "dst", RenameMode::replace)), 0);
  EXPECT_EQ(entries("renames"), 0u);
  expect_tree({{"dst/1", "one"}, {"dst/2", "two"}});
}

TEST_F(CutRenameTest, IsLeftAloneByAReadOnlyMount) {
  options_.read_only = true;
  start();
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "src/2", "dst/1", "dst/2"));
  options_.read_only = false;
  start_and_finish();
  EXPECT_THAT(keys(), UnorderedElementsAre("dst/1", "dst/2"));
}

TEST_F(CutRenameTest, LeavesWhatOthersWroteUnderTheOldNameMeanwhile) {
  server_->advance_clock(-10min);
  put("src/1", "ONE");
  put("src/2", "two");  // equal, and yet another one
  start_and_finish();
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "src/2", "dst/1", "dst/2"));
  EXPECT_EQ(read("src/1"), "ONE");
}

TEST_F(CutRenameTest, DeletesNothingWhenItsRecordIsMissing) {
  std::filesystem::remove_all(options_.cache_directory / "renames");
  start_and_finish();
  expect_tree({{"dst/1", "one"}, {"dst/2", "two"}, {"src/1", "one"}, {"src/2", "two"}});
}

TEST_F(CutRenameTest, DeletesNothingWhenItsRecordIsDamaged) {
  for (const auto& file : std::filesystem::directory_iterator(options_.cache_directory / "renames")) {
    std::fstream record(file.path(), std::ios::in | std::ios::out | std::ios::binary);
    record.seekg(40);
    const int byte = record.peek();
    record.seekp(40);
    record.put(static_cast<char>(~byte));
  }
  start_and_finish();
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "src/2", "dst/1", "dst/2"));
  EXPECT_EQ(entries("renames"), 0u);
}

TEST_F(CutRenameTest, LeavesWhatOthersRemovedUnderTheNewNameUnderTheOldOne) {
  ASSERT_TRUE(store_->delete_object(kBucket, "dst/1"));
  start_and_finish();
  EXPECT_THAT(keys(), UnorderedElementsAre("src/1", "dst/2"));
  EXPECT_EQ(read("src/1"), "one");
}

TEST_F(CutRenameTest, IsFinishedBesideTheWorkOfTheNextMount) {
  hold("DeleteObjects");
  start();
  EXPECT_EQ(read("dst/1"), "one");
  EXPECT_EQ(write("other", "content"), 0);
  auto waiting = std::async(std::launch::async, [&] { return mkdir("src"); });  // whoever wants the old name waits
  EXPECT_EQ(waiting.wait_for(200ms), std::future_status::timeout);
  server_->clear_faults();
  EXPECT_EQ(waiting.get(), 0);
  EXPECT_THAT(keys(), UnorderedElementsAre("dst/1", "dst/2", "other", "src/"));
}

TEST_F(CutRenameTest, GoesOnAfterAMountThatEndedInTheMiddleOfIt) {
  hold("DeleteObjects");
  start();
  fs_.reset();
  server_->clear_faults();
  start_and_finish();
  EXPECT_THAT(keys(), UnorderedElementsAre("dst/1", "dst/2"));
}

// A worker is killed after it has deleted the old object of a file, and before it has said so.
class CutFileRenameTest : public RenameTest, public testing::WithParamInterface<std::chrono::seconds> {
 protected:
  void SetUp() override {
    RenameTest::SetUp();
    options_.metadata_ttl = GetParam();
    start();
    put("src", "content");
    look("dst");
    file_ = open("src", O_RDONLY);
    asked_ = request();
    server_->add_fault({.operations = {"DeleteObject"},
                        .kind = emulator::FaultKind::stall,
                        .time = emulator::FaultTime::after,
                        .stall_time = 500ms});
    auto renamed = std::async(std::launch::async, [this] { return ask(); });
    while (object("src") != "<none>") std::this_thread::sleep_for(1ms);
    std::filesystem::copy(options_.cache_directory, directory_ / "cut", std::filesystem::copy_options::recursive);
    EXPECT_EQ(renamed.get(), 0);
    fs_.reset();
    std::filesystem::remove_all(options_.cache_directory);
    std::filesystem::rename(directory_ / "cut", options_.cache_directory);
    server_->clear_faults();
    resume();
    asked_.resent = true;
  }
  int ask() { return errnum_of(fs_->rename(asked_, kRootInode, "src", kRootInode, "dst", RenameMode::replace)); }
  void expect_done() {
    EXPECT_EQ(ask(), 0);
    EXPECT_EQ(look("dst"), file_.number);
    EXPECT_EQ(look("src"), 0u);
    EXPECT_EQ(read_open(file_.number, file_.handle, 7), "content");
  }
  Handle file_;
  Request asked_;
};

INSTANTIATE_TEST_SUITE_P(NamesAre, CutFileRenameTest, testing::Values(0s, 30s),
                         [](const auto& info) { return info.param == 0s ? "AskedEachTime" : "Trusted"; });

TEST_P(CutFileRenameTest, IsFinishedWhenItIsAskedAgain) {
  expect_done();
}

TEST_P(CutFileRenameTest, IsFinishedAlsoAfterALookUp) {
  look("src");
  EXPECT_TRUE(fs_->getattr(request(), file_.number));
  names("");
  expect_done();
}

TEST_P(CutFileRenameTest, IsSeenByTheNextMount) {
  start();
  EXPECT_EQ(look("src"), 0u);
  EXPECT_EQ(read("dst"), "content");
  EXPECT_EQ(write("dst", "mine"), 0);
}

TEST_P(CutFileRenameTest, IsWaitedForByReaders) {
  int errnum = 0;
  auto reading = std::async(std::launch::async, [&] { return read_open(file_.number, file_.handle, 7, &errnum); });
  const auto before = requests("GetObject");
  for (int i = 0; i < 1000 && requests("GetObject") == before; ++i) std::this_thread::sleep_for(1ms);
  EXPECT_EQ(ask(), 0);
  EXPECT_EQ(reading.get(), "content");
  EXPECT_EQ(errnum, 0);
}

TEST_P(CutFileRenameTest, HoldsItsFileNoLongerThanTheKernelNeedsToAskAgain) {
  int errnum = 0;
  std::filesystem::remove_all(options_.cache_directory / "blocks");
  EXPECT_EQ(read_open(file_.number, file_.handle, 7, &errnum), "");
  EXPECT_EQ(errnum, ESTALE);
  EXPECT_EQ(look("src"), 0u);
}

// A directory that exists through its one entry alone, which is on its way out when the worker is killed.
class EmptiedDirectoryTest : public RenameTest {
 protected:
  // As the worker left it when `operation` was asked `count` times.
  void kill_at(const char* operation, std::uint64_t count, const std::function<void()>& change) {
    hold(operation);
    auto changing = std::async(std::launch::async, change);
    await_requests(operation, count);
    std::filesystem::copy(options_.cache_directory, directory_ / "cut", std::filesystem::copy_options::recursive);
    server_->clear_faults();
    refuse(operation);
    changing.get();
    fs_.reset();
    std::filesystem::remove_all(options_.cache_directory);
    std::filesystem::rename(directory_ / "cut", options_.cache_directory);
    server_->clear_faults();
    resume();
    asked_.resent = true;
  }
  Request asked_ = request();
};

TEST_F(EmptiedDirectoryTest, StaysWhenTheRemovalOfItsLastFileIsAskedAgain) {
  put("p/f", "x");
  const InodeNumber p = look("p");
  look("p/f");
  const auto remove = [&] { return errnum_of(fs_->unlink(asked_, p, "f")); };
  kill_at("PutObject", 2, remove);
  EXPECT_EQ(remove(), 0);
  EXPECT_THAT(keys(), ElementsAre("p/"));
}

TEST_F(EmptiedDirectoryTest, StaysWhenTheRenameOfItsLastDirectoryIsAskedAgain) {
  put("p/src/1", "one");
  const InodeNumber p = look("p");
  look("p/src/1");
  const auto move = [&] { return errnum_of(fs_->rename(asked_, p, "src", kRootInode, "dst", RenameMode::replace)); };
  kill_at("DeleteObjects", 1, move);
  EXPECT_EQ(move(), 0);
  EXPECT_THAT(keys(), UnorderedElementsAre("dst/1", "p/"));
}

// ---- renames meet ---------------------------------------------------------------------------------------------------

TEST_F(RenameTest, OfADirectoryAndOfOneInItBothSucceedAndTearNothing) {
  put("a/1", "one");
  put("a/b/2", "two");
  put("a/b/3", "three");
  const Ends outer = ends("a", "x"), inner = ends("a/b", "c");
  hold("CopyObject", "x/1");
  EXPECT_EQ(rename_both(outer, "CopyObject", 3, inner), std::pair(0, 0));
  expect_tree({{"x/1", "one"}, {"c/2", "two"}, {"c/3", "three"}});
}

TEST_F(RenameTest, OfADirectoryIntoOneThatIsRenamedGoesWithIt) {
  put("a/1", "one");
  put("b/2", "two");
  const Ends outer = ends("b", "y"), inner = ends("a", "b/a");
  hold("CopyObject", "y/2");
  EXPECT_EQ(rename_both(outer, "CopyObject", 1, inner), std::pair(0, 0));
  expect_tree({{"y/2", "two"}, {"y/a/1", "one"}});
}

TEST_F(RenameTest, OfTwoDirectoriesIntoEachOtherOneFails) {
  put("a/1", "one");
  put("b/2", "two");
  const Ends one = ends("a", "b/a"), other = ends("b", "a/b");
  hold("CopyObject");
  EXPECT_EQ(rename_both(one, "CopyObject", 1, other), std::pair(0, EINVAL));
  expect_tree({{"b/2", "two"}, {"b/a/1", "one"}});
}

TEST_F(RenameTest, OfADirectoryIntoItselfIsRefused) {
  put("a/b/1", "one");
  EXPECT_EQ(rename("a", "a/b/c"), EINVAL);
  expect_tree({{"a/b/1", "one"}});
}

TEST_F(RenameTest, OfAFileIntoADirectoryThatIsRenamedGoesWithIt) {
  put("a/1", "one");
  put("file", "content");
  look("file");
  const Ends outer = ends("a", "x"), inner = ends("file", "a/file");
  hold("CopyObject", "x/1");
  EXPECT_EQ(rename_both(outer, "CopyObject", 1, inner), std::pair(0, 0));
  expect_tree({{"x/1", "one"}, {"x/file", "content"}});
}

TEST_F(RenameTest, OntoTheNameThatAnotherOneStillClearsWaits) {
  put("a/1", "one");
  put("b/1", "ONE");
  look("a/1"), look("b/1");
  const Ends away = ends("a", "x"), there = ends("b", "a");
  hold("DeleteObjects");
  EXPECT_EQ(rename_both(away, "DeleteObjects", 1, there), std::pair(0, 0));
  expect_tree({{"x/1", "one"}, {"a/1", "ONE"}});
}

TEST_F(RenameTest, ThatWaitsForAnotherCanBeInterrupted) {
  put("a/b/1", "one");
  const Ends outer = ends("a", "x"), inner = ends("a/b", "c");
  hold("CopyObject", "x/");
  auto first = rename_meanwhile(outer);
  await_requests("CopyObject", 1);
  StopSource stop;
  Request asked = request();
  asked.stop = stop.token();
  auto second = std::async(std::launch::async, [&] {
    return errnum_of(fs_->rename(asked, inner.parent, "b", inner.new_parent, "c", RenameMode::replace));
  });
  second.wait_for(50ms);
  stop.request_stop();
  EXPECT_EQ(second.get(), EINTR);
  server_->clear_faults();
  EXPECT_EQ(first.get(), 0);
  expect_tree({{"x/b/1", "one"}});
}

// ---- removed directories --------------------------------------------------------------------------------------------

TEST_F(RenameTest, ARemovedDirectoryThatIsStillHeldIsEmptyAndHasNoLinks) {
  ASSERT_EQ(mkdir("dir"), 0);
  const InodeNumber number = look("dir");
  ASSERT_EQ(rmdir("dir"), 0);
  put("dir/of-another", "x");
  const auto held = fs_->getattr(request(), number);
  ASSERT_TRUE(held) << held.error().context;
  EXPECT_EQ(held->attributes.links, 0u);
  const auto listed = fs_->read_directory(request(), number, 0, 100, WithAttributes::yes);
  ASSERT_TRUE(listed) << listed.error().context;
  for (const auto& entry : *listed) EXPECT_THAT(entry.name, testing::AnyOf(".", ".."));
  EXPECT_EQ(errnum_of(fs_->lookup(request(), number, "of-another")), ENOENT);
  EXPECT_EQ(errnum_of(fs_->mkdir(request(), number, "new", 0755)), ENOENT);
  EXPECT_EQ(errnum_of(fs_->create(request(), number, "new", 0644, O_CREAT | O_WRONLY)), ENOENT);
  ASSERT_EQ(mkdir("other"), 0);
  EXPECT_EQ(errnum_of(fs_->rename(request(), kRootInode, "other", number, "new", RenameMode::replace)), ENOENT);
  fs_->forget(number);
  EXPECT_EQ(errnum_of(fs_->getattr(request(), number)), ESTALE);
}

TEST_F(RenameTest, ADirectoryReplacedByARenameIsEmptyAndHasNoLinks) {
  ASSERT_EQ(mkdir("dst"), 0);
  ASSERT_EQ(mkdir("src"), 0);
  ASSERT_EQ(write("src/file", "x"), 0);
  const InodeNumber number = look("dst");
  ASSERT_EQ(rename("src", "dst"), 0);
  EXPECT_NE(look("dst"), number);
  const auto held = fs_->getattr(request(), number);
  ASSERT_TRUE(held) << held.error().context;
  EXPECT_EQ(held->attributes.links, 0u);
  EXPECT_EQ(errnum_of(fs_->lookup(request(), number, "file")), ENOENT);
  EXPECT_EQ(read("dst/file"), "x");
}

// ---- many at once ---------------------------------------------------------------------------------------------------

// Threads that rename directories and files, make some and change their permissions, all in one small tree. Whatever
// order that comes to: each file that was stored is there once, with its bytes, and everybody sees the same tree.
class RandomRenameTest : public RenameTest {
 protected:
  // What is in one of them only, by its first or second; whole containers would be cut when they are printed.
  template <class Container>
  static std::vector<std::string> differences(const Container& first, const Container& second) {
    auto lines = [](const Container& all) {
      std::multiset<std::string> lines;
      for (const auto& one : all) lines.insert(testing::PrintToString(one));
      return lines;
    };
    const auto a = lines(first), b = lines(second);
    std::vector<std::string> only;
    std::ranges::set_difference(a, b, std::back_inserter(only));
    for (std::string& line : only) line = "first: " + line;
    const std::size_t count = only.size();
    std::ranges::set_difference(b, a, std::back_inserter(only));
    for (std::size_t i = count; i < only.size(); ++i) only[i] = "second: " + only[i];
    return only;
  }
  static constexpr int kThreads = 4, kOperations = 40;

  // One thread's own requests and dice.
  struct Actor {
    RandomRenameTest& test;
    std::mt19937 dice;
    std::uint64_t unique;
    int id;
    std::vector<std::string> made = {};  // contents of the files it stored
    int renamed = 0;

    Request request() {
      Request request;
      request.uid = 1000;
      request.unique = unique += 2;
      return request;
    }
    unsigned roll(unsigned sides) { return static_cast<unsigned>(dice() % sides); }
    std::string any_directory() { return std::string(1, static_cast<char>('a' + roll(3))); }

    // The directory at the end of some random names, as far as they lead.
    InodeNumber somewhere() {
      InodeNumber number = kRootInode;
      for (unsigned depth = roll(3); depth > 0; --depth) {
        const auto entry = test.fs_->lookup(request(), number, any_directory());
        if (!entry || entry->attributes.type != FileType::directory) break;
        number = entry->attributes.number;
      }
      return number;
    }
    std::optional<std::string> any_file(InodeNumber directory) {
      std::vector<std::string> files;
      const auto entries = test.fs_->read_directory(request(), directory, 0, 100, WithAttributes::no);
      if (!entries) return std::nullopt;
      for (const auto& entry : *entries)
        if (entry.name.starts_with("file")) files.push_back(entry.name);
      if (files.empty()) return std::nullopt;
      return files[roll(static_cast<unsigned>(files.size()))];
    }

    void make_file() {
      const std::string content = "file-" + std::to_string(id) + "-" + std::to_string(made.size());
      const auto created = test.fs_->create(request(), somewhere(), content, 0644, O_CREAT | O_EXCL | O_WRONLY);
      if (!created) return;
      const auto& [entry, open] = *created;
      const InodeNumber number = entry.attributes.number;
      test.opens_->add(number);
      const auto written = test.fs_->write(request(), number, open.handle, {0}, bytes(content));
      const auto closed = test.fs_->flush(request(), number, open.handle);
      test.opens_->remove(number);
      test.fs_->release(request(), number, open.handle);
      EXPECT_TRUE(written && closed) << errnum_of(written) << " " << errnum_of(closed);
      made.push_back(content);
    }
    void rename_directory() {
      const auto done =
          test.fs_->rename(request(), somewhere(), any_directory(), somewhere(), any_directory(), RenameMode::replace);
      if (done) ++renamed;
      const int failed = errnum_of(done);
      const bool honest =
          failed == 0 || failed == ENOENT || failed == ENOTEMPTY || failed == EINVAL || failed == ESTALE;
      EXPECT_TRUE(honest) << done.error().context;
    }
    void rename_file() {
      const InodeNumber from = somewhere();
      const auto name = any_file(from);
      if (!name) return;
      const auto done = test.fs_->rename(request(), from, *name, somewhere(), *name, RenameMode::no_replace);
      const int failed = errnum_of(done);
      EXPECT_TRUE(failed == 0 || failed == ENOENT || failed == EEXIST || failed == ESTALE) << done.error().context;
    }
    void act() {
      switch (roll(8)) {
        case 0:
        case 1:
        case 2:
          return rename_directory();
        case 3:
        case 4:
          return make_file();
        case 5:
          return rename_file();
        case 6:
          return (void)test.fs_->mkdir(request(), somewhere(), any_directory(), 0755);
        default:
          return (void)test.fs_->setattr(request(), somewhere(), {.permissions = 0700 + roll(64)});
      }
    }
  };

  // Paths with permissions, of files and directories.
  std::map<std::string, unsigned> permissions(const std::string& path = {}) {
    std::map<std::string, unsigned> all;
    for (const std::string& name : names(path)) {
      const std::string below = path.empty() ? name : path + "/" + name;
      const Attributes known = attributes(below);
      all[below] = known.permissions;
      if (known.type == FileType::directory) all.merge(permissions(below));
    }
    return all;
  }
};

TEST_F(RandomRenameTest, NoFileIsLostOrThereTwiceAndAllViewsAreOne) {
  const char* given = std::getenv("PAILFS_SEED");
  const unsigned seed = given != nullptr ? static_cast<unsigned>(std::atol(given)) : std::random_device()();
  std::printf("PAILFS_SEED=%u\n", seed);
  for (const char* name : {"a", "b", "c", "a/b"}) ASSERT_EQ(mkdir(name), 0);
  std::vector<Actor> actors;
  for (int i = 0; i < kThreads; ++i)
    actors.push_back({*this, std::mt19937(seed + static_cast<unsigned>(i)), 1'000'000ull * (i + 1), i});
  {
    std::vector<std::jthread> threads;
    for (Actor& actor : actors)
      threads.emplace_back([&actor] {
        for (int i = 0; i < kOperations; ++i) actor.act();
      });
  }
  std::vector<std::string> made, found;
  for (const Actor& actor : actors) made.insert(made.end(), actor.made.begin(), actor.made.end());
  const auto files = stored();
  for (const auto& [key, content] : files) found.push_back(content);
  EXPECT_THAT(differences(found, made), IsEmpty()) << "stored and made";
  EXPECT_THAT(differences(shown(), files), IsEmpty()) << "shown and stored";
  const auto here = permissions();
  start_cold();
  EXPECT_THAT(differences(shown(), files), IsEmpty()) << "shown by a new mount and stored";
  EXPECT_THAT(differences(here, permissions()), IsEmpty()) << "permissions here and of a new mount";
}

}  // namespace
}  // namespace pail::vfs
