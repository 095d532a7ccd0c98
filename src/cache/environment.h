// The LMDB environment behind the index: opening, its named databases, and transactions with an owner.
//
// Thread-safe. Read transactions are pooled, because making one costs more than a lookup.
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
#include "pailfs/base/result.h"

namespace pail::cache {

struct Databases {
  MDB_dbi inode, dirent, child, intent, orphan, staged, upload, upload_part;  // of the index
  MDB_dbi object, chunk, recency, block;                                      // of the block cache
  MDB_dbi meta;                                                               // of both
};

// An Error from a return code of LMDB, which is an errno when positive.
Error lmdb_error(int code, std::string_view what);

MDB_val to_value(std::string_view bytes);
std::string_view from_value(const MDB_val& value);

// The value of `key`, borrowed until the transaction ends or writes; none when it is absent. `code` is MDB_SUCCESS or
// MDB_NOTFOUND when the database answered, or why it could not.
std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi database, std::string_view key, int& code);

class Environment {
 public:
  // Opens or creates the environment in `directory`, which exists. One that is found damaged after an unclean stop of
  // the machine is set aside under another name and a new one made.
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

  Result<Unit> sync();
  // Called with every transaction: now and then gives pages of the map back, which count as memory of the process
  // though they are the page cache's.
  void bound_resident_pages();

 private:
  friend class PooledRead;
  explicit Environment(std::filesystem::path directory) : directory_(std::move(directory)) {}
  Result<Unit> lock();
  Result<Unit> open_environment();
  Result<Unit> open_databases();
  void set_aside();
  void close_environment();
  MDB_txn* borrow_read(int& code) PAIL_EXCLUDES(pool_mutex_);
  void return_read(MDB_txn* txn) PAIL_EXCLUDES(pool_mutex_);

  std::filesystem::path directory_;
  UniqueFd lock_;
  MDB_env* env_ = nullptr;
  Databases databases_{};
  std::span<std::byte> map_;  // of the environment's file
  bool machine_stopped_ = false;
  std::atomic<unsigned> transactions_{0};

  Mutex pool_mutex_;
  std::vector<MDB_txn*> pool_ PAIL_GUARDED_BY(pool_mutex_);  // reset, ready to be renewed
};

// A read transaction, taken from the pool and given back. get() is null when there is none to be had (logged).
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

}  // namespace pail::cache
