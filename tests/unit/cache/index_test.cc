#include "cache/index.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "base/file.h"
#include "cache/codec.h"
#include "cache/lmdb_index.h"
#include "temporary_directory.h"

namespace pail::cache {
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

class IndexTest : public ::testing::Test {
 protected:
  void SetUp() override { reopen(); }

  void reopen() {
    index.reset();
    auto opened = Index::open(directory.path() / "index", kIdentity);
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
    Environment& environment = dynamic_cast<LmdbIndex&>(*index).environment();
    OwnedWrite raw(environment);
    raw.put(environment.databases().*database, key, bytes);
    ASSERT_TRUE(raw.commit());
  }

  TemporaryDirectory directory;
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

TEST_F(IndexTest, UpdateChangesTheInodeAsItIsNotAsItWasRead) {
  InodeRecord record = full_record(10);
  auto change = index->write();
  change->put(record);
  ASSERT_TRUE(change->commit());
  change = index->write();
  ASSERT_TRUE(change->update(10, [](InodeRecord& now) { now.permissions = 0600; }));
  ASSERT_TRUE(change->update(10, [](InodeRecord& now) { now.uid = 7; }));
  EXPECT_EQ(errnum_of(change->update(11, [](InodeRecord&) {})), ESTALE);
  ASSERT_TRUE(change->commit());
  EXPECT_EQ(index->read()->inode(10)->permissions, 0600u);
  EXPECT_EQ(index->read()->inode(10)->uid, 7u);
}

TEST_F(IndexTest, GenerationStaysOnReopenAndDiffersBetweenIndexes) {
  const std::uint64_t generation = index->generation();
  reopen();
  EXPECT_EQ(index->generation(), generation);
  const auto other = Index::open(directory.path() / "other", kIdentity);
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
    txn.bind(1, "a", Dirent{.number = 300});
    txn.bind(1, "b", Dirent{.number = 7});
    txn.bind(1, "c", Dirent{.number = 256});
    txn.bind(2, "elsewhere", Dirent{.number = 8});
  });
  EXPECT_EQ(children(1), (std::vector<InodeNumber>{7, 256, 300}));
  EXPECT_EQ(children(1, 7), (std::vector<InodeNumber>{256, 300}));
  EXPECT_TRUE(children(1, ~InodeNumber{0}).empty());
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
    txn.unbind(1, "\xff", Dirent{});
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
    txn.bind(1, "a", Dirent{.number = 5});
    txn.bind(1, "b", Dirent{.number = 6});
  });
  write([](WriteTransaction& txn) {
    txn.bind(1, "a", Dirent{.number = 6});
    txn.bind(1, "b", Dirent{.number = 5});
  });
  EXPECT_EQ(children(1), (std::vector<InodeNumber>{5, 6}));
}

TEST_F(IndexTest, RenameOverAnotherNameLeavesOneChild) {
  write([](WriteTransaction& txn) {
    txn.bind(1, "new", Dirent{.number = 5});
    txn.bind(1, "old", Dirent{.number = 6});
  });
  write([](WriteTransaction& txn) {
    txn.bind(1, "old", Dirent{.number = 5});
    txn.unbind(1, "new", Dirent{});
  });
  EXPECT_EQ(children(1), std::vector<InodeNumber>{5});
}

TEST_F(IndexTest, UnboundNameIsKnownToBeAbsentUntilForgotten) {
  write([](WriteTransaction& txn) { txn.bind(1, "a", Dirent{.number = 5}); });
  write([](WriteTransaction& txn) { txn.unbind(1, "a", Dirent{.number = 5, .changed_seq = 77}); });
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
    txn.put_upload(5, UploadRecord{"dir/key", "upload-1", ByteCount{16}, ByteCount{99}});
    txn.put_upload_part(5, UploadPartRecord{300, "\"b\"", "md5-b"});
    txn.put_upload_part(5, UploadPartRecord{2, "\"a\"", "md5-a"});
    txn.put_upload_part(6, UploadPartRecord{1, "\"c\"", ""});
  });
  const auto upload = index->read()->upload(5);
  ASSERT_TRUE(upload);
  EXPECT_EQ(upload->upload_id, "upload-1");
  EXPECT_EQ(upload->size, ByteCount{99});
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
  const auto second = Index::open(directory.path() / "index", kIdentity);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().errnum, EBUSY);
  EXPECT_NE(second.error().context.find(std::to_string(::getpid())), std::string::npos);
}

TEST_F(IndexTest, OfAnotherBucketIsRefused) {
  index.reset();
  const auto other = Index::open(directory.path() / "index", "https://cos.example/other/");
  EXPECT_EQ(errnum_of(other), EINVAL);
}

TEST_F(IndexTest, DamagedRecordsAreAbsent) {
  damage(&Databases::inode, IndexKey(5).view(), "rubbish");
  damage(&Databases::dirent, IndexKey::of_dirent(1, "a").view(), "");
  damage(&Databases::intent, IndexKey(6).view(), "\x01");
  damage(&Databases::upload, IndexKey(7).view(), "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff");
  const auto read = index->read();
  EXPECT_FALSE(read->inode(5));
  EXPECT_FALSE(read->dirent(1, "a"));
  EXPECT_FALSE(read->intent(6));
  EXPECT_TRUE(read->intents().empty());
  EXPECT_FALSE(read->upload(7));
}

TEST(InodeRecordCodec, AnyTruncatedRecordIsRefused) {
  const std::string whole = encode(full_record(5));
  ASSERT_TRUE(decode_inode(5, whole));
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_FALSE(decode_inode(5, whole.substr(0, size)));
  EXPECT_FALSE(decode_inode(5, whole + 'x'));
}

// Another process hands out numbers and dies without a farewell; returns the last of them.
InodeNumber last_number_of_killed_process(const std::filesystem::path& directory, int numbers) {
  int pipe_ends[2];
  if (::pipe(pipe_ends) != 0) return 0;
  const pid_t child = ::fork();
  if (child == 0) {
    auto index = Index::open(directory, kIdentity);
    InodeNumber last = 0;
    for (int i = 0; i < numbers; ++i) {
      const auto txn = (*index)->write();
      last = txn->next_inode_number();
      txn->bind(1, std::to_string(last), Dirent{.number = last});
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
  InodeNumber last = 1;
  for (const int numbers : {1, 4095, 5000}) {
    const InodeNumber now = last_number_of_killed_process(directory.path(), numbers);
    ASSERT_GE(now, last + static_cast<InodeNumber>(numbers));
    last = now;
    const auto index = Index::open(directory.path(), kIdentity);
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
  bool something_was_set_aside() const {
    for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "index"))
      if (entry.path().filename().string().starts_with("damaged-")) return true;
    return false;
  }
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
          txn->unbind(parent, name, Dirent{});
          attempt.names[key] = 0;
          break;
        default: {
          const InodeNumber fresh = txn->next_inode_number();
          txn->bind(parent, name, Dirent{.number = fresh});
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

}  // namespace
}  // namespace pail::cache
