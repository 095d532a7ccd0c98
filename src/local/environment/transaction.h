// Transactions of an environment, with an owner: one that is not committed changes nothing.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <string_view>

#include "local/environment/environment.h"
#include "pailfs/base/result.h"

namespace pail::local {

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
  const MutexLock turn_;  // what LMDB itself would wait with, nobody sees
  MDB_txn* txn_ = nullptr;
  int code_ = MDB_SUCCESS;
};

// A number of the database "meta"; `fallback` when it is absent or damaged.
std::uint64_t meta_number(const Environment& environment, MDB_txn* txn, std::string_view key, std::uint64_t fallback);
void put_meta_number(const Environment& environment, OwnedWrite& write, std::string_view key, std::uint64_t value);

}  // namespace pail::local
