#include "local/names/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <mutex>

#include "base/file.h"
#include "base/log.h"
#include "base/random.h"
#include "local/environment/seal.h"
#include "local/names/codec.h"
#include "local/names/index_check.h"
#include "local/names/index_reads.h"
#include "local/names/lmdb_index.h"

namespace pail::local {
namespace {

// In the order of the members of Databases.
constexpr auto kDatabases =
    std::to_array<const char*>({"inode", "dirent", "child", "intent", "orphan", "staged", "upload", "upload_part"});

constexpr std::size_t kDoneIntentsKept = 4096;
constexpr std::size_t kPrunedAtOnce = 256;  // a page or two, instead of one in every transaction
// After a power cut the limit in an index that is salvaged may be an old one: numbers go on far above what can have
// been handed out.
constexpr std::uint64_t kLeapAfterMachineStop = std::uint64_t{1} << 32;

// Each index of a directory begins its inode numbers and its sequence at a multiple of this, so that neither of another
// one comes again.
constexpr int kBitsOfRange = 40;

constexpr std::uint64_t kReservedAtOnce = std::uint64_t{1} << 20;
constexpr std::uint64_t kFewNumbers = kReservedAtOnce / 2;  // an event takes fewer by far

// Versions without a journal noted in a file which range of numbers they used.
std::uint64_t numbers_without_journal(const std::filesystem::path& directory) {
  std::error_code failed;
  if (!std::filesystem::exists(directory / "state", failed)) return 0;
  const auto range = read_file(directory / "range", ByteCount{32});
  return ((range ? std::strtoull(range->c_str(), nullptr, 10) : 0) << kBitsOfRange) + 1;
}

std::uint64_t first_of_next_range(std::uint64_t numbers) {
  return ((numbers + (std::uint64_t{1} << kBitsOfRange) - 1) >> kBitsOfRange) << kBitsOfRange;
}

std::uint64_t random_generation() {
  std::uint32_t random = 0;
  while (random == 0) random = random_number<std::uint32_t>() & 0x7fffffff;  // what file handles of every kernel carry
  return random;
}

InodeRecord root_record(WallTime now) {
  InodeRecord root;
  root.number = root.parent = kRootInode;
  root.type = FileType::directory;
  root.permissions = 0755;
  root.accessed = root.modified = root.changed = now;
  return root;
}

class LmdbRead final : public IndexReads<ReadTransaction> {
 public:
  LmdbRead(Environment& environment, const Databases& databases)
      : IndexReads(environment, databases), environment_(environment), pooled_(environment) {
    use(pooled_.get());
  }

 private:
  bool sees_whole_commits() const override { return true; }
  void failed(int code) override { environment_.end_unreadable(code); }

  Environment& environment_;
  PooledRead pooled_;
};

}  // namespace

class LmdbWrite final : public IndexReads<WriteTransaction> {
 public:
  explicit LmdbWrite(LmdbIndex& index)
      : IndexReads(*index.environment_, index.databases_),
        index_(index),
        turn_(index.writing_),
        write_(*index.environment_),
        inode_limit_(index.inode_counter_.limit),
        sequence_limit_(index.sequence_counter_.limit) {
    use(write_.get());
  }

  InodeNumber next_inode_number() override;
  std::uint64_t next_sequence() override { return take(index_.sequence_counter_, sequence_limit_); }

  void put(const InodeRecord& record) override;
  void erase(InodeNumber number) override;
  void bind(InodeNumber parent, std::string_view name, const Dirent& dirent) override;
  void forget(InodeNumber parent, std::string_view name) override;
  void put_intent(std::uint64_t unique, const Intent& intent) override;
  void erase_intent(std::uint64_t unique) override;
  void clear_intents() override;
  void put_upload(InodeNumber number, const UploadRecord& record) override;
  void put_upload_part(InodeNumber number, const UploadPartRecord& part) override;
  void erase_upload(InodeNumber number) override;
  void put_moment_anchor(const MomentAnchor& anchor) override;
  Result<Unit> commit() override;

 private:
  bool sees_whole_commits() const override { return false; }
  void failed(int code) override { write_.note(code); }
  std::uint64_t take(LmdbIndex::Counter& counter, std::uint64_t& limit);
  void keep_in_set(MDB_dbi set, const IndexKey& key, bool member);
  void remove_child(InodeNumber parent, std::string_view name);
  void prune_intents();

  LmdbIndex& index_;
  std::unique_lock<Mutex> turn_;  // longer than LMDB's own turn: what it guards changes after the commit
  OwnedWrite write_;
  // What becomes true of the index in memory when the commit succeeds.
  std::uint64_t inode_limit_, sequence_limit_;
  bool intents_cleared_ = false;
  bool numbers_used_up_ = false;
  std::size_t intents_pruned_ = 0;
  std::vector<std::uint64_t> newly_done_;
};

InodeNumber LmdbWrite::next_inode_number() {
  const InodeNumber number = take(index_.inode_counter_, inode_limit_);
  numbers_used_up_ = numbers_used_up_ || number >= index_.reserved_below_;
  return number;
}

std::uint64_t LmdbWrite::take(LmdbIndex::Counter& counter, std::uint64_t& limit) {
  const std::uint64_t number = counter.next++;
  if (number < limit) return number;
  limit = number + counter.range;
  put_meta_number(*index_.environment_, write_, counter.meta_key, limit);
  return number;
}

void LmdbWrite::keep_in_set(MDB_dbi set, const IndexKey& key, bool member) {
  if (member)
    write_.put(set, key.view(), {});
  else
    write_.erase(set, key.view());
}

void LmdbWrite::put(const InodeRecord& record) {
  const IndexKey key(record.number);
  if (record.number > index_.highest_put_ && !write_.failed()) {
    index_.highest_put_ = record.number;
    const std::string content = encode(record), bytes = sealed(key.view(), content);
    MDB_val wanted = to_value(key.view()), value = to_value(bytes);
    const int code = mdb_put(write_.get(), databases_.inode, &wanted, &value, MDB_APPEND);
    if (code == MDB_KEYEXIST)
      write_.put(databases_.inode, key.view(), content);
    else
      write_.note(code);
  } else {
    write_.put(databases_.inode, key.view(), encode(record));
  }
  keep_in_set(databases_.orphan, key, record.unlinked());
  keep_in_set(databases_.staged, key, record.content == Content::staged);
}

void LmdbWrite::erase(InodeNumber number) {
  const IndexKey key(number);
  for (const MDB_dbi database : {databases_.inode, databases_.orphan, databases_.staged})
    write_.erase(database, key.view());
}

void LmdbWrite::remove_child(InodeNumber parent, std::string_view name) {
  const auto former = dirent(parent, name);
  if (!former || former->number == 0) return;
  const IndexKey key(parent, former->number);
  const auto tag = value_of(databases_.child, key.view());
  if (tag && *tag == name_tag(name)) write_.erase(databases_.child, key.view());
}

void LmdbWrite::bind(InodeNumber parent, std::string_view name, const Dirent& dirent) {
  remove_child(parent, name);
  write_.put(databases_.dirent, dirent_key(parent, name).view(), encode(name, dirent));
  if (dirent.number != 0) write_.put(databases_.child, IndexKey(parent, dirent.number).view(), name_tag(name));
}

void LmdbWrite::forget(InodeNumber parent, std::string_view name) {
  remove_child(parent, name);
  write_.erase(databases_.dirent, dirent_key(parent, name).view());
}

void LmdbWrite::put_intent(std::uint64_t unique, const Intent& record) {
  const auto former = intent(unique);
  const bool was_done = former && former->state == IntentState::done;
  write_.put(databases_.intent, IndexKey(unique).view(), encode(record));
  if (record.state != IntentState::done || was_done) return;
  newly_done_.push_back(unique);
  prune_intents();
}

void LmdbWrite::prune_intents() {
  const std::deque<std::uint64_t>& done = index_.done_intents_;
  if (intents_cleared_ || done.size() - intents_pruned_ + newly_done_.size() < kDoneIntentsKept + kPrunedAtOnce) return;
  for (std::size_t i = 0; i < kPrunedAtOnce && intents_pruned_ < done.size(); ++i) {
    const std::uint64_t unique = done[intents_pruned_++];
    const auto record = intent(unique);
    if (record && record->state == IntentState::done) write_.erase(databases_.intent, IndexKey(unique).view());
  }
}

void LmdbWrite::erase_intent(std::uint64_t unique) {
  write_.erase(databases_.intent, IndexKey(unique).view());
}

void LmdbWrite::clear_intents() {
  constexpr int kKeepDatabase = 0;
  if (write_.failed()) return;
  write_.note(mdb_drop(write_.get(), databases_.intent, kKeepDatabase));
  intents_cleared_ = true;
  newly_done_.clear();
}

void LmdbWrite::put_upload(InodeNumber number, const UploadRecord& record) {
  write_.put(databases_.upload, IndexKey(number).view(), encode(record));
}

void LmdbWrite::put_upload_part(InodeNumber number, const UploadPartRecord& part) {
  write_.put(databases_.upload_part, IndexKey(number, part.number).view(), encode(part));
}

void LmdbWrite::erase_upload(InodeNumber number) {
  write_.erase(databases_.upload, IndexKey(number).view());
  for (const UploadPartRecord& part : upload_parts(number))
    write_.erase(databases_.upload_part, IndexKey(number, part.number).view());
}

void LmdbWrite::put_moment_anchor(const MomentAnchor& anchor) {
  write_.put(index_.environment_->meta(), kMetaMoment, encode(anchor));
}

Result<Unit> LmdbWrite::commit() {
  if (numbers_used_up_)
    return Error{EIO,
                 "no inode numbers are left, and the journal takes no more: the log says why; check the disk of the "
                 "state directory, and mount again"};
  auto committed = write_.commit();
  index_.numbers_left_ = index_.reserved_below_ - std::min(index_.reserved_below_, index_.inode_counter_.next);
  if (committed) {
    index_.inode_counter_.limit = inode_limit_;
    index_.sequence_counter_.limit = sequence_limit_;
    auto& done = index_.done_intents_;
    if (intents_cleared_)
      done.clear();
    else
      done.erase(done.begin(), done.begin() + static_cast<std::ptrdiff_t>(intents_pruned_));
    done.insert(done.end(), newly_done_.begin(), newly_done_.end());
  }
  turn_.unlock();
  return committed;
}

const Schema kIndexSchema{.kind = "index",
                          .after_loss = "Names come back from the bucket",
                          .databases = kDatabases,
                          .full_disk = Schema::FullDisk::is_prepared_for,
                          .agrees = index_agrees};

Databases::Databases(const Environment& environment)
    : inode(environment.database(0)),
      dirent(environment.database(1)),
      child(environment.database(2)),
      intent(environment.database(3)),
      orphan(environment.database(4)),
      staged(environment.database(5)),
      upload(environment.database(6)),
      upload_part(environment.database(7)) {}

// The journal knows what else an index alone would know, once an index has worked with it.
Result<std::unique_ptr<LmdbIndex>> LmdbIndex::open(const std::filesystem::path& directory, std::string_view identity,
                                                   const Clock& clock, JournalState& journal) {
  PAIL_CHECK(make_private_directory(directory));
  const std::uint64_t former_numbers = numbers_without_journal(directory);
  const auto after_stop = journal.index_generation() != 0 ? AfterMachineStop::begin_anew : AfterMachineStop::salvage;
  PAIL_TRY(auto environment, Environment::open(directory, kIndexSchema, identity, clock, after_stop));
  std::unique_ptr<LmdbIndex> index(new LmdbIndex(std::move(environment), journal));
  PAIL_CHECK(index->load(former_numbers));
  PAIL_CHECK(index->reserve_first_numbers());
  return index;
}

Result<Unit> LmdbIndex::load(std::uint64_t former_numbers) {
  OwnedWrite write(*environment_);
  if (write.failed()) return write.commit();
  int code = MDB_SUCCESS;
  const bool is_new = !pail::local::get(write.get(), environment_->meta(), kMetaGeneration, code);
  if (is_new) create(write, former_numbers);
  generation_ = meta_number(*environment_, write.get(), kMetaGeneration, 0);
  const std::uint64_t leap = machine_stopped() && !is_new ? kLeapAfterMachineStop : 0;
  for (Counter* counter : {&inode_counter_, &sequence_counter_}) {
    counter->next = meta_number(*environment_, write.get(), counter->meta_key, 0) + leap;
    if (counter->next == leap) environment_->end_damaged("the limit of its numbers is missing");
    counter->limit = counter->next + counter->range;
    put_meta_number(*environment_, write, counter->meta_key, counter->limit);
  }
  load_done_intents(write.get());
  return write.commit();
}

// What `former_numbers` says of a directory without a journal, the journal says of one that has it.
void LmdbIndex::create(OwnedWrite& write, std::uint64_t former_numbers) {
  const std::uint64_t first = first_of_next_range(std::max(former_numbers, journal_.reserved_below()));
  put_meta_number(*environment_, write, kMetaGeneration, random_generation());
  put_meta_number(*environment_, write, kMetaNextInode, first + kRootInode + 1);
  put_meta_number(*environment_, write, kMetaNextSequence, first + 1);
  write.put(databases_.inode, IndexKey(kRootInode).view(), encode(root_record(environment_->clock().wall())));
}

// Those that an earlier process reserved and did not hand out are as good as new ones.
Result<Unit> LmdbIndex::reserve_first_numbers() {
  const MutexLock lock(writing_);
  const InodeNumber next = inode_counter_.next, below = journal_.reserved_below();
  reserved_below_ = below;
  if (below < next + kFewNumbers) {
    PAIL_TRY(const InodeRange range, journal_.reserve_inode_numbers(kReservedAtOnce, next));
    reserved_below_ = range.end;
  }
  numbers_left_ = reserved_below_ - next;
  return Unit{};
}

// Of one journal ranges follow each other.
void LmdbIndex::keep_numbers_ahead() {
  if (numbers_left_ >= kFewNumbers || reserving_.exchange(true)) return;
  if (const auto range = journal_.reserve_inode_numbers(kReservedAtOnce, 0)) {
    const MutexLock lock(writing_);
    reserved_below_ = range->end;
    numbers_left_ = reserved_below_ - std::min(reserved_below_, inode_counter_.next);
  }
  reserving_ = false;
}

void LmdbIndex::load_done_intents(MDB_txn* txn) {
  MDB_cursor* cursor = nullptr;
  if (mdb_cursor_open(txn, databases_.intent, &cursor) != MDB_SUCCESS) return;
  MDB_val key{}, value{};
  while (mdb_cursor_get(cursor, &key, &value, MDB_NEXT) == MDB_SUCCESS) {
    const auto content = unsealed(from_value(key), from_value(value));
    const auto record = content ? decode_intent(*content) : std::nullopt;
    if (!record) environment_->end_damaged("an intent cannot be read");
    if (record->state == IntentState::done) done_intents_.push_back(number_in_key(from_value(key), 0));
  }
  mdb_cursor_close(cursor);
}

std::unique_ptr<ReadTransaction> LmdbIndex::read() {
  return std::make_unique<LmdbRead>(*environment_, databases_);
}

std::unique_ptr<WriteTransaction> LmdbIndex::write() {
  return std::make_unique<LmdbWrite>(*this);
}

Result<std::unique_ptr<Index>> Index::open(const std::filesystem::path& directory, std::string_view identity,
                                           const Clock& clock, JournalState& journal) {
  PAIL_TRY(std::unique_ptr<Index> index, LmdbIndex::open(directory, identity, clock, journal));
  return index;
}

}  // namespace pail::local
