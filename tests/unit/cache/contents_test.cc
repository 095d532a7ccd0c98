// Contents: how they are found, and that they stay what they are while objects are copied.
#include <lmdb.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>

#include "cache/block_catalogue.h"
#include "cache/known_contents.h"
#include "cache_fixture.h"

namespace pail::cache {
namespace {

class ContentsTest : public BlockCacheTest {
 protected:
  // Reads the first block of what the cache knows of the version; checks that it has the bytes of `original`.
  bool holds(const ObjectVersion& version, const ObjectContent& original) {
    std::vector<std::byte> out(std::min(kBlockSize.n, version.size.n));
    out.resize(cache->read({cache->identify(version), version}, ByteOffset{0}, out));
    EXPECT_TRUE(out == content(original, 0, out.size())) << version.key;
    return !out.empty();
  }
  ObjectContent inserted(const std::string& key, ByteCount size) {
    const ObjectContent object{cache->identify(version_of(key, size)), version_of(key, size)};
    insert(object, 0);
    return object;
  }
  void copied(const ObjectVersion& from, const ObjectVersion& to) {
    const Copy copy{from, to};
    cache->copied({&copy, 1});
  }
  // Records of each database, by name.
  std::map<std::string, std::size_t> records() {
    std::map<std::string, std::size_t> found;
    change_records([&](MDB_txn* txn) {
      for (const char* name : {"object", "version", "chunk", "recency", "block"}) {
        MDB_dbi database = 0;
        MDB_stat stat{};
        EXPECT_EQ(mdb_dbi_open(txn, name, 0, &database), MDB_SUCCESS);
        EXPECT_EQ(mdb_stat(txn, database, &stat), MDB_SUCCESS);
        found[name] = stat.ms_entries;
      }
    });
    return found;
  }
  // While no process has the cache open.
  template <class Change>
  void change_records(Change change) {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_env_create(&env), MDB_SUCCESS);
    mdb_env_set_maxdbs(env, 64);
    mdb_env_set_mapsize(env, std::size_t{1} << 30);
    ASSERT_EQ(mdb_env_open(env, (directory.path() / "index").c_str(), 0, 0600), MDB_SUCCESS);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), MDB_SUCCESS);
    change(txn);
    EXPECT_EQ(mdb_txn_commit(txn), MDB_SUCCESS);
    mdb_env_close(env);
  }
  // As version 0.1.0 left it, which named a content by its version and had no other way to find it.
  void leave_as_before(const ObjectVersion& version) {
    cache.reset();
    const pid_t child = ::fork();
    if (child == 0) {
      reopen();
      const ObjectContent object{*ContentId::from_text(fingerprint(version)), version};
      insert(object, 0);
      ::kill(::getpid(), SIGKILL);
    }
    ::waitpid(child, nullptr, 0);
    change_records([](MDB_txn* txn) {
      constexpr int kWithTheDatabase = 1;
      MDB_dbi database = 0;
      ASSERT_EQ(mdb_dbi_open(txn, "version", 0, &database), MDB_SUCCESS);
      ASSERT_EQ(mdb_drop(txn, database, kWithTheDatabase), MDB_SUCCESS);
    });
  }
};

TEST_F(ContentsTest, AVersionHasOneContentAndEveryOtherVersionAnother) {
  const ObjectVersion version{"a", "\"e\"", 3_MiB};
  const ContentId id = cache->identify(version);
  EXPECT_EQ(cache->identify(version), id);
  EXPECT_NE(cache->identify({"b", "\"e\"", 3_MiB}), id);
  EXPECT_NE(cache->identify({"a", "\"f\"", 3_MiB}), id);
  EXPECT_NE(cache->identify({"a", "\"e\"", 2_MiB}), id);
}

TEST_F(ContentsTest, AContentIsFoundByItsVersionAfterTheCacheWasOpenedAgain) {
  const ObjectContent object = inserted("a", 1_MiB);
  reopen();
  EXPECT_EQ(cache->identify(object.version), object.id);
  EXPECT_TRUE(holds(object.version, object));
}

TEST_F(ContentsTest, AnObjectWithoutAnETagIsNeverTheSame) {
  const ObjectVersion version{"a", "", 1_MiB};
  EXPECT_NE(cache->identify(version), cache->identify(version));
  const ObjectContent object{cache->identify(version), version};
  insert(object, 0);
  EXPECT_FALSE(cache->contains(object, 0));
}

TEST_F(ContentsTest, AnObjectAndItsCopyAreOneContent) {
  const ObjectContent object = inserted("a", 1_MiB);
  const ObjectVersion copy{"b", "\"of the copy\"", 1_MiB};
  copied(object.version, copy);
  EXPECT_EQ(cache->identify(copy), object.id);
  EXPECT_TRUE(holds(copy, object));
  reopen();
  EXPECT_TRUE(holds(copy, object));
  EXPECT_TRUE(holds(object.version, object)) << "the rest of a rename may fail";
}

TEST_F(ContentsTest, OfSeveralCopiesTheLastIsKnownAndWhatItWasMadeOf) {
  const ObjectContent object = inserted("a", 1_MiB);
  copied(object.version, version_of("b", 1_MiB));
  copied(version_of("b", 1_MiB), version_of("c", 1_MiB));
  reopen();
  EXPECT_TRUE(holds(version_of("c", 1_MiB), object));
  EXPECT_TRUE(holds(version_of("b", 1_MiB), object));
  EXPECT_FALSE(holds(version_of("a", 1_MiB), object));
}

TEST_F(ContentsTest, ManyCopiesAtOnceAreAsOneAfterTheOther) {
  const ObjectContent object = inserted("a", 1_MiB), other = inserted("x", 1_MiB);
  const ObjectContent waiting{cache->identify(version_of("w", 1_MiB)), version_of("w", 1_MiB)};
  cache->insert(waiting, 0, block_of(waiting, 0));
  cache->copied(std::vector<Copy>{{object.version, version_of("b", 1_MiB)},
                                  {version_of("unknown", 1_MiB), version_of("u", 1_MiB)},
                                  {version_of("b", 1_MiB), version_of("c", 1_MiB)},
                                  {waiting.version, version_of("v", 1_MiB)},
                                  {other.version, version_of("y", 1_MiB)}});
  cache->drain();
  reopen();
  EXPECT_TRUE(holds(version_of("c", 1_MiB), object));
  EXPECT_TRUE(holds(version_of("b", 1_MiB), object));
  EXPECT_FALSE(holds(version_of("a", 1_MiB), object));
  EXPECT_TRUE(holds(version_of("v", 1_MiB), waiting));
  EXPECT_TRUE(holds(version_of("y", 1_MiB), other));
  EXPECT_FALSE(holds(version_of("u", 1_MiB), object));
}

TEST_F(ContentsTest, WhatIsCopiedWhileItWaitsToBeWrittenIsFoundByTheCopy) {
  const ObjectVersion version = version_of("a", 1_MiB), copy = version_of("b", 1_MiB);
  const ObjectContent object{cache->identify(version), version};
  cache->insert(object, 0, block_of(object, 0));
  copied(version, copy);
  cache->drain();
  reopen();
  EXPECT_TRUE(holds(copy, object));
}

TEST_F(ContentsTest, WhatIsCopiedWhileTheWriterTakesItIsFoundByTheCopy) {
  constexpr int kContents = 500;
  const auto original = [](int i) { return version_of("a" + std::to_string(i), 4_KiB); };
  const auto copy = [](int i) { return version_of("b" + std::to_string(i), 4_KiB); };
  std::vector<ObjectContent> objects;
  for (int i = 0; i < kContents; ++i) {
    objects.push_back({cache->identify(original(i)), original(i)});
    cache->insert(objects.back(), 0, block_of(objects.back(), 0));
    copied(original(i), copy(i));
  }
  cache->drain();
  reopen();
  for (int i = 0; i < kContents; ++i) EXPECT_TRUE(holds(copy(i), objects[i])) << i;
}

TEST_F(ContentsTest, ACopyOfWhatIsNotKnownOrOfAnotherSizeIsAnotherContent) {
  const ObjectContent object = inserted("a", 1_MiB);
  copied(version_of("unknown", 1_MiB), version_of("b", 1_MiB));
  copied(object.version, version_of("b", 2_MiB));
  copied(object.version, {"b", "", 1_MiB});
  reopen();
  EXPECT_FALSE(holds(version_of("b", 1_MiB), object));
  EXPECT_TRUE(holds(object.version, object));
}

TEST_F(ContentsTest, AContentThatTookTheVersionOfAnotherIsFoundByItForAsLongAsItIsThere) {
  const ObjectContent over = inserted("b", 1_MiB), object = inserted("a", 1_MiB);
  copied(object.version, over.version);
  EXPECT_TRUE(holds(over.version, object));
  cache->drop(over);
  reopen();
  EXPECT_TRUE(holds(over.version, object));
}

TEST_F(ContentsTest, WhatWasAdoptedAndCopiedIsFoundAfterAKill) {
  const ObjectContent object = object_of("a", 1_MiB);
  const std::vector<std::uint64_t> checksums{xxh3(block_of(object, 0)->bytes)};
  const auto file = directory.path() / "upload";
  const auto opened = open_file(file, O_RDWR | O_CREAT, 0600);
  ASSERT_TRUE(write_at(opened->get(), {}, content(object, 0, object.version.size.n)));
  cache.reset();
  const pid_t child = ::fork();
  if (child == 0) {
    reopen();
    cache->adopt(object, file, checksums);
    copied(object.version, version_of("b", 1_MiB));
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  reopen();
  EXPECT_TRUE(holds(version_of("b", 1_MiB), object));
}

TEST_F(ContentsTest, NoRecordsStayOfContentsThatWent) {
  inserted("stays", 1_MiB);
  cache.reset();
  const auto before = records();
  reopen();
  for (int round = 0; round < 100; ++round) {
    const ObjectContent object = inserted("a" + std::to_string(round), 1_MiB);
    copied(object.version, version_of("b", 1_MiB));
    cache->drop(object);
  }
  cache.reset();
  EXPECT_EQ(records(), before);
}

TEST_F(ContentsTest, NoRecordsStayOfContentsThatWereEvicted) {
  options.capacity = 4_MiB;
  reopen();
  for (int i = 0; i < 100; ++i) inserted(std::to_string(i), 1_MiB);
  cache.reset();
  const auto left = records();
  EXPECT_EQ(left.at("object"), 4u);
  EXPECT_EQ(left.at("version"), 4u);
}

TEST_F(ContentsTest, ACacheOfAnOlderVersionIsTakenOver) {
  const ObjectContent object = object_of("a", 1_MiB);
  leave_as_before(object.version);
  reopen();
  EXPECT_TRUE(holds(object.version, object));
  copied(object.version, version_of("b", 1_MiB));
  reopen();
  EXPECT_TRUE(holds(version_of("b", 1_MiB), object));
}

TEST_F(ContentsTest, ACacheOfAnOlderVersionIsTakenOverAfterTheMachineStopped) {
  const ObjectContent object = object_of("a", 1_MiB);
  leave_as_before(object.version);
  std::filesystem::remove(directory.path() / "index" / "state");
  reopen();
  EXPECT_TRUE(holds(object.version, object));
}

TEST(KnownContents, TheFirstOfTwoThatNameAVersionAtTheSameTimeCounts) {
  KnownContents known;
  const ContentId first = known.add("v", ContentId::make());
  EXPECT_EQ(known.add("v", ContentId::make()), first);
  const ContentId other = ContentId::make();
  known.replace("v", other);
  EXPECT_EQ(known.find("v"), other);
}

TEST(KnownContents, ThoseThatWereAskedForLastAreKept) {
  KnownContents known;
  const ContentId kept = known.add("kept", ContentId::make());
  known.add("not", ContentId::make());
  for (std::size_t i = 0; i < KnownContents::kMost - 1; ++i) {
    known.find("kept");
    known.add(std::to_string(i), ContentId::make());
  }
  EXPECT_EQ(known.find("kept"), kept);
  EXPECT_FALSE(known.find("not"));
}

// ---- whole files from elsewhere

class AdoptFromElsewhereTest : public BlockCacheAdoptTest {
 protected:
  void SetUp() override {
    BlockCacheAdoptTest::SetUp();
    struct stat here {
    }, there{};
    if (::stat(directory.path().c_str(), &here) != 0 || ::stat("/dev/shm", &there) != 0 || here.st_dev == there.st_dev)
      GTEST_SKIP() << "/dev/shm is no other file system";
  }
  void TearDown() override { std::filesystem::remove(elsewhere); }
  std::vector<std::filesystem::path> unfinished() {
    std::vector<std::filesystem::path> found;
    for (const auto& file : files())
      if (file.extension() == ".new") found.push_back(file);
    return found;
  }

  const std::filesystem::path elsewhere = "/dev/shm/pailfs-adopt-test." + std::to_string(::getpid());
};

TEST_F(AdoptFromElsewhereTest, AFileOfAnotherFileSystemIsCopied) {
  const ObjectContent object = object_of("a", ByteCount{(2 << 20) + 5});
  EXPECT_TRUE(cache->adopt(object, write_whole(object, elsewhere), checksums(object)));
  EXPECT_FALSE(std::filesystem::exists(elsewhere));
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(read(object, 0, 4 << 20), object.version.size.n);
}

TEST_F(AdoptFromElsewhereTest, OneForWhichThereIsNoRoomIsLeftAlone) {
  const ObjectContent object = object_of("a", 2_MiB);
  options.min_free = ByteCount{1ull << 60};
  reopen();
  EXPECT_FALSE(cache->adopt(object, write_whole(object, elsewhere), checksums(object)));
  EXPECT_TRUE(std::filesystem::exists(elsewhere));
  EXPECT_TRUE(files().empty());
}

TEST_F(AdoptFromElsewhereTest, ACopyThatWasCutShortIsRemovedAtTheNextStart) {
  const auto half = directory.path() / "blocks" / (object_of("a", 1_MiB).id.text() + ".new");
  write_whole(object_of("a", ByteCount{100}), half);
  ASSERT_EQ(unfinished().size(), 1u);
  reopen();
  EXPECT_TRUE(unfinished().empty());
}

}  // namespace
}  // namespace pail::cache
