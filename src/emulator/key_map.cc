#include "emulator/key_map.h"

#include <fmt/format.h>

#include <cerrno>

namespace pail::emulator {
namespace {

constexpr std::size_t kRootBytes = 8;
// Of a key, what is stored under one root: 511 less the root and the byte that marks a cut key.
constexpr std::size_t kStep = 511 - kRootBytes - 1;

MDB_val val_of(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};
}
std::string_view view_of(const MDB_val& val) {
  return {static_cast<const char*>(val.mv_data), val.mv_size};
}

std::string leaf_key(std::uint64_t root, std::string_view key) {
  return big_endian(root).append(key);
}
// One byte longer than any leaf, so it sorts after the key that is its whole head and is told apart by length.
std::string link_key(std::uint64_t root, std::string_view key) {
  return big_endian(root).append(key.substr(0, kStep)).append(1, '\0');
}
bool is_link(std::string_view stored) {
  return stored.size() == kRootBytes + kStep + 1;
}

}  // namespace

Error lmdb_error(int status, std::string_view what) {
  const int errnum = status == MDB_MAP_FULL ? ENOSPC : status > 0 ? status : EIO;
  return Error{errnum, fmt::format("index: {}: {}", what, mdb_strerror(status))};
}

Result<Txn> Txn::begin(MDB_env* env, Kind kind) {
  MDB_txn* txn = nullptr;
  if (const int status = mdb_txn_begin(env, nullptr, kind == Kind::read ? MDB_RDONLY : 0, &txn); status != 0)
    return lmdb_error(status, "begin");
  return Txn(txn);
}

Result<Unit> Txn::commit() {
  if (const int status = mdb_txn_commit(txn_.release()); status != 0) return lmdb_error(status, "commit");
  return Unit{};
}

std::string big_endian(std::uint64_t number) {
  std::string out(8, '\0');
  for (std::size_t i = 8; i-- > 0; number >>= 8) out[i] = static_cast<char>(number & 255);
  return out;
}

std::uint64_t from_big_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (const char c : bytes.substr(0, 8)) number = number << 8 | static_cast<unsigned char>(c);
  return number;
}

Result<std::optional<std::string_view>> lmdb_get(const Txn& txn, MDB_dbi dbi, std::string_view key) {
  MDB_val wanted = val_of(key), found{};
  const int status = mdb_get(txn.get(), dbi, &wanted, &found);
  if (status == MDB_NOTFOUND) return std::optional<std::string_view>();
  if (status != 0) return lmdb_error(status, "get");
  return std::optional(view_of(found));
}

Result<Unit> lmdb_put(Txn& txn, MDB_dbi dbi, std::string_view key, std::string_view value) {
  MDB_val at = val_of(key), what = val_of(value);
  if (const int status = mdb_put(txn.get(), dbi, &at, &what, 0); status != 0) return lmdb_error(status, "put");
  return Unit{};
}

Result<bool> lmdb_erase(Txn& txn, MDB_dbi dbi, std::string_view key) {
  MDB_val at = val_of(key);
  const int status = mdb_del(txn.get(), dbi, &at, nullptr);
  if (status == MDB_NOTFOUND) return false;
  if (status != 0) return lmdb_error(status, "delete");
  return true;
}

Result<std::uint64_t> next_root(Txn& txn, MDB_dbi meta) {
  PAIL_TRY(const auto last, lmdb_get(txn, meta, "last root"));
  const std::uint64_t root = (last ? from_big_endian(*last) : 0) + 1;
  PAIL_CHECK(lmdb_put(txn, meta, "last root", big_endian(root)));
  return root;
}

Result<std::optional<std::string_view>> KeyMap::get(const Txn& txn, std::uint64_t root, std::string_view key) const {
  while (key.size() > kStep) {
    PAIL_TRY(const auto link, lmdb_get(txn, dbi_, link_key(root, key)));
    if (!link) return std::optional<std::string_view>();
    root = from_big_endian(*link);
    key.remove_prefix(kStep);
  }
  return lmdb_get(txn, dbi_, leaf_key(root, key));
}

Result<Unit> KeyMap::put(Txn& txn, std::uint64_t root, std::string_view key, std::string_view value) const {
  while (key.size() > kStep) {
    const std::string stored = link_key(root, key);
    PAIL_TRY(const auto link, lmdb_get(txn, dbi_, stored));
    if (link) {
      root = from_big_endian(*link);
    } else {
      PAIL_TRY(root, next_root(txn, meta_));
      PAIL_CHECK(lmdb_put(txn, dbi_, stored, big_endian(root)));
    }
    key.remove_prefix(kStep);
  }
  return lmdb_put(txn, dbi_, leaf_key(root, key), value);
}

Result<bool> KeyMap::erase(Txn& txn, std::uint64_t root, std::string_view key) const {
  if (key.size() <= kStep) return lmdb_erase(txn, dbi_, leaf_key(root, key));
  const std::string stored = link_key(root, key);
  PAIL_TRY(const auto link, lmdb_get(txn, dbi_, stored));
  if (!link) return false;
  const std::uint64_t below = from_big_endian(*link);
  PAIL_TRY(const bool erased, erase(txn, below, key.substr(kStep)));
  Cursor rest(txn, *this, below);
  rest.seek({});
  if (!rest.valid() && !rest.error()) PAIL_CHECK(lmdb_erase(txn, dbi_, stored));
  return erased;
}

void KeyMap::Cursor::fail(int status) {
  valid_ = false;
  error_ = lmdb_error(status, "walk");
}

bool KeyMap::Cursor::push(std::uint64_t root, std::string prefix) {
  MDB_cursor* cursor = nullptr;
  if (const int status = mdb_cursor_open(txn_.get(), dbi_, &cursor); status != 0) {
    fail(status);
    return false;
  }
  Level level;
  level.cursor.reset(cursor);
  level.root = root;
  level.prefix = std::move(prefix);
  levels_.push_back(std::move(level));
  return true;
}

void KeyMap::Cursor::seek(std::string_view key) {
  valid_ = false;
  levels_.clear();
  if (!push(root_, {})) return;
  for (;;) {
    const Level& level = levels_.back();
    const bool cut = key.size() > kStep;
    const std::string target = cut ? link_key(level.root, key) : leaf_key(level.root, key);
    MDB_val found_key = val_of(target), found_value{};
    const int status = mdb_cursor_get(level.cursor.get(), &found_key, &found_value, MDB_SET_RANGE);
    if (!cut || status != 0 || view_of(found_key) != target) return settle(status, found_key, found_value);
    std::string prefix = level.prefix + std::string(key.substr(0, kStep));
    if (!push(from_big_endian(view_of(found_value)), std::move(prefix))) return;
    key.remove_prefix(kStep);
  }
}

void KeyMap::Cursor::next() {
  MDB_val found_key{}, found_value{};
  const int status = mdb_cursor_get(levels_.back().cursor.get(), &found_key, &found_value, MDB_NEXT);
  settle(status, found_key, found_value);
}

// From where LMDB's cursor stands goes down links and up from finished levels until it is on a key.
void KeyMap::Cursor::settle(int status, MDB_val found_key, MDB_val found_value) {
  for (;;) {
    if (status != 0 && status != MDB_NOTFOUND) return fail(status);
    Level& level = levels_.back();
    const std::string_view stored = status == 0 ? view_of(found_key) : std::string_view{};
    if (status == MDB_NOTFOUND || !stored.starts_with(big_endian(level.root))) {
      valid_ = false;
      if (levels_.size() == 1) return;
      levels_.pop_back();
      status = mdb_cursor_get(levels_.back().cursor.get(), &found_key, &found_value, MDB_NEXT);
      continue;
    }
    if (!is_link(stored)) {
      key_.assign(level.prefix).append(stored.substr(kRootBytes));
      value_ = view_of(found_value);
      valid_ = true;
      return;
    }
    std::string prefix = level.prefix + std::string(stored.substr(kRootBytes, kStep));
    if (!push(from_big_endian(view_of(found_value)), std::move(prefix))) return;
    const std::string first = big_endian(levels_.back().root);
    found_key = val_of(first);
    status = mdb_cursor_get(levels_.back().cursor.get(), &found_key, &found_value, MDB_SET_RANGE);
    // `first` ends here, but LMDB has pointed found_key into its own page unless nothing was found.
  }
}

}  // namespace pail::emulator
