// The index on LMDB.
#pragma once

#include <atomic>
#include <deque>

#include "local/environment/transaction.h"
#include "local/names/index.h"

namespace pail::local {

// Keys of the database "meta".
inline constexpr std::string_view kMetaGeneration = "generation";
inline constexpr std::string_view kMetaNextInode = "next_inode";        // no number from here on was handed out
inline constexpr std::string_view kMetaNextSequence = "next_sequence";  // likewise
inline constexpr std::string_view kMetaMoment = "moment";

extern const Schema kIndexSchema;

struct Databases {
  explicit Databases(const Environment& environment);
  MDB_dbi inode, dirent, child, intent, orphan, staged, upload, upload_part;
};

class LmdbIndex final : public Index {
 public:
  static Result<std::unique_ptr<LmdbIndex>> open(const std::filesystem::path& directory, std::string_view identity,
                                                 const Clock& clock, JournalState& journal);

  std::unique_ptr<ReadTransaction> read() override;
  std::unique_ptr<WriteTransaction> write() override;
  void keep_numbers_ahead() override PAIL_EXCLUDES(writing_);
  Result<Unit> sync() override { return environment_->sync(); }
  std::uint64_t generation() const override { return generation_; }
  const std::filesystem::path& directory() const override { return environment_->directory(); }
  bool machine_stopped() const override { return environment_->machine_stopped(); }
  [[noreturn]] void end_damaged(std::string_view what) override { environment_->end_damaged(what); }

  Environment& environment() { return *environment_; }
  const Databases& databases() const { return databases_; }

 private:
  friend class LmdbWrite;

  // Numbers that are handed out from memory; the index holds a limit above them, so that a number costs no write.
  struct Counter {
    std::string_view meta_key;
    std::uint64_t range;  // how far the limit is ahead
    std::uint64_t next = 0, limit = 0;
  };

  LmdbIndex(std::unique_ptr<Environment> environment, JournalState& journal)
      : environment_(std::move(environment)), databases_(*environment_), journal_(journal) {}
  Result<Unit> load(std::uint64_t former_numbers);
  void create(OwnedWrite& write, std::uint64_t former_numbers);
  Result<Unit> reserve_first_numbers();
  void load_done_intents(MDB_txn* txn);

  const std::unique_ptr<Environment> environment_;
  const Databases databases_;
  JournalState& journal_;
  std::uint64_t generation_ = 0;
  std::atomic<std::uint64_t> numbers_left_{0};  // that are reserved, as of the last commit
  std::atomic<bool> reserving_{false};

  Mutex writing_;  // held by the one write transaction; guards what follows
  Counter inode_counter_{.meta_key = kMetaNextInode, .range = 4096};
  Counter sequence_counter_{.meta_key = kMetaNextSequence, .range = 65536};
  InodeNumber reserved_below_ = 0;          // numbers of the journal
  InodeNumber highest_put_ = 0;             // a higher one is appended, which fills pages wholly
  std::deque<std::uint64_t> done_intents_;  // in the order they were done
};

}  // namespace pail::local
