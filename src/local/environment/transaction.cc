#include "local/environment/transaction.h"

#include <cerrno>
#include <string>
#include <utility>

#include "local/codec.h"
#include "local/environment/seal.h"

namespace pail::local {

PooledRead::PooledRead(Environment& environment) : environment_(environment), txn_(nullptr) {
  int code = MDB_SUCCESS;
  txn_ = environment_.borrow_read(code);
  if (txn_ == nullptr) environment_.end_unreadable(code);
}

PooledRead::~PooledRead() {
  environment_.return_read(txn_);
  environment_.bound_resident_pages();
}

OwnedWrite::OwnedWrite(Environment& environment) : environment_(environment), turn_(environment.writers()) {
  code_ = mdb_txn_begin(environment.get(), nullptr, 0, &txn_);
  if (code_ == MDB_SUCCESS) return;
  environment.check(code_, "begin to write");
  txn_ = nullptr;
}

OwnedWrite::~OwnedWrite() {
  if (txn_ != nullptr) mdb_txn_abort(txn_);
}

void OwnedWrite::put(MDB_dbi database, std::string_view key, std::string_view value, unsigned flags) {
  if (failed()) return;
  const std::string bytes = sealed(key, value);
  MDB_val wanted = to_value(key), content = to_value(bytes);
  note(mdb_put(txn_, database, &wanted, &content, flags));
}

void OwnedWrite::erase(MDB_dbi database, std::string_view key) {
  if (failed()) return;
  MDB_val wanted = to_value(key);
  const int code = mdb_del(txn_, database, &wanted, nullptr);
  if (code != MDB_NOTFOUND) note(code);
}

void OwnedWrite::note(int code) {
  environment_.check(code, "write");
  if (code_ == MDB_SUCCESS) code_ = code;
}

Result<Unit> OwnedWrite::commit() {
  if (failed()) return lmdb_error(code_, environment_.directory().string());
  code_ = mdb_txn_commit(std::exchange(txn_, nullptr));
  if (failed()) return lmdb_error(code_, environment_.directory().string());
  environment_.keep_reserve();
  environment_.bound_resident_pages();
  code_ = EBADF;  // a second commit, or a change after it, is a mistake
  return Unit{};
}

std::uint64_t meta_number(const Environment& environment, MDB_txn* txn, std::string_view key, std::uint64_t fallback) {
  int code = MDB_SUCCESS;
  const auto bytes = get(txn, environment.meta(), key, code);
  if (!bytes) return fallback;
  RecordReader in(*bytes);
  const std::uint64_t value = in.fixed64();
  return in.complete() ? value : fallback;
}

void put_meta_number(const Environment& environment, OwnedWrite& write, std::string_view key, std::uint64_t value) {
  RecordWriter out;
  out.fixed64(value);
  write.put(environment.meta(), key, out.bytes());
}

}  // namespace pail::local
