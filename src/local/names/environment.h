// The LMDB environment behind the index: opening, its named databases, and transactions with an owner.
//
// Thread-safe. Read transactions are pooled, because making one costs more than a lookup.
//
// Every value carries a seal. Where one is broken, a page is damaged or two records contradict each other, the process
// notes that and ends before anything is answered from it: the next one sets the environment aside.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"
#include "local/names/fault_note.h"
#include "local/names/index_file.h"
#include "local/names/salvage.h"
#include "local/names/state_file.h"
#include "pailfs/base/result.h"

namespace pail::local {

struct Databases {
  MDB_dbi inode, dirent, child, intent, orphan, staged, upload, upload_part;  // of the index
  MDB_dbi object, chunk, recency, block;                                      // of the block cache
  MDB_dbi meta;                                                               // of both
};

// An Error from a return code of LMDB, which is an errno when positive.
Error lmdb_error(int code, std::string_view what);

MDB_val to_value(std::string_view bytes);
std::string_view from_value(const MDB_val& value);

// LMDB found pages that it could not have written.
bool is_damage(int code);

// The value of `key`, borrowed until the transaction ends or writes; none when it is absent. `code` is MDB_SUCCESS or
// MDB_NOTFOUND when the database answered, or why it could not. Does not return when it is damaged.
std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi database, std::string_view key, int& code);

class Environment {
 public:
  // Opens or creates the environment in `directory`, which exists. One that is found damaged is set aside under another
  // name and a new one made. What is looked at: the length of the file always; everything when the machine stopped,
  // when damage was noted, and when it was closed in order and is not too large for it.
  // Errors: EBUSY another process holds it; EINVAL it is of a newer format; ENOSPC, EIO.
  static Result<std::unique_ptr<Environment>> open(const std::filesystem::path& directory);
  // Syncs, and notes that it was closed in order.
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  MDB_env* get() const { return env_; }
  const Databases& databases() const { return databases_; }
  const std::filesystem::path& directory() const { return directory_; }
  // The machine stopped (power cut, panic) since the last process had it open: what was not synced may be missing.
  bool machine_stopped() const { return machine_stopped_; }
  // Above every number that an environment in this directory handed out before this one was made.
  std::uint64_t first_number() const { return first_number_; }

  // Notes the damage and ends the process: what it would answer may be wrong.
  [[noreturn]] void end_damaged(std::string_view what);
  // The same, where `code` of LMDB means damage; else it returns.
  void check(int code, std::string_view what);
  // Ends the process, which cannot read: it would take names for absent.
  [[noreturn]] void end_unreadable(int code);

  Result<Unit> sync();
  // After every commit.
  void keep_reserve() { reserve_->keep(); }
  // Called with every transaction: now and then gives pages of the map back, which count as memory of the process
  // though they are the page cache's.
  void bound_resident_pages();

 private:
  friend class PooledRead;
  enum class Opened { sound, damaged };

  explicit Environment(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<Unit> lock();
  Result<Verdict> examine() const;
  Result<Unit> open_environment();
  Result<Opened> try_to_open();
  Result<Opened> open_map();
  Result<Opened> open_databases();
  Result<Unit> choose_range();
  Result<Unit> set_aside();
  void watch();
  void close_environment();
  MDB_txn* borrow_read(int& code) PAIL_EXCLUDES(pool_mutex_);
  void return_read(MDB_txn* txn) PAIL_EXCLUDES(pool_mutex_);

  std::filesystem::path directory_;
  UniqueFd lock_;
  std::optional<StateFile> state_;
  MDB_env* env_ = nullptr;
  Databases databases_{};
  std::span<std::byte> map_;  // of the environment's file
  std::optional<FaultNote> fault_note_;
  std::optional<Reserve> reserve_;
  bool machine_stopped_ = false;
  std::uint64_t first_number_ = 0;
  std::atomic<unsigned> transactions_{0};

  Mutex pool_mutex_;
  std::vector<MDB_txn*> pool_ PAIL_GUARDED_BY(pool_mutex_);  // reset, ready to be renewed
};

// A read transaction, taken from the pool and given back. Does not return when there is none to be had.
class PooledRead {
 public:
  explicit PooledRead(Environment& environment);
  ~PooledRead();
  PooledRead(const PooledRead&) = delete;
  PooledRead& operator=(const PooledRead&) = delete;
  MDB_txn* get() const { return txn_; }

 private:
  Environment& environment_;
  MDB_txn* txn_;
};

// A write transaction; without commit() it changes nothing. The first error of any step is what commit() returns.
// put() seals; what LMDB is given past it must be sealed by the caller.
class OwnedWrite {
 public:
  explicit OwnedWrite(Environment& environment);
  ~OwnedWrite();
  OwnedWrite(const OwnedWrite&) = delete;
  OwnedWrite& operator=(const OwnedWrite&) = delete;

  MDB_txn* get() const { return txn_; }  // null when it could not begin, and after commit()
  void put(MDB_dbi database, std::string_view key, std::string_view value, unsigned flags = 0);
  void erase(MDB_dbi database, std::string_view key);  // absent is fine
  void note(int code);
  bool failed() const { return code_ != MDB_SUCCESS; }
  Result<Unit> commit();

 private:
  Environment& environment_;
  MDB_txn* txn_ = nullptr;
  int code_ = MDB_SUCCESS;
};

}  // namespace pail::local
