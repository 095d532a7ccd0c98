// An LMDB environment: opening, its named databases, and transactions with an owner. The index is in one, the catalogue
// of the block cache in another.
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
#include "local/environment/fault_note.h"
#include "local/environment/map_file.h"
#include "local/environment/state_file.h"
#include "pailfs/base/result.h"

namespace pail::local {

enum class Verdict { sound, damaged };
enum class Sealing { absent, present };  // absent: the first format, of 0.1.0

// What an environment holds beside "meta", which says of which bucket view it is. Lives for ever.
struct Schema {
  const char* kind;        // in messages: "index"
  const char* after_loss;  // in messages: where its content comes from when it begins empty
  std::span<const char* const> databases;
  enum class FullDisk { is_prepared_for, fails_commits } full_disk;
  // Whether all records can be read and agree with each other. Called in a process of its own, as it may crash.
  bool (*agrees)(MDB_txn* txn, Sealing sealing);
};

// Keys of "meta".
inline constexpr std::string_view kMetaFormat = "format";
inline constexpr std::string_view kMetaIdentity = "identity";

// An Error from a return code of LMDB, which is an errno when positive.
Error lmdb_error(int code, std::string_view what);

MDB_val to_value(std::string_view bytes);
std::string_view from_value(const MDB_val& value);

// LMDB found pages that it could not have written.
bool is_damage(int code);

// The value of `key`, borrowed until the transaction ends or writes; none when it is absent. `code` is MDB_SUCCESS or
// MDB_NOTFOUND when the database answered, or why it could not. Does not return when it is damaged.
std::optional<std::string_view> get(MDB_txn* txn, MDB_dbi database, std::string_view key, int& code);

class OwnedWrite;

// What becomes of an environment that was open when the machine stopped (power cut, panic): what was not synced may be
// missing from it. salvage: what can be read goes on. begin_anew: it is set aside, all that it alone knew is elsewhere.
enum class AfterMachineStop { salvage, begin_anew };

class Environment {
 public:
  // Opens or creates the environment in `directory`, which exists. One that is found damaged is set aside under another
  // name and a new one made. What is looked at: the length of the file always; everything when the machine stopped,
  // when damage was noted, and when it was closed in order and is not too large for it. Databases of an older format
  // that are not in the schema are removed. `identity` names the bucket view.
  // `clock` outlives it.
  // Errors: EBUSY another process holds it; EINVAL it is of another bucket view or of a newer format; ENOSPC, EIO.
  static Result<std::unique_ptr<Environment>> open(const std::filesystem::path& directory, const Schema& schema,
                                                   std::string_view identity, const Clock& clock,
                                                   AfterMachineStop after_stop = AfterMachineStop::salvage);
  // Syncs, and notes that it was closed in order.
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  MDB_env* get() const { return env_; }
  MDB_dbi database(std::size_t number) const { return databases_[number]; }  // of Schema::databases
  MDB_dbi meta() const { return meta_; }
  const std::filesystem::path& directory() const { return directory_; }
  const Clock& clock() const { return clock_; }
  // The machine stopped (power cut, panic) since the last process had it open: what was not synced may be missing.
  bool machine_stopped() const { return machine_stopped_; }

  // Notes the damage and ends the process: what it would answer may be wrong.
  [[noreturn]] void end_damaged(std::string_view what);
  // The same, where `code` of LMDB means damage; else it returns.
  void check(int code, std::string_view what);
  // Ends the process, which cannot read: it would take names for absent.
  [[noreturn]] void end_unreadable(int code);

  // Held for a write transaction: of them there is one at a time.
  Mutex& writers() { return writers_; }
  Result<Unit> sync();
  // After every commit.
  void keep_reserve() {
    if (reserve_) reserve_->keep();
  }
  // Called with every transaction: now and then gives pages of the map back, which count as memory of the process
  // though they are the page cache's.
  void bound_resident_pages();

 private:
  friend class PooledRead;
  enum class Opened { sound, damaged };

  Environment(std::filesystem::path directory, const Schema& schema, const Clock& clock)
      : directory_(std::move(directory)), schema_(schema), clock_(clock) {}
  Result<Unit> lock();
  Result<Verdict> examine() const;
  bool begins_anew(AfterMachineStop after_stop) const;
  Result<Unit> open_environment();
  Result<Unit> claim(std::string_view identity);
  Result<Unit> check_format(OwnedWrite& write);
  Result<Unit> remove_others(OwnedWrite& write);
  Result<Opened> try_to_open();
  Result<Opened> open_map();
  Result<Opened> open_databases();
  Result<Unit> set_aside(std::string_view why);
  void watch();
  void close_environment();
  MDB_txn* borrow_read(int& code) PAIL_EXCLUDES(pool_mutex_);
  void return_read(MDB_txn* txn) PAIL_EXCLUDES(pool_mutex_);

  const std::filesystem::path directory_;
  const Schema& schema_;
  const Clock& clock_;
  UniqueFd lock_;
  std::optional<StateFile> state_;
  MDB_env* env_ = nullptr;
  std::vector<MDB_dbi> databases_;
  MDB_dbi meta_ = 0;
  std::span<std::byte> map_;  // of the environment's file
  std::optional<FaultNote> fault_note_;
  std::optional<Reserve> reserve_;
  bool machine_stopped_ = false;
  std::atomic<unsigned> transactions_{0};
  Mutex writers_;

  Mutex pool_mutex_;
  std::vector<MDB_txn*> pool_ PAIL_GUARDED_BY(pool_mutex_);  // reset, ready to be renewed
};

}  // namespace pail::local
