#include "local/names/index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "../../manual_clock.h"
#include "../temporary_directory.h"
#include "base/file.h"
#include "local/names/codec.h"
#include "local/names/lmdb_index.h"
#include "local/names/moments.h"
#include "local/names/tree_walk.h"
#include "memory_journal.h"

namespace pail::local {
namespace {

constexpr const char* kIdentity = "https://cos.example/bucket/";

InodeRecord full_record(InodeNumber number) {
  InodeRecord record;
  record.number = number;
  record.parent = kRootInode;
  record.name = "report.csv";
  record.type = FileType::character_device;
  record.permissions = 04755;
  record.uid = 1000;
  record.gid = 4'000'000'000;
  record.device = 0x0801;
  record.size = ByteCount{5ull << 40};
  record.accessed = WallTime(std::chrono::nanoseconds(-1));
  record.modified = WallTime(std::chrono::nanoseconds(1'700'000'000'123'456'789));
  record.changed = WallTime(std::chrono::nanoseconds(3));
  record.etag = "\"d41d8cd98f00b204e9800998ecf8427e-12\"";
  record.knowledge = Knowledge::exact;
  record.form = DirectoryForm::folder_marker;
  record.content = Content::staged;
  record.binding = Binding::removed;
  record.link_target = "../else\xff where";
  record.headers = std::string("x\0y", 3);
  record.checked = WallTime(std::chrono::nanoseconds(4));
  record.listed = WallTime(std::chrono::nanoseconds(5));
  record.epoch = 6;
  record.changed_seq = 7;
  record.written = WriteWindow{WallTime(std::chrono::nanoseconds(8)), WallTime(std::chrono::nanoseconds(9))};
  record.attempted = "\"0cc175b9c0f1b6a831c399e269772661\"";
  return record;
}

// A name and an inode for it.
void make(WriteTransaction& txn, InodeNumber parent, const std::string& name, InodeNumber number) {
  InodeRecord record;
  record.number = number;
  record.parent = parent;
  record.name = name;
  txn.put(record);
  txn.bind(parent, name, Dirent{.number = number});
}

bool something_was_set_aside(const std::filesystem::path& index) {
  for (const auto& entry : std::filesystem::directory_iterator(index))
    if (entry.path().filename().string().starts_with("damaged-")) return true;
  return false;
}

class IndexTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    index.reset();
    auto opened = Index::open(directory.path() / "index", kIdentity, system_clock(), *journal);
    ASSERT_TRUE(opened) << opened.error().context;
    index = *std::move(opened);
  }

  // Runs `change` in one transaction.
  template <class Change>
  void write(Change change) {
    const auto txn = index->write();
    change(*txn);
    const auto committed = txn->commit();
    ASSERT_TRUE(committed) << committed.error().context;
  }

  std::vector<InodeNumber> children(InodeNumber parent, InodeNumber after = 0) {
    std::vector<InodeNumber> found;
    index->read()->children(parent, after, [&](InodeNumber number) {
      found.push_back(number);
      return true;
    });
    return found;
  }

  // Puts bytes where a record belongs.
  void damage(MDB_dbi Databases::*database, std::string_view key, std::string_view bytes) {
    auto& lmdb_index = dynamic_cast<LmdbIndex&>(*index);
    OwnedWrite raw(lmdb_index.environment());
    raw.put(lmdb_index.databases().*database, key, bytes);
    ASSERT_TRUE(raw.commit());
  }

  TemporaryDirectory directory;
  const std::shared_ptr<FakeLogDisk> disk = std::make_shared<FakeLogDisk>();
  const std::unique_ptr<JournalState> journal = memory_journal(disk);
  std::unique_ptr<Index> index;
};

TEST_F(IndexTest, BeginsWithTheRootDirectory) {
  const auto root = index->read()->inode(kRootInode);
  ASSERT_TRUE(root);
  EXPECT_EQ(root->type, FileType::directory);
  EXPECT_NE(index->generation(), 0u);
}

TEST_F(IndexTest, KeepsEveryFieldOfAnInodeAcrossReopen) {
  write([](WriteTransaction& txn) { txn.put(full_record(42)); });
  reopen();
  const auto found = index->read()->inode(42);
  ASSERT_TRUE(found);
  const InodeRecord expected = full_record(42);
  EXPECT_EQ(found->number, expected.number);
  EXPECT_EQ(found->parent, expected.parent);
  EXPECT_EQ(found->name, expected.name);
  EXPECT_EQ(found->type, expected.type);
  EXPECT_EQ(found->permissions, expected.permissions);
  EXPECT_EQ(found->uid, expected.uid);
  EXPECT_EQ(found->gid, expected.gid);
  EXPECT_EQ(found->device, expected.device);
  EXPECT_EQ(found->size, expected.size);
  EXPECT_EQ(found->accessed, expected.accessed);
  EXPECT_EQ(found->modified, expected.modified);
  EXPECT_EQ(found->changed, expected.changed);
  EXPECT_EQ(found->etag, expected.etag);
  EXPECT_EQ(found->knowledge, expected.knowledge);
  EXPECT_EQ(found->form, expected.form);
  EXPECT_EQ(found->content, expected.content);
  EXPECT_EQ(found->binding, expected.binding);
  EXPECT_EQ(found->link_target, expected.link_target);
  EXPECT_EQ(found->headers, expected.headers);
  EXPECT_EQ(found->checked, expected.checked);
  EXPECT_EQ(found->listed, expected.listed);
  EXPECT_EQ(found->epoch, expected.epoch);
  EXPECT_EQ(found->changed_seq, expected.changed_seq);
  EXPECT_EQ(found->written, expected.written);
  EXPECT_EQ(found->attempted, expected.attempted);
}

TEST_F(IndexTest, GenerationStaysOnReopenAndDiffersBetweenIndexes) {
  const std::uint64_t generation = index->generation();
  reopen();
  EXPECT_EQ(index->generation(), generation);
  const auto other = Index::open(directory.path() / "other", kIdentity, system_clock(), *journal);
  ASSERT_TRUE(other);
  EXPECT_NE((*other)->generation(), generation);
}

TEST_F(IndexTest, TransactionWithoutCommitChangesNothing) {
  index->write()->put(full_record(42));
  EXPECT_FALSE(index->read()->inode(42));
}

TEST_F(IndexTest, ReaderKeepsTheStateOfItsBeginning) {
  const auto before = index->read();
  std::thread([&] { write([](WriteTransaction& txn) { txn.put(full_record(42)); }); }).join();
  EXPECT_FALSE(before->inode(42));
}

TEST_F(IndexTest, OrphansAndStagedFollowTheRecord) {
  InodeRecord record = full_record(9);
  write([&](WriteTransaction& txn) { txn.put(record); });
  EXPECT_EQ(index->read()->orphans(), std::vector<InodeNumber>{9});
  EXPECT_EQ(index->read()->staged(), std::vector<InodeNumber>{9});
  record.binding = Binding::bound;
  record.content = Content::remote;
  write([&](WriteTransaction& txn) { txn.put(record); });
  EXPECT_TRUE(index->read()->orphans().empty());
  EXPECT_TRUE(index->read()->staged().empty());
}

TEST_F(IndexTest, ErasedInodeLeavesItsSets) {
  write([](WriteTransaction& txn) { txn.put(full_record(9)); });
  write([](WriteTransaction& txn) { txn.erase(9); });
  EXPECT_FALSE(index->read()->inode(9));
  EXPECT_TRUE(index->read()->orphans().empty());
  EXPECT_TRUE(index->read()->staged().empty());
}

TEST_F(IndexTest, ChildrenComeInOrderOfInodeNumber) {
  write([](WriteTransaction& txn) {
    make(txn, 1, "a", 300);
    make(txn, 1, "b", 7);
    make(txn, 1, "c", 256);
    make(txn, 2, "elsewhere", 8);
  });
  EXPECT_EQ(children(1), (std::vector<InodeNumber>{7, 256, 300}));
  EXPECT_EQ(children(1, 7), (std::vector<InodeNumber>{256, 300}));
  EXPECT_TRUE(children(1, ~InodeNumber{0}).empty());
}

TEST_F(IndexTest, AnInodeHasItsNameWhereThatLeadsToIt) {
  write([](WriteTransaction& txn) {
    make(txn, 1, "a", 7);
    make(txn, 1, "b", 8);
    txn.bind(1, "b", Dirent{.number = 7});
  });
  const auto records = index->read();
  EXPECT_TRUE(has_its_name(*records, *records->inode(7)));
  EXPECT_FALSE(has_its_name(*records, *records->inode(8)));
}

TEST_F(IndexTest, TheLimitOfMomentsIsNotedOnceAMinute) {
  using namespace std::chrono_literals;
  ManualClock clock;
  Moments moments(clock);
  write([&](WriteTransaction& txn) { moments.begin(txn); });
  const auto limit_after = [&](std::chrono::nanoseconds time) {
    clock.pass(time);
    write([&](WriteTransaction& txn) { moments.note(txn); });
    moments.committed();
    return index->read()->moment_anchor()->limit;
  };
  const WallTime first = limit_after(1s);
  EXPECT_GE(first, moments.now());
  EXPECT_EQ(limit_after(30s), first);
  EXPECT_GT(limit_after(31s), first);
}

TEST_F(IndexTest, ChildrenMayBeUnboundWhileTheyAreVisited) {
  write([](WriteTransaction& txn) {
    for (InodeNumber n = 2; n < 1002; ++n) txn.bind(1, std::to_string(n), Dirent{.number = n});
  });
  write([](WriteTransaction& txn) {
    txn.children(1, 0, [&](InodeNumber n) {
      txn.forget(1, std::to_string(n));
      return true;
    });
  });
  EXPECT_TRUE(children(1).empty());
}

TEST_F(IndexTest, NamesComeInByteOrderWithTheAbsentOnes) {
  write([](WriteTransaction& txn) {
    txn.bind(1, "b", Dirent{.number = 5});
    txn.bind(1, "a", Dirent{.number = 6});
    txn.bind(1, "\xff", Dirent{});
    txn.bind(2, "a", Dirent{.number = 7});
  });
  std::vector<std::string> found;
  const auto collect = [&](std::string_view name, const Dirent&) {
    found.emplace_back(name);
    return true;
  };
  index->read()->names(1, "", collect);
  EXPECT_EQ(found, (std::vector<std::string>{"a", "b", "\xff"}));
  found.clear();
  index->read()->names(1, "a", collect);
  EXPECT_EQ(found, (std::vector<std::string>{"b", "\xff"}));
}

TEST_F(IndexTest, ExchangedNamesKeepBothChildren) {
  write([](WriteTransaction& txn) {
    make(txn, 1, "a", 5);
    make(txn, 1, "b", 6);
  });
  write([](WriteTransaction& txn) {
    txn.bind(1, "a", Dirent{.number = 6});
    txn.bind(1, "b", Dirent{.number = 5});
  });
  EXPECT_EQ(children(1), (std::vector<InodeNumber>{5, 6}));
}

TEST_F(IndexTest, RenameOverAnotherNameLeavesOneChild) {
  write([](WriteTransaction& txn) {
    make(txn, 1, "new", 5);
    make(txn, 1, "old", 6);
  });
  write([](WriteTransaction& txn) {
    txn.bind(1, "old", Dirent{.number = 5});
    txn.bind(1, "new", Dirent{});
  });
  EXPECT_EQ(children(1), std::vector<InodeNumber>{5});
}

TEST_F(IndexTest, UnboundNameIsKnownToBeAbsentUntilForgotten) {
  write([](WriteTransaction& txn) { txn.bind(1, "a", Dirent{.number = 5}); });
  write([](WriteTransaction& txn) { txn.bind(1, "a", Dirent{.changed_seq = 77}); });
  auto absent = index->read()->dirent(1, "a");
  ASSERT_TRUE(absent);
  EXPECT_EQ(absent->number, 0u);
  EXPECT_EQ(absent->changed_seq, 77u);
  EXPECT_TRUE(children(1).empty());
  write([](WriteTransaction& txn) { txn.forget(1, "a"); });
  EXPECT_FALSE(index->read()->dirent(1, "a"));
}

TEST_F(IndexTest, NamesLongerThanAKeyStayApart) {
  std::string longest(1024, 'n'), twin = longest;
  twin.back() = 'm';
  write([&](WriteTransaction& txn) {
    txn.bind(1, longest, Dirent{.number = 5});
    txn.bind(1, twin, Dirent{.number = 6});
    txn.bind(1, longest.substr(0, 503), Dirent{.number = 7});
    txn.bind(1, longest.substr(0, 502), Dirent{.number = 8});
  });
  EXPECT_EQ(index->read()->dirent(1, longest)->number, 5u);
  EXPECT_EQ(index->read()->dirent(1, twin)->number, 6u);
  EXPECT_EQ(index->read()->dirent(1, longest.substr(0, 503))->number, 7u);
  EXPECT_EQ(index->read()->dirent(1, longest.substr(0, 502))->number, 8u);
  std::size_t seen = 0;
  index->read()->names(1, "", [&](std::string_view name, const Dirent&) {
    EXPECT_GE(name.size(), 502u);
    ++seen;
    return true;
  });
  EXPECT_EQ(seen, 4u);
}

TEST_F(IndexTest, IntentsThatAreDoneArePrunedAndOthersAreKept) {
  for (std::uint64_t first = 0; first < 10'000; first += 500) {
    write([&](WriteTransaction& txn) {
      for (std::uint64_t i = first; i < first + 500; ++i)
        txn.put_intent(i, Intent{.state = i % 100 == 0 ? IntentState::begun : IntentState::done, .subject = i});
    });
  }
  const auto read = index->read();
  EXPECT_TRUE(read->intent(0));
  EXPECT_FALSE(read->intent(1));
  EXPECT_TRUE(read->intent(9'999));
  EXPECT_TRUE(read->intent(9'999 - 4096));
  EXPECT_LE(read->intents().size(), 4096u + 256 + 100);
}

TEST_F(IndexTest, IntentsArePrunedAcrossReopen) {
  write([](WriteTransaction& txn) {
    for (std::uint64_t i = 0; i < 4096 + 200; ++i) txn.put_intent(i, Intent{.state = IntentState::done});
  });
  reopen();
  write([](WriteTransaction& txn) {
    for (std::uint64_t i = 5000; i < 5100; ++i) txn.put_intent(i, Intent{.state = IntentState::done});
  });
  EXPECT_FALSE(index->read()->intent(0));
  EXPECT_TRUE(index->read()->intent(4000));
}

TEST_F(IndexTest, IntentRemembersItsDetail) {
  write([](WriteTransaction& txn) {
    txn.put_intent(8, Intent{.state = IntentState::local, .operation = 3, .subject = 9, .detail = "from\0to"});
  });
  reopen();
  const auto intents = index->read()->intents();
  ASSERT_EQ(intents.size(), 1u);
  EXPECT_EQ(intents[0].first, 8u);
  EXPECT_EQ(intents[0].second.state, IntentState::local);
  EXPECT_EQ(intents[0].second.operation, 3);
  EXPECT_EQ(intents[0].second.subject, 9u);
  write([](WriteTransaction& txn) { txn.clear_intents(); });
  EXPECT_TRUE(index->read()->intents().empty());
}

TEST_F(IndexTest, UploadPartsComeInOrderAndGoWithTheUpload) {
  write([](WriteTransaction& txn) {
    txn.put_upload(5, UploadRecord{"dir/key", "upload-1", ByteCount{16}, ByteCount{99}, 7});
    txn.put_upload_part(5, UploadPartRecord{300, "\"b\"", "md5-b"});
    txn.put_upload_part(5, UploadPartRecord{2, "\"a\"", "md5-a"});
    txn.put_upload_part(6, UploadPartRecord{1, "\"c\"", ""});
  });
  const auto upload = index->read()->upload(5);
  ASSERT_TRUE(upload);
  EXPECT_EQ(upload->upload_id, "upload-1");
  EXPECT_EQ(upload->size, ByteCount{99});
  EXPECT_EQ(upload->headers, 7u);
  const auto parts = index->read()->upload_parts(5);
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].number, 2u);
  EXPECT_EQ(parts[1].number, 300u);
  EXPECT_EQ(parts[1].md5, "md5-b");
  EXPECT_EQ(index->read()->uploads(), std::vector<InodeNumber>{5});
  write([](WriteTransaction& txn) { txn.erase_upload(5); });
  EXPECT_FALSE(index->read()->upload(5));
  EXPECT_TRUE(index->read()->upload_parts(5).empty());
  EXPECT_EQ(index->read()->upload_parts(6).size(), 1u);
}

TEST_F(IndexTest, SecondOpenerIsToldWhoHoldsIt) {
  const auto second = Index::open(directory.path() / "index", kIdentity, system_clock(), *journal);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().errnum, EBUSY);
  EXPECT_NE(second.error().context.find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(IndexTest, OfAnotherBucketIsRefused) {
  index.reset();
  const auto other = Index::open(directory.path() / "index", "https://cos.example/other/", system_clock(), *journal);
  EXPECT_EQ(errnum_of(other), EINVAL);
}

TEST(InodeRecordCodec, AnyTruncatedRecordIsRefused) {
  const std::string whole = encode(full_record(5));
  ASSERT_TRUE(decode_inode(5, whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decode_inode(5, whole.substr(0, size)));
  EXPECT_FALSE(decode_inode(5, whole + 'x'));
}

// Another process hands out numbers and dies without a farewell; returns the last of them.
InodeNumber last_number_of_killed_process(const std::filesystem::path& directory, JournalState& journal, int numbers) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    auto index = Index::open(directory, kIdentity, system_clock(), journal);
    InodeNumber last = 0;
    for (int i = 0; i < numbers; ++i) {
      const auto txn = (*index)->write();
      last = txn->next_inode_number();
      make(*txn, 1, std::to_string(last), last);
      if (!txn->commit()) ::_exit(1);
    }
    if (::write(pipe_ends[1], &last, sizeof last) != sizeof last) ::_exit(1);
    ::kill(::getpid(), SIGKILL);
  }
  ::close(pipe_ends[1]);
  InodeNumber last = 0;
  if (::read(pipe_ends[0], &last, sizeof last) != sizeof last) last = 0;
  ::close(pipe_ends[0]);
  ::waitpid(child, nullptr, 0);
  return last;
}

TEST(IndexAfterKill, KeepsCommitsAndNeverReusesANumber) {
  const TemporaryDirectory directory;
  const auto journal = memory_journal();
  InodeNumber last = 1;
  for (const int numbers : {1, 4095, 5000}) {
    const InodeNumber now = last_number_of_killed_process(directory.path(), *journal, numbers);
    ASSERT_GE(now, last + static_cast<InodeNumber>(numbers));
    last = now;
    const auto index = Index::open(directory.path(), kIdentity, system_clock(), *journal);
    ASSERT_TRUE(index);
    EXPECT_FALSE((*index)->machine_stopped());
    EXPECT_EQ((*index)->read()->dirent(1, std::to_string(last))->number, last);
  }
}

class IndexAfterPowerCut : public IndexTest {
 protected:
  // As if another run of the machine had been cut off.
  void pretend_machine_stopped() {
    index.reset();
    std::ofstream(directory.path() / "index" / "state") << "open 00000000-0000-0000-0000-000000000000\n";
  }
  bool something_was_set_aside() const { return pail::local::something_was_set_aside(directory.path() / "index"); }
};

TEST_F(IndexAfterPowerCut, SoundIndexIsKeptAndNumbersLeap) {
  InodeNumber before = 0;
  write([&](WriteTransaction& txn) {
    before = txn.next_inode_number();
    txn.put(full_record(before));
  });
  pretend_machine_stopped();
  reopen();
  EXPECT_TRUE(index->machine_stopped());
  EXPECT_TRUE(index->read()->inode(before));
  EXPECT_FALSE(something_was_set_aside());
  write([&](WriteTransaction& txn) { EXPECT_GT(txn.next_inode_number(), before + (1ull << 31)); });
  reopen();
  EXPECT_FALSE(index->machine_stopped());
}

TEST_F(IndexAfterPowerCut, DamagedIndexIsSetAsideAndStartsEmpty) {
  write([](WriteTransaction& txn) {
    for (InodeNumber n = 2; n < 5000; ++n) txn.put(full_record(n));
  });
  const std::uint64_t generation = index->generation();
  pretend_machine_stopped();
  const auto data = open_file(directory.path() / "index" / "data.mdb", O_RDWR);
  ASSERT_TRUE(data);
  const std::vector<std::byte> noise(512 << 10, std::byte{0xa5});
  ASSERT_TRUE(write_at(data->get(), ByteOffset{64 << 10}, noise));
  reopen();
  EXPECT_TRUE(something_was_set_aside());
  EXPECT_TRUE(index->read()->inode(kRootInode));
  EXPECT_FALSE(index->read()->inode(17));
  EXPECT_NE(index->generation(), generation);
}

TEST_F(IndexAfterPowerCut, IndexWhoseFactsTheJournalHasBeginsEmptyWithOtherNumbers) {
  InodeNumber before = 0;
  std::uint64_t sequence = 0;
  write([&](WriteTransaction& txn) {
    before = txn.next_inode_number();
    for (int i = 0; i < 3000; ++i) sequence = txn.next_sequence();
    txn.put(full_record(before));
  });
  const std::uint64_t generation = index->generation();
  ASSERT_TRUE(journal->commit(IndexGenerationBegun{generation}));
  pretend_machine_stopped();
  reopen();
  EXPECT_TRUE(something_was_set_aside());
  EXPECT_FALSE(index->read()->inode(before));
  EXPECT_NE(index->generation(), generation);
  write([&](WriteTransaction& txn) {
    EXPECT_GT(txn.next_inode_number(), before);
    EXPECT_GT(txn.next_sequence(), sequence);
  });
}

class IndexNumbers : public IndexTest {
 protected:
  // The last of so many, in one event.
  InodeNumber take(std::uint64_t count) {
    InodeNumber last = 0;
    index->keep_numbers_ahead();
    const auto txn = index->write();
    for (; count > 0; --count) last = txn->next_inode_number();
    const auto committed = txn->commit();
    return committed ? last : 0;
  }
};

TEST_F(IndexNumbers, AreReservedOnDiskBeforeTheyAreHandedOut) {
  for (int i = 0; i < 8; ++i) {
    const InodeNumber last = take(400'000);
    ASSERT_NE(last, 0u);
    disk->lose_all_unsynced();
    EXPECT_LT(last, memory_journal(disk)->reserved_below());
  }
}

TEST_F(IndexNumbers, OfAnIndexThatWasRemovedAreNotUsedAgain) {
  InodeNumber last = take(400'000);
  for (int i = 0; i < 3; ++i) {
    index.reset();
    std::filesystem::remove_all(directory.path() / "index");
    reopen();
    const InodeNumber next = take(1);
    EXPECT_GT(next, last);
    last = next;
  }
}

TEST_F(IndexNumbers, GoOnWhereTheLastProcessStoppedWithoutAFlush) {
  const InodeNumber last = take(10);
  const auto flushes = disk->flushes();
  reopen();
  const InodeNumber next = take(1);
  EXPECT_GT(next, last);
  EXPECT_LE(next, last + 4096);
  EXPECT_EQ(disk->flushes(), flushes);
}

TEST_F(IndexNumbers, AreRefusedWhereNoneCanBeReserved) {
  disk->syncs_to_fail = 1;
  ASSERT_NE(take(600'000), 0u);  // what is ahead is enough
  ASSERT_NE(take(1), 0u);        // here the journal fails
  const auto txn = index->write();
  for (int i = 0; i < 600'000; ++i) txn->next_inode_number();
  const auto committed = txn->commit();
  EXPECT_EQ(errnum_of(committed), EIO);
  EXPECT_NE(committed.error().context.find("mount again"), std::string::npos);
}

TEST_F(IndexNumbers, OfADirectoryOfAnEarlierVersionBeginAboveItsRange) {
  index.reset();
  std::ofstream(directory.path() / "index" / "range") << "5\n";
  std::ofstream(directory.path() / "index" / "state") << "damaged\n";
  const auto empty = memory_journal();
  auto opened = Index::open(directory.path() / "index", kIdentity, system_clock(), *empty);
  ASSERT_TRUE(opened) << opened.error().context;
  const auto txn = (*opened)->write();
  EXPECT_GE(txn->next_inode_number(), InodeNumber{6} << 40);
  EXPECT_GE(txn->next_sequence(), std::uint64_t{6} << 40);
}

// Damage that a process meets while it runs: it ends before it answers, and the next one starts with an empty index.
class IndexDamagedWhileItRuns : public IndexTest {
 protected:
  // Opens the index in a process of its own and lets `work` go on with it. Returns the signal that ended it.
  template <class Work>
  int signal_that_ends(Work work) {
    index.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      const rlimit no_core{0, 0};
      ::setrlimit(RLIMIT_CORE, &no_core);
      auto opened = Index::open(directory.path() / "index", kIdentity, system_clock(), *journal);
      if (!opened) ::_exit(1);
      index = *std::move(opened);
      work();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  void expect_set_aside() {
    reopen();
    EXPECT_TRUE(something_was_set_aside(directory.path() / "index"));
    EXPECT_TRUE(index->read()->inode(kRootInode));
    EXPECT_TRUE(children(kRootInode).empty());
    const auto txn = index->write();
    EXPECT_GT(txn->next_inode_number(), InodeNumber{1} << 40);
  }
  void expect_death_by_record(MDB_dbi Databases::*database, std::string_view key, std::string_view bytes,
                              const std::function<void()>& read) {
    EXPECT_EQ(signal_that_ends([&] {
                damage(database, key, bytes);
                read();
              }),
              SIGABRT);
    expect_set_aside();
  }
};

TEST_F(IndexDamagedWhileItRuns, AnInodeThatCannotBeReadIsNotTakenAsAbsent) {
  expect_death_by_record(&Databases::inode, IndexKey(5).view(), "rubbish", [this] { index->read()->inode(5); });
}

TEST_F(IndexDamagedWhileItRuns, ANameThatCannotBeReadIsNotTakenAsAbsent) {
  expect_death_by_record(&Databases::dirent, dirent_key(1, "a").view(), "", [this] { index->read()->dirent(1, "a"); });
}

TEST_F(IndexDamagedWhileItRuns, AnIntentThatCannotBeReadIsNotTakenAsAbsent) {
  expect_death_by_record(&Databases::intent, IndexKey(6).view(), "\x01", [this] { index->read()->intents(); });
}

TEST_F(IndexDamagedWhileItRuns, AnUploadThatCannotBeReadIsNotTakenAsAbsent) {
  expect_death_by_record(&Databases::upload, IndexKey(7).view(), "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
                         [this] { index->read()->upload(7); });
}

TEST_F(IndexDamagedWhileItRuns, AChildWithoutARecordIsNotLeftOut) {
  const int signal = signal_that_ends([this] {
    write([](WriteTransaction& txn) { txn.bind(1, "a", Dirent{.number = 5}); });
    children(1);
  });
  EXPECT_EQ(signal, SIGABRT);
  expect_set_aside();
}

TEST_F(IndexDamagedWhileItRuns, AFileThatIsCutEndsOneProcessAndIsSetAside) {
  const int signal = signal_that_ends([this] {
    write([](WriteTransaction& txn) {
      for (InodeNumber n = 2; n < 3000; ++n) make(txn, 1, std::to_string(n), n);
    });
    std::filesystem::resize_file(directory.path() / "index" / "data.mdb", 3 * 4096);
    children(1);
  });
  EXPECT_EQ(signal, SIGBUS);
  std::string state;
  std::ifstream(directory.path() / "index" / "state") >> state;
  EXPECT_EQ(state, "faulted");
  expect_set_aside();
}

// Makes of an index what 0.1.0 would have written: records without seals, and a short state file.
void make_first_format(const std::filesystem::path& directory) {
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  ASSERT_EQ(mdb_env_create(&env), MDB_SUCCESS);
  mdb_env_set_maxdbs(env, 64);
  mdb_env_set_mapsize(env, std::size_t{64} << 20);  // that of the index is too large for some sanitizers
  ASSERT_EQ(mdb_env_open(env, directory.c_str(), 0, 0600), MDB_SUCCESS);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), MDB_SUCCESS);
  for (const char* name : {"inode", "dirent", "child", "intent", "orphan", "staged", "upload", "upload_part", "object",
                           "chunk", "recency", "block", "meta"}) {
    MDB_dbi database = 0;
    MDB_cursor* cursor = nullptr;
    ASSERT_EQ(mdb_dbi_open(txn, name, MDB_CREATE, &database), MDB_SUCCESS);
    ASSERT_EQ(mdb_cursor_open(txn, database, &cursor), MDB_SUCCESS);
    MDB_val key{}, value{};
    std::map<std::string, std::string> records;
    while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS)
      records[std::string(from_value(key))] = from_value(value).substr(0, value.mv_size - 4);
    mdb_cursor_close(cursor);
    if (records.contains(std::string(kMetaFormat))) records[std::string(kMetaFormat)][0] = 1;
    for (const auto& [place, bare] : records) {
      MDB_val where = to_value(place), what = to_value(bare);
      ASSERT_EQ(mdb_put(txn, database, &where, &what, 0), MDB_SUCCESS);
    }
  }
  ASSERT_EQ(mdb_txn_commit(txn), MDB_SUCCESS);
  mdb_env_close(env);
  std::ofstream(directory / "state", std::ios::trunc) << "closed 00000000-0000-0000-0000-000000000000\n";
}

TEST_F(IndexTest, OfTheFirstFormatIsTakenOver) {
  InodeNumber number = 0;
  write([&](WriteTransaction& txn) {
    number = txn.next_inode_number();
    make(txn, 1, "a", number);
    txn.put_intent(8, Intent{.state = IntentState::local, .detail = "from to"});
  });
  const std::uint64_t generation = index->generation();
  index.reset();
  ASSERT_NO_FATAL_FAILURE(make_first_format(directory.path() / "index"));
  for (int opened = 0; opened < 2; ++opened) {
    reopen();
    EXPECT_EQ(index->generation(), generation);
    EXPECT_EQ(children(1), std::vector<InodeNumber>{number});
    EXPECT_EQ(index->read()->intents().size(), 1u);
    EXPECT_GT(index->write()->next_inode_number(), number);
    EXPECT_FALSE(something_was_set_aside(directory.path() / "index"));
  }
}

// What bind, unbind and forget promise, in memory.
struct NameModel {
  std::map<std::pair<InodeNumber, std::string>, InodeNumber> names;

  std::vector<InodeNumber> children(InodeNumber parent) const {
    std::vector<InodeNumber> found;
    for (const auto& [where, number] : names)
      if (where.first == parent && number != 0) found.push_back(number);
    std::sort(found.begin(), found.end());
    return found;
  }
};

TEST_F(IndexTest, AgreesWithAModelUnderRandomNameOperations) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto below = [&](unsigned limit) { return random() % limit; };
  NameModel model;
  for (int step = 0; step < 300; ++step) {
    NameModel attempt = model;
    auto txn = index->write();
    for (unsigned change = below(20); change > 0; --change) {
      const InodeNumber parent = 1 + below(3);
      const std::string name = std::string(below(2) * 600, 'x') + std::to_string(below(30));
      const auto key = std::pair(parent, name);
      switch (below(4)) {
        case 0:
          txn->forget(parent, name);
          attempt.names.erase(key);
          break;
        case 1:
          txn->bind(parent, name, Dirent{});
          attempt.names[key] = 0;
          break;
        default: {
          const InodeNumber fresh = txn->next_inode_number();
          make(*txn, parent, name, fresh);
          attempt.names[key] = fresh;
        }
      }
    }
    if (below(5) != 0) {
      ASSERT_TRUE(txn->commit());
      model = attempt;
    }
    txn.reset();
    if (below(50) == 0) reopen();
    const auto read = index->read();
    for (const auto& [where, number] : model.names) ASSERT_EQ(read->dirent(where.first, where.second)->number, number);
  }
  for (const InodeNumber parent : {1, 2, 3}) EXPECT_EQ(children(parent), model.children(parent));
}

TEST(UploadRecordTest, OneOfVersion010IsReadAndSaysNothingOfItsHeaders) {
  RecordWriter old;
  old.byte(1);
  old.number(16);
  old.number(99);
  old.text("dir/key");
  old.text("upload-1");
  const auto upload = decode_upload(old.take());
  ASSERT_TRUE(upload);
  EXPECT_EQ(upload->upload_id, "upload-1");
  EXPECT_EQ(upload->headers, 0u);
}

}  // namespace
}  // namespace pail::local
