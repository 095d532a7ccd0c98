// Opening an environment, what is looked at, its disk space, and the checks of one that may be damaged.
#include "local/environment/environment.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "../temporary_directory.h"
#include "base/file.h"
#include "data_syncs.h"
#include "local/environment/map_file.h"
#include "local/environment/salvage.h"
#include "local/environment/seal.h"
#include "local/environment/state_file.h"
#include "local/environment/transaction.h"
#include "local/environment/walk.h"

namespace pail::local {

std::atomic<int> data_syncs{0};

}  // namespace pail::local

// Stands before libc's, also for LMDB.
extern "C" int fdatasync(int fd) {
  ++pail::local::data_syncs;
  return static_cast<int>(::syscall(SYS_fdatasync, fd));
}

namespace pail::local {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;
constexpr auto kDatabases = std::to_array<const char*>({"names"});

bool all_sealed(MDB_txn* txn, Sealing sealing) {
  return is_sealed(txn, "names", sealing);
}

const Schema kSchema{.kind = "test",
                     .after_loss = "",
                     .databases = kDatabases,
                     .full_disk = Schema::FullDisk::is_prepared_for,
                     .agrees = all_sealed};

class EnvironmentTest : public ::testing::Test {
 protected:
  EnvironmentTest() {
    std::error_code failed;
    fs::create_directory(folder_, failed);
    fs::permissions(folder_, fs::perms::owner_all);
  }

  std::unique_ptr<Environment> open(const Schema& schema = kSchema) {
    auto opened = Environment::open(folder_, schema, "view", system_clock());
    EXPECT_TRUE(opened) << opened.error().context;
    return *std::move(opened);
  }

  static void fill(Environment& environment, int records, std::size_t size = 20) {
    OwnedWrite write(environment);
    for (int i = 0; i < records; ++i)
      write.put(environment.database(0), "name-" + std::to_string(100'000 + i), std::string(size, 'v'));
    ASSERT_TRUE(write.commit());
  }

  fs::path file() const { return folder_ / "data.mdb"; }

  // Changes the file of an environment that is closed.
  void change(std::size_t at, std::string_view bytes) const {
    std::fstream out(file(), std::ios::binary | std::ios::in | std::ios::out);
    out.seekp(static_cast<std::streamoff>(at));
    out << bytes;
  }
  std::string page(std::size_t number) const {
    std::ifstream in(file(), std::ios::binary);
    in.seekg(static_cast<std::streamoff>(number * kPage));
    std::string bytes(kPage, '\0');
    in.read(bytes.data(), kPage);
    return bytes;
  }

  // Where in the file the value of a record lies.
  std::size_t place_of(std::string_view name) const {
    std::size_t at = 0;
    look([&](MDB_env*, MDB_txn* txn) {
      MDB_dbi database = 0;
      MDB_val key = to_value(name), value{};
      ASSERT_EQ(mdb_dbi_open(txn, "names", 0, &database), MDB_SUCCESS);
      ASSERT_EQ(mdb_get(txn, database, &key, &value), MDB_SUCCESS);
      at = static_cast<std::size_t>(static_cast<std::byte*>(value.mv_data) - find_map(file()).data());
    });
    return at;
  }

  // Reads the file with bare LMDB.
  void look(const std::function<void(MDB_env*, MDB_txn*)>& see) const {
    MDB_env* env = nullptr;
    MDB_txn* txn = nullptr;
    ASSERT_EQ(mdb_env_create(&env), MDB_SUCCESS);
    mdb_env_set_maxdbs(env, 8);
    mdb_env_set_mapsize(env, std::size_t{64} << 20);
    ASSERT_EQ(mdb_env_open(env, file().c_str(), MDB_RDONLY | MDB_NOSUBDIR | MDB_NOLOCK, 0600), MDB_SUCCESS);
    ASSERT_EQ(mdb_txn_begin(env, nullptr, MDB_RDONLY, &txn), MDB_SUCCESS);
    see(env, txn);
    mdb_txn_abort(txn);
    mdb_env_close(env);
  }

  TemporaryDirectory directory_;
  const fs::path folder_ = directory_.path() / "environment";
};

TEST_F(EnvironmentTest, TellsWhyLmdbFailed) {
  EXPECT_EQ(lmdb_error(ENOSPC, "write").errnum, ENOSPC);
  EXPECT_EQ(lmdb_error(MDB_MAP_FULL, "write").errnum, ENOSPC);
  EXPECT_EQ(lmdb_error(MDB_VERSION_MISMATCH, "open").errnum, EINVAL);
  EXPECT_EQ(lmdb_error(MDB_CORRUPTED, "read").errnum, EIO);
  EXPECT_NE(lmdb_error(MDB_CORRUPTED, "read").context.find("read"), std::string::npos);
}

TEST_F(EnvironmentTest, OfAnotherViewIsRefused) {
  open();
  const auto other = Environment::open(folder_, kSchema, "another", system_clock());
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().errnum, EINVAL);
  EXPECT_NE(other.error().context.find(folder_.string()), std::string::npos);
}

TEST_F(EnvironmentTest, OfANewerFormatIsRefusedAndLeftAsItIs) {
  {
    const auto environment = open();
    fill(*environment, 1);
    OwnedWrite write(*environment);
    put_meta_number(*environment, write, kMetaFormat, 4);
    ASSERT_TRUE(write.commit());
  }
  for (int i = 0; i < 2; ++i) {
    const auto opened = Environment::open(folder_, kSchema, "view", system_clock());
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().errnum, EINVAL);
    EXPECT_NE(opened.error().context.find("newer"), std::string::npos);
  }
}

TEST_F(EnvironmentTest, DropsDatabasesOfAnOlderFormatThatAreNotItsOwn) {
  static constexpr auto kBoth = std::to_array<const char*>({"names", "blocks"});
  Schema both = kSchema;
  both.databases = kBoth;
  {
    const auto environment = open(both);
    fill(*environment, 3);
    OwnedWrite write(*environment);
    put_meta_number(*environment, write, kMetaFormat, 2);
    ASSERT_TRUE(write.commit());
  }
  open();
  look([](MDB_env*, MDB_txn* txn) {
    const auto names = database_names(txn);
    ASSERT_TRUE(names);
    EXPECT_EQ(*names, (std::vector<std::string>{"meta", "names"}));
  });
  const auto environment = open();
  const PooledRead read(*environment);
  EXPECT_EQ(meta_number(*environment, read.get(), kMetaFormat, 0), 3u);
  int code = 0;
  EXPECT_TRUE(get(read.get(), environment->database(0), "name-100001", code));
}

TEST_F(EnvironmentTest, SyncsWhenItIsAskedTo) {
  const auto environment = open();
  fill(*environment, 1);
  const int before = data_syncs;
  EXPECT_TRUE(environment->sync());
  EXPECT_GT(data_syncs, before);
}

TEST_F(EnvironmentTest, AStepThatFailedFailsTheCommit) {
  const auto environment = open();
  {
    OwnedWrite write(*environment);
    write.put(environment->database(0), "a", "1");
    write.note(ENOSPC);
    EXPECT_TRUE(write.failed());
    EXPECT_EQ(errnum_of(write.commit()), ENOSPC);
  }
  const PooledRead read(*environment);
  int code = 0;
  EXPECT_FALSE(get(read.get(), environment->database(0), "a", code));
}

TEST_F(EnvironmentTest, GivesPagesOfItsMapBack) {
  const auto resident = [] {
    std::size_t size = 0, all = 0, shared = 0;
    std::ifstream("/proc/self/statm") >> size >> all >> shared;
    return shared * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  };
  const auto environment = open();
  for (int i = 0; i < 4; ++i) {
    OwnedWrite write(*environment);
    for (int k = 0; k < 8000; ++k)
      write.put(environment->database(0), std::to_string(i * 10'000 + k), std::string(4000, 'v'));
    ASSERT_TRUE(write.commit());
  }
  {
    const PooledRead read(*environment);
    EXPECT_TRUE(walk_database(read.get(), "names", [](const MDB_val&, const MDB_val& value) {
      return *static_cast<const char*>(value.mv_data) == 'v';  // which touches its page
    }));
  }
  const std::size_t before = resident();
  ASSERT_GT(before, std::size_t{100} << 20);
  for (int i = 0; i < 512; ++i) environment->bound_resident_pages();
  EXPECT_LT(resident() + (std::size_t{80} << 20), before);
}

TEST_F(EnvironmentTest, HasDiskSpaceBehindItsPages) {
  auto environment = open();
  fill(*environment, 1000);
  const std::uint64_t used = bytes_of_pages(environment->get()).n;
  EXPECT_GT(used, 2 * kPage);
  EXPECT_TRUE(holds_all_pages(environment->get()));
  EXPECT_GE(fs::file_size(file()), used + (1u << 20));
  fill(*environment, 200'000, 100);  // more than what was reserved
  EXPECT_GE(fs::file_size(file()), bytes_of_pages(environment->get()).n + (1u << 20)) << "reserved anew";
  fs::resize_file(file(), used);
  EXPECT_FALSE(holds_all_pages(environment->get()));
  make_room_for_all_pages(environment->get());
  EXPECT_TRUE(holds_all_pages(environment->get()));
}

TEST_F(EnvironmentTest, TheTableOfReadersHasItsDiskSpace) {
  const fs::path table = folder_ / "table";
  ASSERT_TRUE(allocate_reader_table(table));
  struct stat status {};
  ASSERT_EQ(::stat(table.c_str(), &status), 0);
  EXPECT_GE(status.st_blocks * 512, 64 << 10);
  EXPECT_EQ(errnum_of(allocate_reader_table(folder_ / "none" / "table")), ENOENT);
}

TEST_F(EnvironmentTest, ExaminationTellsASoundOneFromOthers) {
  std::uint64_t last = 0;
  {
    const auto environment = open();
    fill(*environment, 1000);
  }
  look([&](MDB_env* env, MDB_txn*) {
    MDB_envinfo info{};
    mdb_env_info(env, &info);
    last = info.me_last_txnid;
  });
  const auto verdict = [&](std::optional<std::uint64_t> transaction) {
    const auto examined = examine_environment(folder_, kSchema, transaction);
    EXPECT_TRUE(examined);
    return *examined;
  };
  EXPECT_EQ(verdict(last), Verdict::sound);
  EXPECT_EQ(verdict(std::nullopt), Verdict::sound);
  EXPECT_EQ(verdict(last + 1), Verdict::damaged) << "not the one that was closed";
  const std::size_t record = place_of("name-100500");
  change(record, "garbled");
  EXPECT_EQ(verdict(last), Verdict::damaged);
  change(record, "vvvvvvv");
  EXPECT_EQ(verdict(last), Verdict::sound);
}

TEST_F(EnvironmentTest, SalvageCopiesASoundOneAndLeavesAnother) {
  {
    const auto environment = open();
    fill(*environment, 1000);
  }
  const auto salvaged = salvage_environment(folder_, kSchema);
  ASSERT_TRUE(salvaged);
  EXPECT_EQ(*salvaged, Verdict::sound);
  look([](MDB_env*, MDB_txn* txn) { EXPECT_TRUE(is_sealed(txn, "names", Sealing::present)); });
  const std::size_t record = place_of("name-100500");
  change(record, "garbled");
  const auto refused = salvage_environment(folder_, kSchema);
  ASSERT_TRUE(refused);
  EXPECT_EQ(*refused, Verdict::damaged);
  EXPECT_EQ(place_of("name-100500"), record);
  EXPECT_TRUE(page(record / kPage).substr(record % kPage, 7) == "garbled");
}

TEST_F(EnvironmentTest, SalvageDoesWithoutADatabaseThatAnOlderVersionDidNotHave) {
  fill(*open(), 10);
  static constexpr auto kMore = std::to_array<const char*>({"names", "more"});
  Schema newer = kSchema;
  newer.databases = kMore;
  const auto salvaged = salvage_environment(folder_, newer);
  ASSERT_TRUE(salvaged);
  EXPECT_EQ(*salvaged, Verdict::sound);
  look([](MDB_env*, MDB_txn* txn) {
    EXPECT_TRUE(has_database(txn, "names"));
    EXPECT_FALSE(has_database(txn, "more"));
  });
}

TEST_F(EnvironmentTest, DamageThatLmdbFindsEndsTheProcess) {
  const auto environment = open();
  environment->check(MDB_MAP_FULL, "write");
  EXPECT_DEATH(environment->check(MDB_CORRUPTED, "write"), "");
}

TEST_F(EnvironmentTest, APageThatSaysItLiesElsewhereIsSeen) {
  {
    const auto environment = open();
    fill(*environment, 1000);
  }
  look([&](MDB_env* env, MDB_txn*) { EXPECT_TRUE(pages_lie_in_place(file(), env)); });
  // A leaf whose head has another number, as a stale twin of it would.
  std::size_t leaf = 0;
  for (std::size_t number = 2; leaf == 0; ++number)
    if (page(number).substr(8, 4) == std::string("\0\0\2\0", 4)) leaf = number;
  change(leaf * kPage, std::string(1, static_cast<char>(leaf + 1)));
  look([&](MDB_env* env, MDB_txn*) { EXPECT_FALSE(pages_lie_in_place(file(), env)); });
}

TEST_F(EnvironmentTest, FreePagesThatCannotBeAreSeen) {
  {
    const auto environment = open();
    for (int i = 0; i < 5; ++i) fill(*environment, 1000);
  }
  std::size_t at = 0;
  look([&](MDB_env* env, MDB_txn* txn) {
    EXPECT_TRUE(free_pages_are_sound(env, txn));
    constexpr MDB_dbi kFree = 0;
    MDB_cursor* cursor = nullptr;
    MDB_val key{}, value{};
    ASSERT_EQ(mdb_cursor_open(txn, kFree, &cursor), MDB_SUCCESS);
    while (at == 0 && mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS)
      if (value.mv_size >= 3 * sizeof(std::size_t))
        at = static_cast<std::size_t>(static_cast<std::byte*>(value.mv_data) - find_map(file()).data());
    mdb_cursor_close(cursor);
  });
  ASSERT_NE(at, 0u) << "no record of two free pages";
  std::ifstream in(file(), std::ios::binary);
  in.seekg(static_cast<std::streamoff>(at + 2 * sizeof(std::size_t)));
  std::string second(sizeof(std::size_t), '\0');
  in.read(second.data(), static_cast<std::streamsize>(second.size()));
  change(at + sizeof(std::size_t), second);  // the same page twice
  look([](MDB_env* env, MDB_txn* txn) { EXPECT_FALSE(free_pages_are_sound(env, txn)); });
}

TEST_F(EnvironmentTest, ARecordWithoutItsSealIsSeen) {
  const auto environment = open();
  fill(*environment, 10);
  OwnedWrite write(*environment);
  MDB_val key = to_value("bare"), value = to_value("no seal");
  ASSERT_EQ(mdb_put(write.get(), environment->database(0), &key, &value, 0), MDB_SUCCESS);
  EXPECT_FALSE(is_sealed(write.get(), "names", Sealing::present));
  EXPECT_TRUE(is_sealed(write.get(), "names", Sealing::absent));
}

TEST_F(EnvironmentTest, KeysAtTheEdgesOfLeavesMustBeFound) {
  const auto environment = open();
  fill(*environment, 10);
  const PooledRead read(*environment);
  LeafEdges edges(read.get(), environment->database(0), kPage);
  MDB_val of_nobody = to_value("name-100003");  // the key is there, but not in these bytes
  EXPECT_FALSE(edges.next(of_nobody));
  EXPECT_TRUE(sorts_behind(to_value("a"), to_value("b")));
  EXPECT_FALSE(sorts_behind(to_value("b"), to_value("b")));
  EXPECT_FALSE(sorts_behind(to_value("b"), to_value("a")));
}

TEST_F(EnvironmentTest, WhatHoldsItIsToldWhoElseAsks) {
  const auto environment = open();
  const auto second = Environment::open(folder_, kSchema, "view", system_clock());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().errnum, EBUSY);
  EXPECT_NE(second.error().context.find(std::to_string(::getpid())), std::string::npos);
}

TEST(StateFileTest, RemembersThatItWasClosedInOrder) {
  const TemporaryDirectory directory;
  {
    auto state = StateFile::open(directory.path(), "boot");
    ASSERT_TRUE(state);
    EXPECT_EQ(state->last_stop(), LastStop::never_used);
    ASSERT_TRUE(state->note_open());
  }
  {
    auto state = StateFile::open(directory.path(), "boot");
    ASSERT_TRUE(state);
    EXPECT_EQ(state->last_stop(), LastStop::process_killed);
    ASSERT_TRUE(state->note_closed(17));
  }
  {
    auto state = StateFile::open(directory.path(), "boot");
    ASSERT_TRUE(state);
    EXPECT_EQ(state->last_stop(), LastStop::in_order);
    EXPECT_EQ(state->last_transaction(), 17u);
    ASSERT_TRUE(state->note_damaged());
  }
  const auto state = StateFile::open(directory.path(), "boot");
  ASSERT_TRUE(state);
  EXPECT_EQ(state->last_stop(), LastStop::damaged);
}

}  // namespace
}  // namespace pail::local
